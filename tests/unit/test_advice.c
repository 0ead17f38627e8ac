/* What is said about the deadline. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "launcher/advice.h"

/* So many handshakes, of which the slowest in a thousand took this long. */
static struct snapshot handshakes(uint64_t count, uint64_t slow_us, uint64_t deadline_ns)
{
    struct snapshot snapshot = {.timeout_ns = deadline_ns, .took_count = count};

    snapshot.took[histogram_bucket(1000)] = count - count / 100;
    snapshot.took[histogram_bucket(slow_us)] = count / 100;
    snapshot.took_longest_us = slow_us;
    return snapshot;
}

static const char *said(struct snapshot snapshot)
{
    static char text[ADVICE_SIZE];

    advice(&snapshot, text);
    return text;
}

static void numbers(void **state)
{
    char out[32];

    (void)state;
    advice_number(0, out);
    assert_string_equal(out, "0");
    advice_number(999, out);
    assert_string_equal(out, "999");
    advice_number(120431, out);
    assert_string_equal(out, "120,431");
    advice_number(UINT64_MAX, out);
    assert_string_equal(out, "18,446,744,073,709,551,615");
}

static void seconds(void **state)
{
    static const struct {
        uint64_t us;
        const char *text;
    } examples[] = {
        {0, "0"},        {42, "0.000042"},   {1234, "0.0012"}, {420000, "0.42"},
        {1000000, "1"},  {1500000, "1.5"},   {10000000, "10"}, {43210000, "43"},
        {9999999, "10"}, {120000000, "120"}, {999999, "1.0"},
    };
    char out[32];

    (void)state;
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        advice_seconds(examples[i].us, out);
        assert_string_equal(out, examples[i].text);
    }
}

static void too_few(void **state)
{
    (void)state;
    assert_string_equal(said(handshakes(0, 1000, CLOCK_SECOND)),
                        "0 finished handshakes are too few to say which deadline fits; ask again "
                        "after 100.");
    assert_string_equal(said(handshakes(1, 1000, CLOCK_SECOND)),
                        "1 finished handshake is too few to say which deadline fits; ask again "
                        "after 100.");
}

static void a_comfortable_deadline(void **state)
{
    (void)state;
    assert_string_equal(said(handshakes(120431, 420000, 10 * CLOCK_SECOND)),
                        "99.9 % of 120,431 handshakes finished within 0.42 s; the deadline of 10 s "
                        "leaves a margin of 23 times.");
}

static void a_deadline_that_could_be_shorter(void **state)
{
    (void)state;
    assert_string_equal(said(handshakes(5000, 100000, 60 * CLOCK_SECOND)),
                        "99.9 % of 5,000 handshakes finished within 0.10 s; the deadline of 60 s "
                        "leaves a margin of 600 times. 1 s would still leave 10 times.");
}

static void a_deadline_that_is_short(void **state)
{
    (void)state;
    assert_string_equal(said(handshakes(500, 2000000, 10 * CLOCK_SECOND)),
                        "99 % of 500 handshakes finished within 0.0010 s; the deadline of 10 s "
                        "leaves a margin of 9,920 times. 1 s would still leave 10 times.");
    assert_string_equal(said(handshakes(5000, 2000000, 10 * CLOCK_SECOND)),
                        "99.9 % of 5,000 handshakes finished within 2.0 s; the deadline of 10 s "
                        "leaves a margin of only 5 times, 20 s would leave more than 10.");
}

static void a_deadline_that_is_too_short(void **state)
{
    struct snapshot snapshot = handshakes(5000, 4000000, 5 * CLOCK_SECOND);

    (void)state;
    snapshot.count[COUNTER_SHUT_HALFWAY] = 12;
    assert_string_equal(said(snapshot),
                        "99.9 % of 5,000 handshakes finished within 4.0 s; the deadline of 5 s is "
                        "too close to that for clients on bad lines, better 50 s. (12 clients were "
                        "shut halfway: stalled, or so slow that this statistic does not know of "
                        "them.)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(seconds),
        cmocka_unit_test(too_few),
        cmocka_unit_test(a_comfortable_deadline),
        cmocka_unit_test(a_deadline_that_could_be_shorter),
        cmocka_unit_test(a_deadline_that_is_short),
        cmocka_unit_test(a_deadline_that_is_too_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
