#include <inttypes.h>

#include "launcher/reasons.h"
#include "launcher/show.h"

/* Names and units: https://prometheus.io/docs/practices/naming/. A family is told from others by
   its first process. */
static void print_labels(FILE *out, const struct member *member)
{
    fprintf(out, "pid=\"%d\",program=\"", (int)member->pid);
    for (const char *at = member->name; *at; at++) {
        if (*at == '"' || *at == '\\')
            fputc('\\', out);
        fputc(*at, out);
    }
    fputc('"', out);
}

static void print_head(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP shakeout_%s %s\n# TYPE shakeout_%s %s\n", name, help, name, type);
}

static void print_counter(FILE *out, const struct families *families, const char *name,
                          enum counter counter, const char *help)
{
    print_head(out, name, "counter", help);
    for (size_t i = 0; i < families->count; i++) {
        fprintf(out, "shakeout_%s{", name);
        print_labels(out, families->list[i].members);
        fprintf(out, "} %" PRIu64 "\n", families->list[i].snapshot.count[counter]);
    }
}

static void print_group(FILE *out, const struct families *families, const char *name,
                        enum reason_group group, const char *help)
{
    print_head(out, name, "counter", help);
    for (size_t i = 0; i < families->count; i++) {
        const struct family *family = &families->list[i];

        for (size_t j = 0; j < REASONS_MOST && reasons[group][j].word; j++) {
            fprintf(out, "shakeout_%s{", name);
            print_labels(out, family->members);
            fprintf(out, ",reason=\"%s\"} %" PRIu64 "\n", reasons[group][j].word,
                    family->snapshot.count[reasons[group][j].counter]);
        }
    }
}

static void print_gauges(FILE *out, const struct families *families)
{
    print_head(out, "tracked_connections", "gauge", "Connections known now, in each process.");
    for (size_t i = 0; i < families->count; i++) {
        for (size_t j = 0; j < families->list[i].count; j++) {
            fputs("shakeout_tracked_connections{", out);
            print_labels(out, &families->list[i].members[j]);
            fprintf(out, "} %" PRIu32 "\n", families->list[i].members[j].tracked);
        }
    }
    print_head(out, "watched_connections", "gauge",
               "Connections that have a deadline now, in each process.");
    for (size_t i = 0; i < families->count; i++) {
        for (size_t j = 0; j < families->list[i].count; j++) {
            fputs("shakeout_watched_connections{", out);
            print_labels(out, &families->list[i].members[j]);
            fprintf(out, "} %" PRIu32 "\n", families->list[i].members[j].watched);
        }
    }
}

static void print_deadlines(FILE *out, const struct families *families)
{
    print_head(out, "deadline_seconds", "gauge", "The deadline that was set.");
    for (size_t i = 0; i < families->count; i++) {
        fputs("shakeout_deadline_seconds{", out);
        print_labels(out, families->list[i].members);
        fprintf(out, "} %.3f\n", (double)families->list[i].snapshot.timeout_ns / 1e9);
    }
}

static void print_bucket(FILE *out, const struct member *member, const char *le, uint64_t count)
{
    fputs("shakeout_handshake_duration_seconds_bucket{", out);
    print_labels(out, member);
    fprintf(out, ",le=\"%s\"} %" PRIu64 "\n", le, count);
}

/* A bound at every second power of two of a microsecond, from 256 us: there our own buckets end,
   too, so the numbers are exact. */
static void print_histogram(FILE *out, const struct family *family)
{
    const struct snapshot *snapshot = &family->snapshot;
    uint64_t below = 0;
    size_t bucket = 0;

    for (unsigned int power = 8; power < 30; power++) {
        char le[32];

        for (; histogram_to_us(bucket) <= UINT64_C(1) << power; bucket++)
            below += snapshot->took[bucket];
        snprintf(le, sizeof(le), "%.6f", (double)(UINT64_C(1) << power) / 1e6);
        print_bucket(out, family->members, le, below);
    }
    print_bucket(out, family->members, "+Inf", snapshot->took_count);
    fputs("shakeout_handshake_duration_seconds_sum{", out);
    print_labels(out, family->members);
    fprintf(out, "} %.6f\n", (double)snapshot->took_sum_us / 1e6);
    fputs("shakeout_handshake_duration_seconds_count{", out);
    print_labels(out, family->members);
    fprintf(out, "} %" PRIu64 "\n", snapshot->took_count);
}

static void print_versions(FILE *out, const struct families *families)
{
    print_head(out, "info", "gauge", "The library's version.");
    for (size_t i = 0; i < families->count; i++) {
        fputs("shakeout_info{", out);
        print_labels(out, families->list[i].members);
        fprintf(out, ",version=\"%s\"} 1\n", families->list[i].snapshot.version);
    }
}

void show_prometheus(FILE *out, const struct families *families)
{
    print_counter(out, families, "accepted_connections_total", COUNTER_ACCEPTED,
                  "TCP connections accepted.");
    print_counter(out, families, "taken_over_connections_total", COUNTER_ADOPTED,
                  "TCP connections that another process had accepted.");
    print_counter(out, families, "handshakes_begun_total", COUNTER_BEGUN,
                  "TLS handshakes begun by servers.");
    print_counter(out, families, "handshakes_finished_total", COUNTER_FINISHED,
                  "TLS handshakes finished by servers.");
    print_group(out, families, "shut_connections_total", REASONS_SHUT,
                "Connections shut at their deadline, by how far the client had come.");
    print_counter(out, families, "evicted_connections_total", COUNTER_EVICTED,
                  "Of the shut connections those before their deadline, under pressure.");
    print_counter(out, families, "server_late_connections_total", COUNTER_SERVER_LATE,
                  "Connections whose server was the late one.");
    print_group(out, families, "abstained_connections_total", REASONS_ABSTAINED,
                "Connections that were due and left alone, by reason.");
    print_group(out, families, "protection_failures_total", REASONS_UNPROTECTED,
                "Times that something needed for the protection was missing, by what.");
    print_head(out, "handshake_duration_seconds", "histogram",
               "How long finished handshakes took.");
    for (size_t i = 0; i < families->count; i++)
        print_histogram(out, &families->list[i]);
    print_gauges(out, families);
    print_deadlines(out, families);
    print_versions(out, families);
}
