/* The one clock of the project: nanoseconds of CLOCK_MONOTONIC, as uint64_t.
 *
 * Any thread, signal handler or vfork child may call it: clock_gettime() is async-signal-safe
 * (signal-safety(7)). Time zero never happens; UINT64_MAX stands for "never". */
#ifndef SHAKEOUT_BASE_CLOCK_H
#define SHAKEOUT_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define CLOCK_NEVER       UINT64_MAX
#define CLOCK_SECOND      UINT64_C(1000000000)
#define CLOCK_MILLISECOND UINT64_C(1000000)

static inline uint64_t clock_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * CLOCK_SECOND + (uint64_t)now.tv_nsec;
}

/* later = when + span, but never past "never". */
static inline uint64_t clock_after_ns(uint64_t when_ns, uint64_t span_ns)
{
    return when_ns > CLOCK_NEVER - span_ns ? CLOCK_NEVER : when_ns + span_ns;
}

#endif
