/*
 * Durations as people write them: "10", "0.5", "500ms", "30s", "5m", "1h".
 *
 * Pure functions over bytes: no locale (strtod() would take "0,5" in some), no floating point, no
 * allocation. May be called from anywhere: any thread, signal handler, vfork child.
 */
#ifndef SHAKEOUT_BASE_DURATION_H
#define SHAKEOUT_BASE_DURATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DURATION_MIN_NS UINT64_C(1000000)           /* 1 ms */
#define DURATION_MAX_NS UINT64_C(31536000000000000) /* 365 days */

/* What duration_parse() and duration_parse_seconds() accept, for error messages. */
#define DURATION_ACCEPTED                                                                          \
    "a number of seconds above 0, or a number with ms, s, m or h, from 1ms to 8760h (365 days)"
#define DURATION_ACCEPTED_SECONDS "a number of seconds above 0, from 0.001 to 31536000 (365 days)"

/*
 * Reads text[0..length) as decimal digits with an optional fraction ("5", "0.5", ".5", "5.") and an
 * optional suffix ms, s, m or h; seconds without one. Returns true and sets *out_ns (nanoseconds,
 * rounded down) when all of the text is that and the value lies in [DURATION_MIN_NS,
 * DURATION_MAX_NS]; else returns false and leaves *out_ns alone. Signs, exponents, hex, nan, inf
 * and spaces are not accepted.
 */
bool duration_parse(const char *text, size_t length, uint64_t *out_ns);

/* The same without a suffix: always seconds. */
bool duration_parse_seconds(const char *text, size_t length, uint64_t *out_ns);

#endif
