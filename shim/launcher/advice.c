#include "launcher/advice.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SECOND_US UINT64_C(1000000)

/* With fewer, the slowest of a hundred is anybody's guess. */
enum { FEWEST = 100, MANY = 1000 };

/* A deadline this many times as long as what nearly everybody needs is comfortable; with less than
   the second number, clients on bad lines will be shut. */
enum { COMFORTABLE = 10, CLOSE = 3 };

void advice_number(uint64_t number, char out[32])
{
    char digits[21];
    int length = snprintf(digits, sizeof(digits), "%" PRIu64, number);
    char *to = out;

    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
}

void advice_seconds(uint64_t span_us, char out[32])
{
    uint64_t limit_us = 9950000; /* shown with one decimal below, as "9.9" */
    int decimals = 0;

    for (; decimals < 6 && span_us < limit_us; limit_us /= 10)
        decimals++;
    snprintf(out, 32, "%.*f", decimals, (double)span_us / (double)SECOND_US);
    if (strchr(out, '.') && span_us % SECOND_US == 0)
        *strchr(out, '.') = '\0';
}

/* The next "round" deadline that is long enough: 1, 2 or 5 times a power of ten, in seconds. */
static uint64_t round_up_us(uint64_t span_us)
{
    static const unsigned int steps[] = {1, 2, 5};
    uint64_t power = SECOND_US;

    for (;; power *= 10)
        for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
            if (power * steps[i] >= span_us)
                return power * steps[i];
}

static void add(char out[ADVICE_SIZE], const char *text)
{
    size_t length = strlen(out);

    snprintf(out + length, ADVICE_SIZE - length, "%s", text);
}

static void add_margin(char out[ADVICE_SIZE], uint64_t deadline_us, uint64_t needed_us)
{
    uint64_t margin = deadline_us / (needed_us > 0 ? needed_us : 1);
    uint64_t enough_us = round_up_us(needed_us * COMFORTABLE);
    char deadline[32];
    char enough[32];
    char number[32];
    char text[200];

    advice_seconds(deadline_us, deadline);
    advice_seconds(enough_us, enough);
    advice_number(margin, number);
    if (margin >= COMFORTABLE)
        snprintf(text, sizeof(text), "; the deadline of %s s leaves a margin of %s times.",
                 deadline, number);
    else if (margin >= CLOSE)
        snprintf(text, sizeof(text),
                 "; the deadline of %s s leaves a margin of only %s times, %s s would leave more "
                 "than %d.",
                 deadline, number, enough, COMFORTABLE);
    else
        snprintf(text, sizeof(text),
                 "; the deadline of %s s is too close to that for clients on bad lines, better "
                 "%s s.",
                 deadline, enough);
    add(out, text);
    if (deadline_us > 2 * enough_us) {
        snprintf(text, sizeof(text), " %s s would still leave %d times.", enough, COMFORTABLE);
        add(out, text);
    }
}

static void add_halfway(char out[ADVICE_SIZE], uint64_t halfway)
{
    char number[32];
    char text[200];

    if (halfway == 0)
        return;
    advice_number(halfway, number);
    snprintf(text, sizeof(text),
             " (%s %s shut halfway: stalled, or so slow that this statistic does not know of "
             "%s.)",
             number, halfway == 1 ? "client was" : "clients were", halfway == 1 ? "it" : "them");
    add(out, text);
}

void advice(const struct snapshot *snapshot, char out[ADVICE_SIZE])
{
    unsigned int thousandths = snapshot->took_count >= MANY ? 999 : 990;
    uint64_t needed_us =
        histogram_percentile_us(snapshot->took, snapshot->took_longest_us, thousandths);
    char number[32];
    char seconds[32];

    advice_number(snapshot->took_count, number);
    advice_seconds(needed_us, seconds);
    if (snapshot->took_count < FEWEST) {
        snprintf(out, ADVICE_SIZE,
                 "%s finished %s too few to say which deadline fits; ask again after %d.", number,
                 snapshot->took_count == 1 ? "handshake is" : "handshakes are", FEWEST);
        return;
    }
    snprintf(out, ADVICE_SIZE, "%s %% of %s handshakes finished within %s s",
             thousandths == 999 ? "99.9" : "99", number, seconds);
    add_margin(out, snapshot->timeout_ns / 1000, needed_us);
    add_halfway(out, snapshot->count[COUNTER_SHUT_HALFWAY]);
}
