#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "launcher/advice.h"
#include "launcher/reasons.h"
#include "launcher/show.h"

static void print_span(FILE *out, uint64_t span_us)
{
    if (span_us < 1000)
        fprintf(out, "%" PRIu64 " us", span_us);
    else if (span_us < 100000)
        fprintf(out, "%.1f ms", (double)span_us / 1e3);
    else if (span_us < 1000000)
        fprintf(out, "%.0f ms", (double)span_us / 1e3);
    else
        fprintf(out, "%.2f s", (double)span_us / 1e6);
}

static void print_age(FILE *out, uint64_t seconds)
{
    if (seconds < 120)
        fprintf(out, "%" PRIu64 " s", seconds);
    else if (seconds < UINT64_C(2) * 3600)
        fprintf(out, "%" PRIu64 " min", seconds / 60);
    else if (seconds < UINT64_C(2) * 86400)
        fprintf(out, "%" PRIu64 " h %" PRIu64 " min", seconds / 3600, seconds / 60 % 60);
    else
        fprintf(out, "%" PRIu64 " days", seconds / 86400);
}

static void print_number(FILE *out, const char *name, uint64_t number)
{
    char digits[32];

    advice_number(number, digits);
    fprintf(out, "  %-20s %14s", name, digits);
}

static void print_line(FILE *out, const char *name, uint64_t number)
{
    print_number(out, name, number);
    fputc('\n', out);
}

/* The sum, and those of its parts that are not zero. */
static void print_group(FILE *out, const char *name, const struct snapshot *snapshot,
                        enum reason_group group)
{
    const char *before = "   ";

    print_number(out, name, reasons_sum(snapshot, group));
    for (size_t i = 0; i < REASONS_MOST && reasons[group][i].word; i++) {
        uint64_t number = snapshot->count[reasons[group][i].counter];
        char digits[32];

        if (number == 0)
            continue;
        advice_number(number, digits);
        fprintf(out, "%s%s %s", before, digits, reasons[group][i].words);
        before = ", ";
    }
    fputc('\n', out);
}

static void print_percentiles(FILE *out, const struct snapshot *snapshot)
{
    static const struct {
        const char *name;
        unsigned int thousandths;
    } shown[] = {{"p50", 500}, {"p90", 900}, {"p99", 990}, {"p99.9", 999}};

    fputs("  took  ", out);
    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        fprintf(out, "%s ", shown[i].name);
        print_span(out, histogram_percentile_us(snapshot->took, snapshot->took_longest_us,
                                                shown[i].thousandths));
        fputs(", ", out);
    }
    fputs("max ", out);
    print_span(out, snapshot->took_longest_us);
    fputc('\n', out);
}

static void print_head(FILE *out, const struct family *family)
{
    uint64_t now = (uint64_t)time(NULL);
    uint64_t since = family->snapshot.made_s < now ? family->snapshot.made_s : now;
    char deadline[32];

    advice_seconds(family->snapshot.timeout_ns / 1000, deadline);
    fprintf(out, "%s (%d)", family->members[0].name, (int)family->members[0].pid);
    if (family->count > 1)
        fprintf(out, " and %zu more", family->count - 1);
    fprintf(out, ": shakeout %s, deadline %s s, counting for ", family->snapshot.version, deadline);
    print_age(out, now - since);
    fputs("\n\n", out);
}

static void print_members(FILE *out, const struct family *family)
{
    fprintf(out, "  %10s  %-15s %12s %16s\n", "pid", "program", "connections", "with a deadline");
    for (size_t i = 0; i < family->count; i++) {
        const struct member *member = &family->members[i];

        fprintf(out, "  %10d  %-15s %12" PRIu32 " %16" PRIu32 "\n", (int)member->pid, member->name,
                member->tracked, member->watched);
    }
}

/* Words in lines of 78 columns. */
static void print_wrapped(FILE *out, const char *text)
{
    size_t column = 1;

    fputc(' ', out);
    while (*text) {
        size_t length = strcspn(text, " ");

        if (column + 1 + length > 78) {
            fputs("\n ", out);
            column = 1;
        }
        fprintf(out, " %.*s", (int)length, text);
        column += 1 + length;
        text += length + (text[length] == ' ');
    }
    fputc('\n', out);
}

static void print_family(FILE *out, const struct family *family)
{
    const struct snapshot *snapshot = &family->snapshot;
    char text[ADVICE_SIZE];

    print_head(out, family);
    print_line(out, "accepted", snapshot->count[COUNTER_ACCEPTED]);
    if (snapshot->count[COUNTER_ADOPTED] > 0)
        print_line(out, "taken over", snapshot->count[COUNTER_ADOPTED]);
    print_line(out, "handshakes begun", snapshot->count[COUNTER_BEGUN]);
    print_line(out, "handshakes finished", snapshot->count[COUNTER_FINISHED]);
    print_group(out, "shut", snapshot, REASONS_SHUT);
    if (snapshot->count[COUNTER_EVICTED] > 0)
        print_line(out, "... under pressure", snapshot->count[COUNTER_EVICTED]);
    print_line(out, "server late", snapshot->count[COUNTER_SERVER_LATE]);
    print_group(out, "abstained", snapshot, REASONS_ABSTAINED);
    print_group(out, "failed to protect", snapshot, REASONS_UNPROTECTED);
    fputc('\n', out);
    print_members(out, family);
    fputc('\n', out);
    if (snapshot->took_count > 0)
        print_percentiles(out, snapshot);
    advice(snapshot, text);
    print_wrapped(out, text);
}

void show_table(FILE *out, const struct families *families)
{
    for (size_t i = 0; i < families->count; i++) {
        if (i > 0)
            fputc('\n', out);
        print_family(out, &families->list[i]);
    }
}
