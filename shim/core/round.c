#include "core/round.h"

#include <errno.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/log.h"
#include "core/alarm.h"
#include "core/conn.h"
#include "core/deadlines.h"
#include "core/examine.h"
#include "core/kernel.h"
#include "core/life.h"
#include "core/pending.h"
#include "core/pressure.h"
#include "core/reaper.h"
#include "core/report.h"
#include "core/session.h"
#include "core/stream.h"

#define RECONSIDER_NS CLOCK_SECOND

static uint32_t *place_of(uint32_t number)
{
    return &conn_numbered(number)->heap_place;
}

/* The thread's own. A child of fork() finds its parent's here and empties it first. */
static struct deadlines queue = {.place = place_of};
static uint64_t reconsidered_ns;
static uint64_t purged_ns;

static bool is_ours(const struct conn *conn)
{
    return atomic_load_explicit(&conn->owner, memory_order_relaxed) == process_epoch();
}

static void lacks_memory(void)
{
    static bool complained;

    counters_add(COUNTER_NO_MEMORY);
    if (complained)
        return;
    complained = true;
    log_unprotected("no memory to keep deadlines in order", ENOMEM);
}

/* It came before anybody knew that its listener speaks TLS, so it is not watched yet. */
static void watch_latecomer(struct process *process, conn_handle handle, struct conn *conn)
{
    struct wire wire;

    if (process == NULL ||
        atomic_load_explicit(&conn->watched, memory_order_relaxed) == process_epoch() ||
        !examine_is_pending(handle) || !conn_hold(handle))
        return;
    stream_wire(conn, &wire);
    if (records_progress(&wire.records) != RECORDS_FINISHED)
        reaper_watch(process, handle);
    /* The handshake may have finished just before. */
    if ((CONN_IN(conn_state(handle)) & CONN_UNFINISHED) == 0)
        reaper_unwatch(process, conn);
    life_release(process, handle);
}

static void enqueue(uint32_t number)
{
    conn_handle handle = conn_current(number);
    struct conn *conn = conn_get(handle);

    if (conn == NULL || !is_ours(conn) || (CONN_IN(conn_state(handle)) & CONN_UNFINISHED) == 0) {
        deadlines_remove(&queue, number);
        return;
    }
    if (!deadlines_put(&queue, number,
                       atomic_load_explicit(&conn->deadline_ns, memory_order_relaxed)))
        lacks_memory();
    watch_latecomer(process_known(), handle, conn);
}

/* Connections that were closed with a raw system call still count as open and keep the pigeonhole
 * from speaking. Ask the kernel for each. */
static void drop_the_dead(struct process *process)
{
    for (uint32_t number = 1; number <= conn_numbers_used(); number++) {
        conn_handle handle = conn_current(number);
        const struct conn *conn = conn_get(handle);
        uint64_t cookie = 0;
        int fd;

        if (conn == NULL || conn_state(handle) != CONN_OPEN)
            continue;
        fd = atomic_load_explicit(&conn->fd, memory_order_relaxed);
        if (!kernel_cookie(fd, &cookie) ||
            cookie != atomic_load_explicit(&conn->cookie, memory_order_relaxed))
            life_lost(process, handle, fd);
    }
}

/* Puts what was parked back into the queue: something has happened that may decide it. */
static void look_again(struct process *process)
{
    atomic_store_explicit(&process->parked, false, memory_order_relaxed);
    for (uint32_t number = 1; number <= conn_numbers_used(); number++)
        if (conn_state(conn_current(number)) == CONN_OPEN)
            enqueue(number);
}

static uint64_t reconsider_due(struct process *process, uint64_t now)
{
    uint64_t due = clock_after_ns(reconsidered_ns, RECONSIDER_NS);

    if (!atomic_load_explicit(&process->look_again, memory_order_acquire))
        return CLOCK_NEVER;
    if (now < due)
        return due;
    atomic_store_explicit(&process->look_again, false, memory_order_relaxed);
    reconsidered_ns = now;
    look_again(process);
    return CLOCK_NEVER;
}

static void park(struct process *process)
{
    uint64_t now = clock_now_ns();

    if (atomic_load_explicit(&process->waiting_sessions, memory_order_seq_cst) == 0 ||
        now < clock_after_ns(purged_ns, RECONSIDER_NS))
        return;
    purged_ns = now;
    drop_the_dead(process);
    if (session_pigeonhole(process))
        look_again(process);
}

static void judge_due(struct process *process)
{
    while (deadlines_first_ns(&queue) <= clock_now_ns()) {
        uint32_t number = deadlines_first(&queue);
        uint64_t again = 0;

        deadlines_remove(&queue, number);
        /* Before the look, so that what happens meanwhile is not missed (look_again_now()). */
        atomic_store_explicit(&process->parked, true, memory_order_seq_cst);
        switch (examine(process, conn_current(number), &again)) {
        case EXAMINED_AGAIN:
            deadlines_put(&queue, number, again);
            break;
        case EXAMINED_PARKED:
            park(process);
            break;
        case EXAMINED_DONE:
            break;
        }
    }
}

/* No wake-up for what has ended since. */
static uint64_t next_deadline(void)
{
    uint32_t number = deadlines_first(&queue);

    while (number != 0 && (CONN_IN(conn_state(conn_current(number))) & CONN_UNFINISHED) == 0) {
        deadlines_remove(&queue, number);
        number = deadlines_first(&queue);
    }
    return deadlines_first_ns(&queue);
}

/* What a parent has left of its queue, even in the middle of a change, is not looked at. */
static void begin_queue(struct process *process)
{
    if (atomic_exchange_explicit(&process->queue_begun, true, memory_order_relaxed))
        return;
    queue = (struct deadlines){.place = place_of};
    look_again(process);
}

static void work(struct process *process)
{
    uint64_t pressure;
    uint64_t next;
    uint64_t other;

    alarm_off(process);
    pending_take(process, enqueue);
    other = reconsider_due(process, clock_now_ns());
    judge_due(process);
    pressure = pressure_round(process, &queue);
    next = next_deadline();
    atomic_store_explicit(&process->queue_first_ns, next == CLOCK_NEVER ? 0 : next,
                          memory_order_relaxed);
    if (other < next)
        next = other;
    if (pressure < next)
        next = pressure;
    other = report_flush(clock_now_ns());
    atomic_store_explicit(&process->reporting, other != CLOCK_NEVER, memory_order_seq_cst);
    if (other < next)
        next = other;
    if (next != CLOCK_NEVER)
        alarm_by(process, next);
}

bool round_work(struct process *process)
{
    if (atomic_exchange_explicit(&process->in_round, true, memory_order_acquire))
        return false;
    begin_queue(process);
    work(process);
    atomic_store_explicit(&process->in_round, false, memory_order_release);
    return true;
}
