#include <inttypes.h>
#include <time.h>

#include "launcher/reasons.h"
#include "launcher/show.h"

/* Names are printable ASCII already, see families.h. */
static void print_string(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void print_seconds(FILE *out, uint64_t span_us)
{
    fprintf(out, "%" PRIu64 ".%06" PRIu64, span_us / 1000000, span_us % 1000000);
}

static void print_group(FILE *out, const char *name, const struct snapshot *snapshot,
                        enum reason_group group)
{
    fprintf(out, ",\"%s\":{", name);
    for (size_t i = 0; i < REASONS_MOST && reasons[group][i].word; i++)
        fprintf(out, "%s\"%s\":%" PRIu64, i > 0 ? "," : "", reasons[group][i].word,
                snapshot->count[reasons[group][i].counter]);
    fputc('}', out);
}

static void print_percentile(FILE *out, const struct snapshot *snapshot, const char *name,
                             unsigned int thousandths)
{
    fprintf(out, ",\"%s\":", name);
    print_seconds(out,
                  histogram_percentile_us(snapshot->took, snapshot->took_longest_us, thousandths));
}

/* [from, to, count] for each bucket that is not empty; the last one ends at null. */
static void print_buckets(FILE *out, const struct snapshot *snapshot)
{
    const char *before = "";

    fputs(",\"buckets\":[", out);
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (snapshot->took[i] == 0)
            continue;
        fprintf(out, "%s[", before);
        print_seconds(out, histogram_from_us(i));
        fputc(',', out);
        if (i < HISTOGRAM_BUCKETS - 1)
            print_seconds(out, histogram_to_us(i));
        else
            fputs("null", out);
        fprintf(out, ",%" PRIu64 "]", snapshot->took[i]);
        before = ",";
    }
    fputc(']', out);
}

static void print_times(FILE *out, const struct snapshot *snapshot)
{
    fprintf(out, ",\"handshake_seconds\":{\"count\":%" PRIu64 ",\"sum\":", snapshot->took_count);
    print_seconds(out, snapshot->took_sum_us);
    print_percentile(out, snapshot, "p50", 500);
    print_percentile(out, snapshot, "p90", 900);
    print_percentile(out, snapshot, "p99", 990);
    print_percentile(out, snapshot, "p99_9", 999);
    fputs(",\"max\":", out);
    print_seconds(out, snapshot->took_longest_us);
    print_buckets(out, snapshot);
    fputc('}', out);
}

static void print_members(FILE *out, const struct family *family)
{
    fputs(",\"processes\":[", out);
    for (size_t i = 0; i < family->count; i++) {
        const struct member *member = &family->members[i];

        fprintf(out, "%s{\"pid\":%d,\"program\":", i > 0 ? "," : "", (int)member->pid);
        print_string(out, member->name);
        fprintf(out, ",\"connections\":%" PRIu32 ",\"with_deadline\":%" PRIu32 "}", member->tracked,
                member->watched);
    }
    fputc(']', out);
}

static void print_family(FILE *out, const struct family *family)
{
    const struct snapshot *snapshot = &family->snapshot;

    fputs("{\"program\":", out);
    print_string(out, family->members[0].name);
    fputs(",\"version\":", out);
    print_string(out, snapshot->version);
    fputs(",\"deadline_seconds\":", out);
    print_seconds(out, snapshot->timeout_ns / 1000);
    fprintf(out, ",\"since\":%" PRIu64, snapshot->made_s);
    print_members(out, family);
    fprintf(out, ",\"accepted\":%" PRIu64, snapshot->count[COUNTER_ACCEPTED]);
    fprintf(out, ",\"taken_over\":%" PRIu64, snapshot->count[COUNTER_ADOPTED]);
    fprintf(out, ",\"handshakes_begun\":%" PRIu64, snapshot->count[COUNTER_BEGUN]);
    fprintf(out, ",\"handshakes_finished\":%" PRIu64, snapshot->count[COUNTER_FINISHED]);
    print_group(out, "shut", snapshot, REASONS_SHUT);
    fprintf(out, ",\"evicted\":%" PRIu64, snapshot->count[COUNTER_EVICTED]);
    fprintf(out, ",\"server_late\":%" PRIu64, snapshot->count[COUNTER_SERVER_LATE]);
    print_group(out, "abstained", snapshot, REASONS_ABSTAINED);
    print_group(out, "unprotected", snapshot, REASONS_UNPROTECTED);
    print_times(out, snapshot);
    fputc('}', out);
}

void show_json(FILE *out, const struct families *families)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    fprintf(out, "{\"time\":%lld.%03ld,\"servers\":[", (long long)now.tv_sec,
            now.tv_nsec / 1000000);
    for (size_t i = 0; i < families->count; i++) {
        fputs(i > 0 ? "," : "", out);
        print_family(out, &families->list[i]);
    }
    fputs("]}\n", out);
}
