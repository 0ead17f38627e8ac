#include "core/life.h"

#include "base/clock.h"
#include "base/counters.h"
#include "core/fdmap.h"
#include "core/kernel.h"
#include "core/ports.h"
#include "core/reaper.h"
#include "core/sources.h"
#include "core/stream.h"

static _Atomic uint32_t living;

static void count_life(uint16_t port, int change)
{
    if (port == 0)
        return;
    counters_tracked(change);
    atomic_fetch_add_explicit(&living, (uint32_t)change, memory_order_relaxed);
}

uint32_t life_count(void)
{
    return atomic_load_explicit(&living, memory_order_relaxed);
}

conn_handle life_begin(struct process *process, int fd, uint32_t listener, uint16_t port)
{
    uint64_t cookie = 0;
    uint64_t now = clock_now_ns();
    uint32_t number;
    struct conn *conn;
    conn_handle handle;
    conn_handle before;

    if (!kernel_cookie(fd, &cookie))
        return 0;
    number = conn_alloc();
    if (number == 0) {
        counters_add(COUNTER_NO_MEMORY);
        return 0;
    }
    conn = conn_numbered(number);
    atomic_store_explicit(&conn->cookie, cookie, memory_order_relaxed);
    atomic_store_explicit(&conn->listener, listener, memory_order_relaxed);
    atomic_store_explicit(&conn->started_ns, now, memory_order_relaxed);
    atomic_store_explicit(&conn->charged_ns, now, memory_order_relaxed);
    atomic_store_explicit(&conn->deadline_ns, clock_after_ns(now, ports_timeout_ns(port)),
                          memory_order_relaxed);
    atomic_store_explicit(&conn->fd, fd, memory_order_relaxed);
    atomic_store_explicit(&conn->port, port, memory_order_relaxed);
    atomic_store_explicit(&conn->counted, 0, memory_order_relaxed);
    atomic_store_explicit(&conn->had_session, false, memory_order_relaxed);
    atomic_store_explicit(&conn->unheard, false, memory_order_relaxed);
    atomic_store_explicit(&conn->owner, process_epoch(), memory_order_relaxed);
    atomic_store_explicit(&conn->source, ports_settings()->pressure ? sources_of(fd) : 0,
                          memory_order_relaxed);
    stream_reset(conn);
    handle = conn_publish(number);
    count_life(port, 1);
    if (!fdmap_set(fd, handle, &before)) {
        counters_add(COUNTER_NO_MEMORY);
        life_release(process, handle);
        return 0;
    }
    if (before != 0)
        life_release(process, before);
    return handle;
}

void life_orphan(struct process *process, const struct conn *conn)
{
    if (!atomic_load_explicit(&conn->had_session, memory_order_relaxed) &&
        atomic_load_explicit(&process->waiting_sessions, memory_order_relaxed) != 0)
        atomic_fetch_add_explicit(&process->orphans, 1, memory_order_seq_cst);
}

void life_release(struct process *process, conn_handle handle)
{
    struct conn *conn = conn_get(handle);
    enum conn_state ended = conn != NULL ? conn_drop(handle) : CONN_FREE;

    if (ended == CONN_FREE)
        return;
    count_life(atomic_load_explicit(&conn->port, memory_order_relaxed), -1);
    reaper_unwatch(process, conn);
    /* The orphan counts before the connection no longer does, see session_pigeonhole(). */
    if (ended == CONN_OPEN)
        life_orphan(process, conn);
    conn_recycle(handle, ended);
    if (ended == CONN_OPEN)
        reaper_reconsider(process);
}

/* The connection lives on under another number: who asks the kernel about it should not ask about
 * what has this one next. */
static void move_on(conn_handle handle, int fd)
{
    struct conn *conn = conn_get(handle);
    int other;

    if (conn == NULL || conn_references(handle) == 1 ||
        atomic_load_explicit(&conn->fd, memory_order_relaxed) != fd)
        return;
    other = fdmap_find(handle, fd);
    if (other >= 0)
        atomic_store_explicit(&conn->fd, other, memory_order_relaxed);
}

void life_lost(struct process *process, conn_handle handle, int fd)
{
    if (!fdmap_remove(fd, handle))
        return;
    move_on(handle, fd);
    life_release(process, handle);
}
