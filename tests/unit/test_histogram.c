/* The histogram: every value has a bucket that it lies in, no bucket is too wide. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/histogram.h"

static void buckets_follow_each_other(void **state)
{
    (void)state;
    assert_int_equal(histogram_from_us(0), 0);
    for (size_t i = 1; i < HISTOGRAM_BUCKETS; i++) {
        assert_int_equal(histogram_to_us(i - 1), histogram_from_us(i));
        assert_true(histogram_from_us(i) > histogram_from_us(i - 1));
    }
    assert_true(histogram_to_us(HISTOGRAM_BUCKETS - 1) == UINT64_MAX);
}

static void a_value_lies_in_its_bucket(void **state)
{
    (void)state;
    for (uint64_t value = 0; value < UINT64_C(1) << 31; value += value / 1000 + 1) {
        size_t bucket = histogram_bucket(value);

        assert_true(bucket < HISTOGRAM_BUCKETS);
        assert_true(histogram_from_us(bucket) <= value);
        assert_true(value < histogram_to_us(bucket));
    }
}

static void the_longest_have_the_last_bucket(void **state)
{
    (void)state;
    assert_int_equal(histogram_bucket((UINT64_C(1) << 30) - 1), HISTOGRAM_BUCKETS - 2);
    assert_int_equal(histogram_bucket(UINT64_C(1) << 30), HISTOGRAM_BUCKETS - 1);
    assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

/* What stands for a bucket is its middle: at most 5 % from every value in it, from 16 us on exactly
 * one 32nd. */
static void the_middle_is_near(void **state)
{
    (void)state;
    for (size_t i = 16; i < HISTOGRAM_BUCKETS - 1; i++) {
        uint64_t from = histogram_from_us(i);
        uint64_t half = (histogram_to_us(i) - from) / 2;

        assert_true(half * 20 <= from);
    }
}

static void percentiles(void **state)
{
    uint64_t counts[HISTOGRAM_BUCKETS] = {0};

    (void)state;
    assert_int_equal(histogram_percentile_us(counts, 0, 500), 0);
    counts[histogram_bucket(10)] = 1;
    assert_int_equal(histogram_percentile_us(counts, 10, 500), 10);
    assert_int_equal(histogram_percentile_us(counts, 10, 999), 10);
    counts[histogram_bucket(5)] = 989;
    counts[histogram_bucket(10)] = 10;
    counts[histogram_bucket(15)] = 1;
    assert_int_equal(histogram_percentile_us(counts, 15, 500), 5);
    assert_int_equal(histogram_percentile_us(counts, 15, 989), 5);
    assert_int_equal(histogram_percentile_us(counts, 15, 990), 10);
    assert_int_equal(histogram_percentile_us(counts, 15, 999), 10);
    assert_int_equal(histogram_percentile_us(counts, 15, 1000), 15);
}

static void no_percentile_exceeds_the_longest(void **state)
{
    uint64_t counts[HISTOGRAM_BUCKETS] = {0};

    (void)state;
    counts[histogram_bucket(1000000)] = 3;
    assert_int_equal(histogram_percentile_us(counts, 2000000, 500), 999424);
    assert_int_equal(histogram_percentile_us(counts, 990000, 500), 990000);
    counts[HISTOGRAM_BUCKETS - 1] = 1;
    assert_true(histogram_percentile_us(counts, UINT64_C(1) << 33, 999) == UINT64_C(1) << 33);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_follow_each_other),
        cmocka_unit_test(a_value_lies_in_its_bucket),
        cmocka_unit_test(the_longest_have_the_last_bucket),
        cmocka_unit_test(the_middle_is_near),
        cmocka_unit_test(percentiles),
        cmocka_unit_test(no_percentile_exceeds_the_longest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
