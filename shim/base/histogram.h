/* Times in a log-linear histogram: from a microsecond to a quarter of an hour, in buckets that are
 * at most a sixteenth of their value wide.
 *
 * Below 16 us each microsecond has a bucket; above, each power of two has sixteen. The value that
 * stands for a bucket, its middle, is therefore at most 3.2 % off. The last bucket holds all that
 * is longer. Pure functions: any thread, signal handler or vfork child. */
#ifndef SHAKEOUT_BASE_HISTOGRAM_H
#define SHAKEOUT_BASE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_LINEAR  16U /* buckets for each power of two, and for the values below */
#define HISTOGRAM_POWERS  26U /* 2^4 .. 2^29 us; what is longer than 2^30 us (18 min) overflows */
#define HISTOGRAM_BUCKETS (HISTOGRAM_LINEAR * (1U + HISTOGRAM_POWERS) + 1U)

/* Which bucket a time belongs to; always below HISTOGRAM_BUCKETS. */
size_t histogram_bucket(uint64_t span_us);

/* The first microsecond of a bucket, and the one after its last; UINT64_MAX for the last bucket. */
uint64_t histogram_from_us(size_t bucket);
uint64_t histogram_to_us(size_t bucket);

/* A time that so many thousandths of all values do not exceed (999: the 99.9th percentile); the
 * middle of the bucket where it lies, `longest_us` at most. 0 when there are no values. */
uint64_t histogram_percentile_us(const uint64_t counts[HISTOGRAM_BUCKETS], uint64_t longest_us,
                                 unsigned int thousandths);

#endif
