#include "core/track.h"

#include <errno.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/log.h"
#include "core/count.h"
#include "core/examine.h"
#include "core/fdmap.h"
#include "core/kernel.h"
#include "core/life.h"
#include "core/listeners.h"
#include "core/own.h"
#include "core/pending.h"
#include "core/ports.h"
#include "core/pressure.h"
#include "core/reaper.h"
#include "core/room.h"
#include "core/stream.h"

/* Connections that come with exec are looked for below this number. */
#define INHERITED 256

/* How soon after accept() a server closes whom it has no room for: the new one at once, or an older
 * one for the new one's sake. */
#define AT_ONCE_NS (20 * CLOCK_MILLISECOND)
#define SOON_NS    CLOCK_SECOND

static struct room room;
static _Atomic conn_handle last_accepted;

/* The server closes a client from whom it has read nothing, and who is still there. Not one that
 * lives on: under another number, in a child, or where its descriptor was sent to. */
static bool is_let_down(const struct process *process, conn_handle handle, int fd,
                        struct kernel_facts *facts)
{
    const struct conn *conn = conn_get(handle);
    struct wire wire;
    uint64_t cookie = 0;

    if (conn == NULL || conn_state(handle) != CONN_OPEN || conn_references(handle) != 1 ||
        /* Closed behind our back: what is at fd now is another. */
        !kernel_cookie(fd, &cookie) ||
        cookie != atomic_load_explicit(&conn->cookie, memory_order_relaxed) ||
        atomic_load_explicit(&conn->watched, memory_order_relaxed) != process_epoch() ||
        atomic_load_explicit(&process->handed_on_ns, memory_order_relaxed) >=
            atomic_load_explicit(&conn->started_ns, memory_order_relaxed))
        return false;
    stream_wire(conn, &wire);
    if (records_bytes(&wire.records) != 0)
        return false;
    kernel_look(fd, facts);
    return facts->connected && !facts->left;
}

/* Why would a server do that? For want of room, or because it does not want this client. A parent
 * whose child serves the client never keeps any, and tells nothing. */
static void ask_why(struct process *process, conn_handle handle, int fd)
{
    const struct conn *conn = conn_get(handle);
    bool newest = atomic_load_explicit(&last_accepted, memory_order_relaxed) == handle;
    struct kernel_facts facts;
    uint64_t age;

    if (conn == NULL || !room_tells(&room))
        return;
    age = clock_now_ns() - atomic_load_explicit(&conn->started_ns, memory_order_relaxed);
    if (age > SOON_NS || !is_let_down(process, handle, fd, &facts))
        return;
    /* In a flood an older one may be as young, when it goes for the new one's sake (nginx). */
    switch (room_closes(&room, life_count(), newest && age <= AT_ONCE_NS)) {
    case ROOM_NONE:
        pressure_turned_away(process);
        break;
    case ROOM_SCARCE:
        pressure_let_down(process, atomic_load_explicit(&conn->source, memory_order_relaxed),
                          &facts);
        break;
    case ROOM_UNTOLD:
        break;
    }
}

void track_closing(int fd)
{
    conn_handle handle = fdmap_get(fd);
    struct process *process;

    if (handle == 0)
        return;
    process = process_here();
    if (process == NULL)
        return;
    ask_why(process, handle, fd);
    life_lost(process, handle, fd);
    own_let_go(fd);
}

void track_closing_range(unsigned int first, unsigned int last)
{
    int fd = fdmap_next(first, last);

    while (fd >= 0) {
        track_closing(fd);
        fd = (unsigned int)fd < last ? fdmap_next((unsigned int)fd + 1, last) : -1;
    }
}

void track_handed_on(void)
{
    struct process *process = process_known();

    if (process != NULL)
        atomic_store_explicit(&process->handed_on_ns, clock_now_ns(), memory_order_relaxed);
}

/* The process is a server, or the parent of servers that are about to give up root or enter a
 * chroot. Not before: what never serves gets nothing. */
static void become_server(struct process *process)
{
    static atomic_bool done;

    if (atomic_load_explicit(&done, memory_order_relaxed) ||
        atomic_exchange_explicit(&done, true, memory_order_relaxed))
        return;
    pthread_atfork(NULL, track_handed_on, process_claim);
    log_open();
    counters_open(ports_settings()->timeout_ns, &process->watched);
}

void track_listening(int fd)
{
    struct process *process = process_here();
    uint64_t cookie = 0;

    if (process == NULL || kernel_local_port(fd) == 0)
        return;
    become_server(process);
    if (kernel_cookie(fd, &cookie))
        listeners_opened((uint32_t)cookie);
}

void track_accepted(int listener, int fd)
{
    struct process *process = process_here();
    uint64_t listener_cookie = 0;
    uint16_t port;
    conn_handle handle;
    uint64_t deadline;

    if (process == NULL)
        return;
    track_closing(fd);
    port = kernel_local_port(fd);
    if (port != 0)
        become_server(process);
    kernel_cookie(listener, &listener_cookie);
    /* Who is turned away is gone before the next one comes, in the server as in a parent whose
     * child serves. */
    if (conn_get(atomic_load_explicit(&last_accepted, memory_order_relaxed)) != NULL)
        room_kept(&room, life_count());
    handle = life_begin(process, fd, (uint32_t)listener_cookie, port);
    if (handle == 0 || port == 0)
        return;
    atomic_store_explicit(&last_accepted, handle, memory_order_relaxed);
    counters_add(COUNTER_ACCEPTED);
    if (ports_hands_off(port)) {
        count_verdict(conn_numbered(conn_number(handle)), VERDICT_ABSTAIN_PORT);
        return;
    }
    listeners_accepted(listener, (uint32_t)listener_cookie);
    pending_push(process, handle);
    deadline = atomic_load_explicit(&conn_numbered(conn_number(handle))->deadline_ns,
                                    memory_order_relaxed);
    if (ports_begin_with_tls((uint32_t)listener_cookie, port)) {
        reaper_watch(process, handle);
        reaper_by(process, deadline);
        pressure_accepted(process, handle, fd);
    } else if (atomic_load_explicit(&process->waiting_sessions, memory_order_seq_cst) != 0) {
        reaper_by(process, deadline);
    }
}

/* Taken in before it is read: for a session on memory BIOs its hello is the only way to it. Until a
 * session is tied to it nothing is known of it, and its clock starts then. */
void track_received(int fd)
{
    /* What had this number is gone, however it was closed. */
    track_closing(fd);
    if (kernel_is_tcp(fd))
        track_connection_of(fd);
}

void track_refused(int error)
{
    struct process *process = process_known();

    if (process != NULL && (error == EMFILE || error == ENFILE))
        pressure_no_descriptor(process);
}

/* Outgoing: never shut. */
void track_connecting(int fd)
{
    conn_handle before;

    if (!kernel_is_tcp(fd) || process_here() == NULL)
        return;
    track_closing(fd);
    fdmap_set(fd, FDMAP_OUTGOING, &before);
}

void track_copied(int from, int to)
{
    conn_handle handle = fdmap_get(from);
    conn_handle before;

    if (handle == 0 || process_here() == NULL)
        return;
    track_closing(to);
    if (handle == FDMAP_OUTGOING) {
        fdmap_set(to, FDMAP_OUTGOING, &before);
    } else if (conn_hold(handle)) {
        if (fdmap_set(to, handle, &before))
            atomic_store_explicit(&conn_numbered(conn_number(handle))->fd, to,
                                  memory_order_relaxed);
        else
            conn_drop(handle);
    }
}

conn_handle track_connection_of(int fd)
{
    struct process *process = process_ours();
    conn_handle handle = fdmap_get(fd);
    const struct conn *conn = conn_get(handle);
    struct kernel_facts facts;
    uint64_t cookie = 0;
    uint16_t port;

    if (process == NULL || handle == FDMAP_OUTGOING || !kernel_cookie(fd, &cookie))
        return 0;
    if (conn != NULL && atomic_load_explicit(&conn->cookie, memory_order_relaxed) == cookie)
        return atomic_load_explicit(&conn->port, memory_order_relaxed) != 0 ? handle : 0;
    /* The descriptor was closed behind our back, or never seen: accepted by another process. */
    track_closing(fd);
    port = kernel_local_port(fd);
    if (port == 0)
        return 0;
    kernel_look(fd, &facts);
    if (!facts.connected)
        return 0;
    become_server(process);
    handle = life_begin(process, fd, 0, port);
    if (handle != 0)
        counters_add(COUNTER_ADOPTED);
    return handle;
}

void track_touch(struct process *process, conn_handle handle)
{
    struct conn *conn = conn_get(handle);
    uint16_t epoch = process_epoch();

    if (conn == NULL || atomic_load_explicit(&conn->owner, memory_order_relaxed) == epoch)
        return;
    atomic_store_explicit(&conn->owner, epoch, memory_order_relaxed);
    pending_push(process, handle);
    if (examine_speaks_tls(conn, conn_state(handle))) {
        reaper_watch(process, handle);
        reaper_by(process, atomic_load_explicit(&conn->deadline_ns, memory_order_relaxed));
    }
}

bool track_let_go(void)
{
    bool serves = process_known() != NULL || process_is_new();
    struct process *process = serves ? process_here() : NULL;

    if (process != NULL) {
        log_unprotected("the program is killed for system calls that are not on its list (seccomp)",
                        0);
        for (int fd = fdmap_next(0, ~0U); fd >= 0; fd = fdmap_next((unsigned int)fd + 1, ~0U))
            life_lost(process, fdmap_get(fd), fd);
        reaper_dismiss(process);
    } else if (serves) {
        return false;
    }
    process_let_go();
    return true;
}

/* A lower number under which this socket is tracked, -1: none. inetd gives it as 0, 1 and 2. */
static int known_below(int fd)
{
    uint64_t cookie = 0;

    if (!kernel_cookie(fd, &cookie))
        return -1;
    for (int other = 0; other < fd; other++) {
        const struct conn *conn = conn_get(fdmap_get(other));

        if (conn != NULL && atomic_load_explicit(&conn->cookie, memory_order_relaxed) == cookie)
            return other;
    }
    return -1;
}

void track_inherited(void)
{
    for (int fd = 0; fd < INHERITED; fd++) {
        struct kernel_facts facts;
        uint16_t port = kernel_local_port(fd);
        struct process *process;
        conn_handle handle;
        int other;

        if (port == 0 || ports_hands_off(port) || !ports_listed(port))
            continue;
        kernel_look(fd, &facts);
        if (!facts.known || !facts.connected || facts.sent != 0)
            continue;
        other = known_below(fd);
        if (other >= 0) {
            track_copied(other, fd);
            continue;
        }
        process = process_here();
        handle = process != NULL ? life_begin(process, fd, 0, port) : 0;
        if (handle == 0)
            continue;
        pending_push(process, handle);
        reaper_watch(process, handle);
        reaper_by(process, atomic_load_explicit(&conn_numbered(conn_number(handle))->deadline_ns,
                                                memory_order_relaxed));
    }
}
