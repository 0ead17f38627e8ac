/* No look at the pid in this file, which is a system call each time: a vfork child does no TLS. */
#include "core/session.h"

#include <stddef.h>

#include "base/clock.h"
#include "base/counters.h"
#include "core/charge.h"
#include "core/hellos.h"
#include "core/kernel.h"
#include "core/life.h"
#include "core/pending.h"
#include "core/ports.h"
#include "core/reaper.h"
#include "core/sources.h"
#include "core/stream.h"
#include "core/track.h"
#include "core/waits.h"

_Thread_local struct session *session_inside;

/* The numbers move while they are read. No connection may come meanwhile; then the first count is
 * the highest, a session waits after its connection has come, and an orphan counts before its
 * connection has gone. A session has gone before its orphan: so the orphans come before the
 * sessions. Who comes meanwhile has its session ask again, and who goes asks itself. */
bool session_pigeonhole(struct process *process)
{
    uint32_t ever = conn_open_ever();
    uint32_t open = conn_open_count();
    uint32_t orphans = atomic_load_explicit(&process->orphans, memory_order_seq_cst);
    uint32_t waiting = atomic_load_explicit(&process->waiting_sessions, memory_order_seq_cst);

    return waiting > orphans && waiting - orphans >= open && conn_open_ever() == ever &&
           !atomic_load_explicit(&process->strays, memory_order_relaxed);
}

/* The session has begun, and whose it is will be seen when its ClientHello comes. */
static void wait_for_hello(struct process *process, struct session *session)
{
    uint16_t epoch = process_epoch();

    if (atomic_exchange_explicit(&session->waits, epoch, memory_order_relaxed) == epoch)
        return;
    atomic_store_explicit(&process->waited_ns, clock_now_ns(), memory_order_relaxed);
    atomic_fetch_add_explicit(&process->waiting_sessions, 1, memory_order_seq_cst);
    reaper_waiting(process);
}

/* Returns whether it did wait. */
static bool wait_no_longer(struct process *process, struct session *session)
{
    uint32_t orphans;

    if (atomic_exchange_explicit(&session->waits, 0, memory_order_relaxed) != process_epoch())
        return false;
    orphans = atomic_load_explicit(&process->orphans, memory_order_seq_cst);
    if (atomic_fetch_sub_explicit(&process->waiting_sessions, 1, memory_order_seq_cst) == 1) {
        /* Unless one has come since: it may be that of a session that waits by now. */
        atomic_compare_exchange_strong_explicit(&process->orphans, &orphans, 0,
                                                memory_order_seq_cst, memory_order_relaxed);
        reaper_unwatch(process, NULL);
    }
    return true;
}

/* A session that waits to its end is what a connection has left behind. */
static void orphan_ends(struct process *process)
{
    uint32_t orphans = atomic_load_explicit(&process->orphans, memory_order_relaxed);

    while (orphans != 0 &&
           !atomic_compare_exchange_weak_explicit(&process->orphans, &orphans, orphans - 1,
                                                  memory_order_seq_cst, memory_order_relaxed))
        ;
}

/* The client's clock, when a session of this connection begins. */
static void set_clock(struct process *process, struct conn *conn, int fd)
{
    uint32_t listener = atomic_load_explicit(&conn->listener, memory_order_relaxed);
    uint16_t port = atomic_load_explicit(&conn->port, memory_order_relaxed);
    uint64_t now = clock_now_ns();
    struct kernel_facts facts;

    kernel_look(fd, &facts);
    if (facts.known && facts.sent == 0) {
        struct wire wire;

        if (ports_learn(listener))
            reaper_learned(process);
        stream_wire(conn, &wire);
        if (records_hello_stage(&wire.records, &wire.hello, false) == HELLO_COMPLETE)
            charge_server(conn, now, facts.quiet_ns);
        return;
    }
    if (listener != 0 && ports_speak_tls(port))
        return;
    /* STARTTLS: there was a plaintext phase, the handshake starts now. */
    atomic_store_explicit(&conn->started_ns, now, memory_order_relaxed);
    atomic_store_explicit(&conn->charged_ns, now, memory_order_relaxed);
    atomic_store_explicit(&conn->deadline_ns, clock_after_ns(now, ports_timeout_ns(port)),
                          memory_order_relaxed);
}

static void tie(struct process *process, struct session *session, conn_handle handle)
{
    struct conn *conn = conn_get(handle);
    conn_handle before;

    if (conn == NULL)
        return;
    before = atomic_exchange_explicit(&session->conn, handle, memory_order_relaxed);
    if (before != handle)
        conn_move(before, CONN_IN(CONN_HANDSHAKE), CONN_OPEN);
    wait_no_longer(process, session);
    if (conn_state(handle) != CONN_OPEN)
        return;
    /* The clock before the state: the reaper must not see the one without the other. */
    set_clock(process, conn, atomic_load_explicit(&conn->fd, memory_order_relaxed));
    atomic_store_explicit(&conn->had_session, true, memory_order_relaxed);
    if (conn_move(handle, CONN_IN(CONN_OPEN), CONN_HANDSHAKE) == CONN_FREE)
        return;
    track_touch(process, handle);
    reaper_watch(process, handle);
    pending_push(process, handle);
    reaper_by(process, atomic_load_explicit(&conn->deadline_ns, memory_order_relaxed));
}

static bool tied(const struct session *session)
{
    return conn_state(atomic_load_explicit(&session->conn, memory_order_relaxed)) != CONN_FREE;
}

static bool begun(const struct session *session)
{
    return atomic_load_explicit(&session->state, memory_order_relaxed) == SESSION_BEGUN;
}

bool session_is_new(const struct session *session)
{
    return atomic_load_explicit(&session->state, memory_order_relaxed) == SESSION_NEW;
}

void session_begin(struct session *session, int fd)
{
    struct process *process = process_ours();
    conn_handle handle;

    if (process == NULL ||
        atomic_load_explicit(&session->state, memory_order_relaxed) == SESSION_FINISHED)
        return;
    if (atomic_exchange_explicit(&session->state, SESSION_BEGUN, memory_order_relaxed) !=
        SESSION_BEGUN)
        counters_add(COUNTER_BEGUN);
    if (fd >= 0) {
        handle = track_connection_of(fd);
        if (handle != 0)
            tie(process, session, handle);
    } else if (fd == SESSION_MEMORY && !tied(session)) {
        wait_for_hello(process, session);
    }
}

bool session_wants_random(const struct session *session)
{
    return begun(session) && !atomic_load_explicit(&session->searched, memory_order_relaxed) &&
           !tied(session);
}

void session_hello(struct session *session, const uint8_t random[32])
{
    struct process *process = process_ours();
    conn_handle handle;

    if (process == NULL || !session_wants_random(session))
        return;
    /* The hello was read before it was parsed: if it is not found now it never will be. */
    atomic_store_explicit(&session->searched, true, memory_order_relaxed);
    handle = hellos_find(random);
    if (handle != 0)
        tie(process, session, handle);
    else if (wait_no_longer(process, session))
        atomic_store_explicit(&process->strays, true, memory_order_relaxed);
}

void session_stepped(struct session *session)
{
    struct conn *conn = conn_get(atomic_load_explicit(&session->conn, memory_order_relaxed));

    if (conn == NULL || !atomic_load_explicit(&conn->unheard, memory_order_relaxed))
        return;
    /* The clock before the flag: the reaper must not see the one without the other. */
    charge_read(conn, atomic_load_explicit(&conn->fd, memory_order_relaxed));
    atomic_store_explicit(&conn->unheard, false, memory_order_release);
}

void session_finish(struct session *session)
{
    struct process *process = process_ours();
    conn_handle handle = atomic_load_explicit(&session->conn, memory_order_relaxed);
    struct conn *conn;

    if (process == NULL || atomic_exchange_explicit(&session->state, SESSION_FINISHED,
                                                    memory_order_relaxed) == SESSION_FINISHED)
        return;
    wait_no_longer(process, session);
    counters_add(COUNTER_FINISHED);
    /* Its record stays its own, even if another thread closes it at this moment. */
    if (!conn_hold(handle))
        return;
    conn = conn_numbered(conn_number(handle));
    if (conn_move(handle, CONN_UNFINISHED, CONN_FINISHED) != CONN_FREE) {
        counters_took(clock_now_ns() -
                      atomic_load_explicit(&conn->started_ns, memory_order_relaxed));
        reaper_unwatch(process, conn);
        sources_finished(atomic_load_explicit(&conn->source, memory_order_relaxed));
    }
    life_release(process, handle);
}

void session_end(struct session *session)
{
    struct process *process = process_ours();
    conn_handle handle = atomic_exchange_explicit(&session->conn, 0, memory_order_relaxed);

    if (session_inside == session)
        session_inside = NULL;
    if (process == NULL)
        return;
    if (wait_no_longer(process, session))
        orphan_ends(process);
    if (atomic_exchange_explicit(&session->state, SESSION_NEW, memory_order_relaxed) ==
        SESSION_BEGUN)
        conn_move(handle, CONN_IN(CONN_HANDSHAKE), CONN_OPEN);
    atomic_store_explicit(&session->searched, false, memory_order_relaxed);
}

struct session *session_enter(struct session *session)
{
    struct session *before = session_inside;

    session_inside = session;
    return before;
}

void session_leave(struct session *session, const struct session *before)
{
    session_inside = before == session ? session : NULL;
    if (session_inside == NULL)
        waits_work_end();
}

bool session_is_inside(conn_handle handle)
{
    return session_inside != NULL &&
           atomic_load_explicit(&session_inside->conn, memory_order_relaxed) == handle;
}

void session_nested(int fd)
{
    struct session *session = session_inside;
    struct process *process;
    conn_handle handle;

    if (session == NULL || !begun(session) || tied(session))
        return;
    process = process_ours();
    handle = process != NULL ? track_connection_of(fd) : 0;
    if (handle != 0)
        tie(process, session, handle);
}
