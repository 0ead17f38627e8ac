#include "core/examine.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/log.h"
#include "core/charge.h"
#include "core/count.h"
#include "core/fdmap.h"
#include "core/life.h"
#include "core/own.h"
#include "core/ports.h"
#include "core/reaper.h"
#include "core/report.h"
#include "core/session.h"
#include "core/sources.h"
#include "core/stream.h"
#include "core/waits.h"

#define LEFT_LYING_NS (30 * CLOCK_MILLISECOND)
#define AGAIN_SOON_NS (20 * CLOCK_MILLISECOND)
#define UNHEARD_MOST  8 /* deadlines in all */
#define AGAIN_LATE_NS (60 * CLOCK_SECOND)

/* A duplicate of the connection's socket, and of no other: the cookie says so. Its descriptor may
 * have been closed behind our back, and the connection live on under another number. */
static int probe(struct process *process, conn_handle handle)
{
    struct conn *conn = conn_get(handle);

    while (conn != NULL) {
        int fd = atomic_load_explicit(&conn->fd, memory_order_relaxed);
        int duplicate = own_probe(handle, fd);
        uint64_t cookie = 0;

        if (duplicate >= 0 && kernel_cookie(duplicate, &cookie) &&
            cookie == atomic_load_explicit(&conn->cookie, memory_order_relaxed))
            return duplicate;
        if (duplicate >= 0)
            own_probe_end();
        else if (errno != EBADF)
            return -1;
        life_lost(process, handle, fd);
        fd = fdmap_find(handle, fd);
        if (fd < 0)
            break;
        atomic_store_explicit(&conn->fd, fd, memory_order_relaxed);
        conn = conn_get(handle);
    }
    errno = EBADF;
    return -1;
}

/* The server has read something of this client's and does not look at it: that is the server's
 * time. Not for ever: it may have given the handshake up, and read on. */
static bool is_unheard(const struct conn *conn)
{
    uint64_t timeout = ports_timeout_ns(atomic_load_explicit(&conn->port, memory_order_relaxed));
    uint64_t given = atomic_load_explicit(&conn->deadline_ns, memory_order_relaxed) -
                     atomic_load_explicit(&conn->started_ns, memory_order_relaxed);

    return atomic_load_explicit(&conn->unheard, memory_order_acquire) &&
           given / UNHEARD_MOST < timeout;
}

/* Somebody is at work on what it has sent. */
static bool is_worked_on(const struct process *process, conn_handle handle)
{
    return waits_works_for(process, handle) || is_unheard(conn_numbered(conn_number(handle)));
}

static bool is_due(const struct conn *conn, uint64_t now_ns)
{
    return now_ns >= atomic_load_explicit(&conn->deadline_ns, memory_order_relaxed);
}

static void gather(struct process *process, conn_handle handle, enum conn_state state, int fd,
                   struct facts *facts)
{
    const struct conn *conn = conn_numbered(conn_number(handle));
    uint16_t port = atomic_load_explicit(&conn->port, memory_order_relaxed);
    struct wire wire;

    stream_wire(conn, &wire);
    *facts = (struct facts){
        .deadline_ns = atomic_load_explicit(&conn->deadline_ns, memory_order_relaxed),
        .hands_off = ports_hands_off(port),
        .session_unfinished = state == CONN_HANDSHAKE,
        .tls_port =
            ports_begin_with_tls(atomic_load_explicit(&conn->listener, memory_order_relaxed), port),
        .owns_waiting = state == CONN_OPEN && session_pigeonhole(process),
        .waiting_due_ns =
            clock_after_ns(atomic_load_explicit(&process->waited_ns, memory_order_relaxed),
                           ports_timeout_ns(port)),
        .worked_on = is_worked_on(process, handle),
        .had_session = atomic_load_explicit(&conn->had_session, memory_order_relaxed),
        .records = records_progress(&wire.records),
        .records_bytes = records_bytes(&wire.records),
    };
    kernel_look(fd, &facts->kernel);
    facts->hello = records_hello_stage(&wire.records, &wire.hello,
                                       !facts->kernel.known || facts->kernel.sent != 0);
    facts->now_ns = clock_now_ns();
}

static void shut(struct process *process, conn_handle handle, int fd, const struct facts *facts,
                 enum verdict verdict, bool early)
{
    struct conn *conn = conn_numbered(conn_number(handle));
    struct shut_connection report = {
        .elapsed_ns = facts->now_ns - atomic_load_explicit(&conn->started_ns, memory_order_relaxed),
        .received = facts->kernel.received,
        .port = atomic_load_explicit(&conn->port, memory_order_relaxed),
        .verdict = verdict,
        .evicted = early,
    };
    socklen_t length = sizeof(report.client);

    if (getpeername(fd, &report.client.any, &length) != 0)
        report.client.any.sa_family = AF_UNSPEC;
    if (!facts->session_unfinished)
        life_orphan(process, conn);
    reaper_unwatch(process, conn);
    /* Before the shutdown, which wakes the server: it may have been there for this client only. */
    count_verdict(conn, verdict);
    if (early)
        counters_add(COUNTER_EVICTED);
    sources_shut(atomic_load_explicit(&conn->source, memory_order_relaxed),
                 facts->hello == HELLO_COMPLETE);
    report_shut(&report, facts->now_ns);
    shutdown(fd, SHUT_RDWR);
}

/* When to look again at what may differ for a moment or for ever: soon, then ever more seldom, so
 * that a thousand idle clients of the second kind cost nothing. */
static uint64_t more_seldom_ns(const struct facts *facts)
{
    uint64_t span = facts->now_ns - facts->deadline_ns;

    if (span < AGAIN_SOON_NS)
        span = AGAIN_SOON_NS;
    if (span > AGAIN_LATE_NS)
        span = AGAIN_LATE_NS;
    return clock_after_ns(facts->now_ns, span);
}

static enum examined carry_out(struct process *process, conn_handle handle, enum conn_state state,
                               int fd, const struct facts *facts, uint64_t *again_ns)
{
    struct conn *conn = conn_numbered(conn_number(handle));
    enum verdict verdict = verdict_of(facts);

    if (!verdict_shuts(verdict))
        count_verdict(conn, verdict);
    if (verdict_shuts(verdict)) {
        /* The exchange decides between us and a handshake that finishes at this moment. */
        if (!is_due(conn, facts->now_ns) ||
            conn_move(handle, CONN_IN(state), CONN_SHUT) == CONN_FREE) {
            *again_ns = atomic_load_explicit(&conn->deadline_ns, memory_order_relaxed);
            return conn_alive(handle) ? EXAMINED_AGAIN : EXAMINED_DONE;
        }
        shut(process, handle, fd, facts, verdict, false);
        return EXAMINED_DONE;
    }
    switch (verdict) {
    case VERDICT_NOT_DUE:
        *again_ns = facts->now_ns < facts->deadline_ns ? facts->deadline_ns : facts->waiting_due_ns;
        return EXAMINED_AGAIN;
    case VERDICT_SERVER_LATE:
        charge_server(conn, facts->now_ns, facts->kernel.quiet_ns);
        *again_ns = clock_after_ns(facts->now_ns, AGAIN_SOON_NS);
        if (*again_ns < atomic_load_explicit(&conn->deadline_ns, memory_order_relaxed))
            *again_ns = atomic_load_explicit(&conn->deadline_ns, memory_order_relaxed);
        return EXAMINED_AGAIN;
    case VERDICT_ABSTAIN_ANSWERED:
        if (!verdict_may_pass(facts))
            return EXAMINED_PARKED;
        *again_ns = more_seldom_ns(facts);
        return EXAMINED_AGAIN;
    default:
        return EXAMINED_PARKED;
    }
}

/* Under pressure: as if it were due now. */
static bool carry_out_early(struct process *process, conn_handle handle, enum conn_state state,
                            int fd, struct facts *facts)
{
    enum verdict verdict;

    facts->deadline_ns = 0;
    facts->waiting_due_ns = 0;
    verdict = verdict_of(facts);
    if (!verdict_shuts(verdict) || conn_move(handle, CONN_IN(state), CONN_SHUT) == CONN_FREE)
        return false;
    shut(process, handle, fd, facts, verdict, true);
    return true;
}

/* Is there anything to judge? If it is too early, when not. */
static bool worth_a_look(conn_handle handle, uint64_t *again_ns, enum examined *otherwise)
{
    const struct conn *conn = conn_get(handle);

    *otherwise = EXAMINED_DONE;
    if (conn == NULL || (CONN_IN(conn_state(handle)) & CONN_UNFINISHED) == 0)
        return false;
    *again_ns = atomic_load_explicit(&conn->deadline_ns, memory_order_relaxed);
    *otherwise = EXAMINED_AGAIN;
    return is_due(conn, clock_now_ns());
}

enum examined examine_at(struct process *process, conn_handle handle, int fd, uint64_t *again_ns)
{
    enum conn_state state = conn_state(handle);
    enum examined otherwise;
    struct facts facts;

    if (!worth_a_look(handle, again_ns, &otherwise))
        return otherwise;
    /* From here on its record is no other connection's, even if the program closes it. */
    if (!conn_hold(handle))
        return EXAMINED_DONE;
    gather(process, handle, state, fd, &facts);
    otherwise = carry_out(process, handle, state, fd, &facts, again_ns);
    life_release(process, handle);
    return otherwise;
}

enum examined examine(struct process *process, conn_handle handle, uint64_t *again_ns)
{
    enum examined examined;
    int fd;

    if (!worth_a_look(handle, again_ns, &examined))
        return examined;
    fd = probe(process, handle);
    if (fd >= 0) {
        examined = examine_at(process, handle, fd, again_ns);
        own_probe_end();
        return examined;
    }
    if (errno == EBADF)
        return EXAMINED_DONE;
    /* Our own descriptors are gone. */
    *again_ns = clock_after_ns(clock_now_ns(), AGAIN_SOON_NS);
    if (!own_open()) {
        static bool complained;

        counters_add(COUNTER_NO_DESCRIPTOR);
        if (!complained)
            log_unprotected("no descriptor to look at connections with", errno);
        complained = true;
        *again_ns = clock_after_ns(clock_now_ns(), CLOCK_SECOND);
    }
    return EXAMINED_AGAIN;
}

/* A client that was answered gets its grace from the answer on. */
static bool had_its_turn(const struct kernel_facts *kernel, uint64_t grace_ns)
{
    return kernel->sent == 0 || kernel->answered_ns >= grace_ns;
}

bool examine_early(struct process *process, conn_handle handle, uint64_t grace_ns)
{
    enum conn_state state = conn_state(handle);
    bool evicted = false;
    struct facts facts;
    int fd;

    if ((CONN_IN(state) & CONN_UNFINISHED) == 0 || !conn_hold(handle))
        return false;
    fd = probe(process, handle);
    if (fd >= 0) {
        gather(process, handle, state, fd, &facts);
        evicted = had_its_turn(&facts.kernel, grace_ns) &&
                  carry_out_early(process, handle, state, fd, &facts);
        own_probe_end();
    }
    life_release(process, handle);
    return evicted;
}

bool examine_speaks_tls(const struct conn *conn, enum conn_state state)
{
    return state == CONN_HANDSHAKE ||
           ports_begin_with_tls(atomic_load_explicit(&conn->listener, memory_order_relaxed),
                                atomic_load_explicit(&conn->port, memory_order_relaxed));
}

bool examine_is_pending(conn_handle handle)
{
    const struct conn *conn = conn_get(handle);
    enum conn_state state = conn_state(handle);

    return conn != NULL && (CONN_IN(state) & CONN_UNFINISHED) != 0 &&
           examine_speaks_tls(conn, state);
}

bool examine_waits_for_server(struct process *process, conn_handle handle)
{
    const struct conn *conn = conn_get(handle);
    struct kernel_facts facts = {0};
    int fd;

    if (conn == NULL || is_worked_on(process, handle))
        return false;
    /* Most have nothing to read; that costs one system call, and no certainty whose number it is.
     */
    if (!kernel_has_unread(atomic_load_explicit(&conn->fd, memory_order_relaxed)))
        return false;
    fd = probe(process, handle);
    if (fd < 0)
        return false;
    kernel_look(fd, &facts);
    own_probe_end();
    return facts.unread != 0 && facts.quiet_ns >= LEFT_LYING_NS;
}
