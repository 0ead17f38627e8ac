/* Durations: what is accepted, its exact value, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/duration.h"

#define MS UINT64_C(1000000)
#define S  (1000 * MS)

struct example {
    const char *text;
    uint64_t ns; /* 0: refused */
};

static const struct example with_suffix[] = {
    {"1", S},
    {"10", 10 * S},
    {"007", 7 * S},
    {"0.5", S / 2},
    {".5", S / 2},
    {"5.", 5 * S},
    {"0.001", MS},
    {"1.000000001", S + 1},
    {"1.0000000019", S + 1},
    {"0.00100000000000000000000000000000000000000000000000000000000000000000001", MS},
    {"1.999999999999999999999999999999999999999999999999999999999999", 2 * S - 1},
    {"1ms", MS},
    {"1.5ms", MS + MS / 2},
    {"500ms", 500 * MS},
    {"30s", 30 * S},
    {"5m", 300 * S},
    {"0.1m", 6 * S},
    {"1h", 3600 * S},
    {"0.25h", 900 * S},
    {"0.3333333333333333h", UINT64_C(1199999999999)},
    {"31536000", DURATION_MAX_NS},
    {"8760h", DURATION_MAX_NS},
    {"31536000000ms", DURATION_MAX_NS},

    {"", 0},
    {".", 0},
    {"s", 0},
    {".s", 0},
    {"0", 0},
    {"0.0", 0},
    {"0h", 0},
    {"0.000999999", 0},
    {"0.9ms", 0},
    {"-1", 0},
    {"-0", 0},
    {"+1", 0},
    {"nan", 0},
    {"inf", 0},
    {"infinity", 0},
    {"off", 0},
    {"1e3", 0},
    {"1E1s", 0},
    {"0x10", 0},
    {"1_000", 0},
    {"1,5", 0},
    {"1.5.5", 0},
    {" 1", 0},
    {"1 ", 0},
    {"1 s", 0},
    {"1s ", 0},
    {"1\n", 0},
    {"1S", 0},
    {"1d", 0},
    {"1us", 0},
    {"1sm", 0},
    {"1mss", 0},
    {"1s1", 0},
    {"31536000.000000001", 0},
    {"8760.0000001h", 0},
    {"8761h", 0},
    {"31536001", 0},
    {"18446744073709551616", 0},
    {"18446744073709551621", 0}, /* 2^64 + 5 */
    {"18446744074", 0},          /* times 1e9 it wraps to a small number */
    {"5124095577h", 0},          /* so does this one */
    {"99999999999999999999999999999999999999999999999999999999999999999999", 0},
};

static const struct example without_suffix[] = {
    {"60", 60 * S}, {"60.0", 60 * S}, {"0.5", S / 2}, {".5", S / 2}, {"5.", 5 * S},
    {"", 0},        {".", 0},         {"5s", 0},      {"5ms", 0},    {"5m", 0},
    {"1h", 0},      {"0", 0},         {"-1", 0},      {"nan", 0},    {"1e1", 0},
};

static void check(bool parse(const char *, size_t, uint64_t *), const struct example *example)
{
    const uint64_t untouched = 42;
    uint64_t ns = untouched;
    bool accepted = parse(example->text, strlen(example->text), &ns);
    uint64_t expected = example->ns ? example->ns : untouched;

    if (accepted != (example->ns != 0) || ns != expected)
        fail_msg("'%s': %s, %ju", example->text, accepted ? "accepted" : "refused", (uintmax_t)ns);
}

static void durations_with_a_suffix(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(with_suffix) / sizeof(with_suffix[0]); i++)
        check(duration_parse, &with_suffix[i]);
}

static void durations_in_seconds_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(without_suffix) / sizeof(without_suffix[0]); i++)
        check(duration_parse_seconds, &without_suffix[i]);
}

static void only_the_given_length_is_read(void **state)
{
    uint64_t ns = 0;

    (void)state;
    assert_true(duration_parse("5s,9000", 2, &ns));
    assert_int_equal(ns, 5 * S);
    assert_true(duration_parse("15", 1, &ns));
    assert_int_equal(ns, S);
    assert_false(duration_parse("5", 0, &ns));
    assert_false(duration_parse("5\0", 2, &ns));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_with_a_suffix),
        cmocka_unit_test(durations_in_seconds_only),
        cmocka_unit_test(only_the_given_length_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
