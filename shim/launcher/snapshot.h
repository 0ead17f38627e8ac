/*
 * The counters of a process, decoded: bytes from somebody else's memory become numbers.
 *
 * Pure; the bytes may be anything.
 */
#ifndef SHAKEOUT_LAUNCHER_SNAPSHOT_H
#define SHAKEOUT_LAUNCHER_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include "base/counters.h"

struct snapshot {
    char version[17];    /* of the library: printable ASCII */
    uint64_t timeout_ns; /* the deadline */
    uint64_t made_s;     /* CLOCK_REALTIME: since when it counts */
    uint64_t tracked_address;
    uint64_t watched_address;
    uint64_t count[COUNTERS];
    uint64_t took_count; /* the sum of the buckets */
    uint64_t took_sum_us;
    uint64_t took_longest_us;
    uint64_t took[HISTOGRAM_BUCKETS];
};

enum snapshot_problem {
    SNAPSHOT_READ,
    SNAPSHOT_TRUNCATED,    /* shorter than the counters are */
    SNAPSHOT_FOREIGN,      /* no counters */
    SNAPSHOT_OTHER_LAYOUT, /* counters of another version of the library */
    SNAPSHOT_DAMAGED       /* numbers that the library would not write */
};

/* *layout is set for SNAPSHOT_OTHER_LAYOUT; *out is complete for SNAPSHOT_READ only. */
enum snapshot_problem snapshot_decode(const void *bytes, size_t size, struct snapshot *out,
                                      uint32_t *layout);

#endif
