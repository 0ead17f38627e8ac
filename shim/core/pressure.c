#include "core/pressure.h"

#include <sys/resource.h>

#include "base/clock.h"
#include "core/evict.h"
#include "core/listeners.h"
#include "core/ports.h"
#include "core/reaper.h"
#include "core/track.h"

#define LOOK_NS      (100 * CLOCK_MILLISECOND)
#define LOOK_SOON_NS (10 * CLOCK_MILLISECOND)
#define MOMENT       2U /* looks that a queue must not have moved for */
#define LASTS_NS     CLOCK_SECOND
#define SPARE        4U /* descriptors that should stay free */

static bool enabled(void)
{
    return ports_settings()->pressure;
}

static bool lasts(struct process *process, uint64_t now)
{
    return now < atomic_load_explicit(&process->pressed_ns, memory_order_relaxed);
}

/* Room for one is needed now. */
static void want(struct process *process)
{
    uint64_t now = clock_now_ns();

    atomic_store_explicit(&process->pressed_ns, clock_after_ns(now, LASTS_NS),
                          memory_order_relaxed);
    atomic_fetch_add_explicit(&process->wanted, 1, memory_order_relaxed);
    reaper_by(process, now);
}

static bool nearly_the_last(int fd)
{
    struct rlimit limit;

    /* The lowest free number is given away: a high one means that all below are taken. */
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 && (rlim_t)fd + SPARE >= limit.rlim_cur;
}

void pressure_accepted(struct process *process, conn_handle handle, int fd)
{
    uint32_t source;

    if (!enabled())
        return;
    source =
        atomic_load_explicit(&conn_numbered(conn_number(handle))->source, memory_order_relaxed);
    if (nearly_the_last(fd))
        want(process);
    else if (lasts(process, clock_now_ns()) && evict_is_offender(source))
        reaper_by(process, clock_now_ns());
}

void pressure_no_descriptor(struct process *process)
{
    if (enabled())
        want(process);
}

void pressure_turned_away(struct process *process)
{
    if (enabled())
        want(process);
}

uint64_t pressure_first_look_ns(uint64_t started_ns)
{
    return enabled() ? clock_after_ns(started_ns, ports_settings()->grace_ns) : CLOCK_NEVER;
}

static uint32_t too_many(struct process *process)
{
    uint32_t limit = ports_settings()->max_pending;
    uint32_t watched = atomic_load_explicit(&process->watched, memory_order_relaxed);

    return limit != 0 && watched > limit ? watched - limit : 0;
}

/* How many must go because somebody waits in a queue. */
static uint32_t look_at_queues(struct process *process, uint64_t now, uint64_t *next_ns)
{
    uint32_t waiting = 0;
    uint32_t stuck = listeners_stuck(MOMENT, &waiting);

    *next_ns = clock_after_ns(now, waiting != 0 ? LOOK_SOON_NS : LOOK_NS);
    if (stuck != 0)
        atomic_store_explicit(&process->pressed_ns, clock_after_ns(now, LASTS_NS),
                              memory_order_relaxed);
    return stuck;
}

uint64_t pressure_round(struct process *process, struct deadlines *queue)
{
    static uint64_t next_look_ns;
    uint64_t now = clock_now_ns();
    uint32_t room = atomic_exchange_explicit(&process->wanted, 0, memory_order_relaxed);
    uint32_t stuck = 0;

    if (!enabled() || atomic_load_explicit(&process->watched, memory_order_seq_cst) == 0)
        return CLOCK_NEVER;
    room += too_many(process);
    if (now >= next_look_ns)
        stuck = look_at_queues(process, now, &next_look_ns);
    if (room != 0)
        evict(process, queue, room, EVICT_ANY);
    if (stuck > room)
        evict(process, queue, stuck - room, EVICT_OLD);
    if (lasts(process, now))
        evict(process, queue, UINT32_MAX, EVICT_OFFENDERS);
    return next_look_ns;
}
