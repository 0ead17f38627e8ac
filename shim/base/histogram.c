#include "base/histogram.h"

#define SHIFT 4 /* HISTOGRAM_LINEAR is 2^SHIFT */

static unsigned int power_of(uint64_t value)
{
    return 63U - (unsigned int)__builtin_clzll(value);
}

size_t histogram_bucket(uint64_t span_us)
{
    unsigned int power;

    if (span_us < HISTOGRAM_LINEAR)
        return (size_t)span_us;
    power = power_of(span_us);
    if (power >= SHIFT + HISTOGRAM_POWERS)
        return HISTOGRAM_BUCKETS - 1;
    /* The highest bit says which power, the four below it which of its buckets. */
    return (size_t)HISTOGRAM_LINEAR * (power - SHIFT) + (size_t)(span_us >> (power - SHIFT));
}

uint64_t histogram_from_us(size_t bucket)
{
    size_t power = bucket / HISTOGRAM_LINEAR;

    if (power == 0)
        return bucket;
    return (uint64_t)(HISTOGRAM_LINEAR + bucket % HISTOGRAM_LINEAR) << (power - 1);
}

uint64_t histogram_to_us(size_t bucket)
{
    return bucket + 1 < HISTOGRAM_BUCKETS ? histogram_from_us(bucket + 1) : UINT64_MAX;
}

uint64_t histogram_percentile_us(const uint64_t counts[HISTOGRAM_BUCKETS], uint64_t longest_us,
                                 unsigned int thousandths)
{
    uint64_t total = 0;
    uint64_t wanted;
    uint64_t middle;
    size_t bucket;

    for (bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++)
        total += counts[bucket];
    if (total == 0)
        return 0;
    /* Rounded up: of two values the 50th percentile is the first, the 99th the second. */
    wanted = total / 1000 * thousandths + (total % 1000 * thousandths + 999) / 1000;
    if (wanted == 0)
        wanted = 1;
    for (bucket = 0; bucket < HISTOGRAM_BUCKETS - 1 && counts[bucket] < wanted; bucket++)
        wanted -= counts[bucket];
    if (bucket == HISTOGRAM_BUCKETS - 1)
        return longest_us;
    middle = histogram_from_us(bucket) + (histogram_to_us(bucket) - histogram_from_us(bucket)) / 2;
    return middle < longest_us ? middle : longest_us;
}
