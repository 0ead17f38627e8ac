#include "launcher/snapshot.h"

#include <string.h>

#include "base/duration.h"

/* As the bytes lie: atomics of the same size, but nobody else's here. */
_Static_assert(sizeof(_Atomic uint64_t) == sizeof(uint64_t), "counters are plain numbers");

static void copy_numbers(uint64_t *to, const _Atomic uint64_t *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = atomic_load_explicit(&from[i], memory_order_relaxed);
}

static void copy_version(char to[17], const char from[16])
{
    size_t i;

    for (i = 0; i < 16 && from[i] != '\0'; i++) {
        to[i] = from[i];
        if (from[i] < '!' || from[i] > '~')
            to[i] = '?';
    }
    to[i] = '\0';
}

/* Sums must not wrap around. */
static int is_plausible(const struct snapshot *snapshot)
{
    const uint64_t most = UINT64_MAX / 1024;

    for (size_t i = 0; i < COUNTERS; i++)
        if (snapshot->count[i] > most)
            return 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        if (snapshot->took[i] > most)
            return 0;
    return snapshot->timeout_ns >= DURATION_MIN_NS && snapshot->timeout_ns <= DURATION_MAX_NS &&
           snapshot->took_longest_us <= most && snapshot->made_s <= most;
}

enum snapshot_problem snapshot_decode(const void *bytes, size_t size, struct snapshot *out,
                                      uint32_t *layout)
{
    struct counters counters;

    if (size < offsetof(struct counters, version))
        return SNAPSHOT_TRUNCATED;
    memcpy(&counters, bytes, size < sizeof(counters) ? size : sizeof(counters));
    if (memcmp(counters.magic, COUNTERS_MAGIC, sizeof(counters.magic)) != 0)
        return SNAPSHOT_FOREIGN;
    if (counters.layout != COUNTERS_LAYOUT || counters.size != sizeof(counters)) {
        *layout = counters.layout;
        return counters.layout != COUNTERS_LAYOUT ? SNAPSHOT_OTHER_LAYOUT : SNAPSHOT_DAMAGED;
    }
    if (size < sizeof(counters))
        return SNAPSHOT_TRUNCATED;
    copy_version(out->version, counters.version);
    out->timeout_ns = counters.timeout_ns;
    out->made_s = counters.made_s;
    out->tracked_address = counters.tracked_address;
    out->watched_address = counters.watched_address;
    copy_numbers(out->count, counters.count, COUNTERS);
    copy_numbers(out->took, counters.took, HISTOGRAM_BUCKETS);
    copy_numbers(&out->took_sum_us, &counters.took_sum_us, 1);
    copy_numbers(&out->took_longest_us, &counters.took_longest_us, 1);
    if (!is_plausible(out))
        return SNAPSHOT_DAMAGED;
    out->took_count = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        out->took_count += out->took[i];
    return SNAPSHOT_READ;
}
