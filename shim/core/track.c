#include "core/track.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/log.h"
#include "core/charge.h"
#include "core/count.h"
#include "core/kernel.h"
#include "core/listeners.h"
#include "core/pending.h"
#include "core/ports.h"
#include "core/pressure.h"
#include "core/reaper.h"
#include "core/sources.h"
#include "core/standin.h"

/* Connections that come with exec are looked for below this number. */
#define INHERITED 256

/* How soon after accept() a server closes whom it has no room for. */
#define AT_ONCE_NS (20 * CLOCK_MILLISECOND)

/* Where to look for a ClientHello first: what this thread read last. */
#define RECENT 4U
static _Thread_local conn_handle recent[RECENT] __attribute__((tls_model("initial-exec")));
static _Thread_local uint32_t recent_at __attribute__((tls_model("initial-exec")));

/* Then in an index by the hello's random, for servers that read on one thread and parse on another.
 * A newer hello may push an older one out; it is needed only from the read to the parsing. */
#define INDEX 65536U
static _Atomic uint32_t hello_index[INDEX];

static void load_words(const _Atomic uint64_t *from, void *to, size_t size)
{
    uint64_t words[4];

    for (size_t i = 0; i < size / sizeof(words[0]); i++)
        words[i] = atomic_load_explicit(&from[i], memory_order_relaxed);
    memcpy(to, words, size);
}

static void store_words(_Atomic uint64_t *to, const void *from, size_t size)
{
    uint64_t words[4];

    memcpy(words, from, size);
    for (size_t i = 0; i < size / sizeof(words[0]); i++)
        atomic_store_explicit(&to[i], words[i], memory_order_relaxed);
}

void track_wire(const struct conn *conn, struct wire *wire)
{
    load_words(conn->hello, &wire->hello, sizeof(wire->hello));
    load_words(conn->records, &wire->records, sizeof(wire->records));
}

static void store_wire(struct conn *conn, const struct wire *wire)
{
    store_words(conn->hello, &wire->hello, sizeof(wire->hello));
    store_words(conn->records, &wire->records, sizeof(wire->records));
}

static void let_go(struct process *process, conn_handle handle);

/* A fresh record in state OPEN for the socket at fd, in the table. */
static conn_handle take_in(struct process *process, int fd, uint32_t listener, uint16_t port)
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
    atomic_store_explicit(&conn->owner, process_epoch(), memory_order_relaxed);
    atomic_store_explicit(&conn->source, ports_settings()->pressure ? sources_of(fd) : 0,
                          memory_order_relaxed);
    store_wire(conn, &(struct wire){0});
    handle = conn_publish(number);
    counters_tracked(port != 0 ? 1 : 0);
    if (!fdmap_set(fd, handle, &before)) {
        counters_add(COUNTER_NO_MEMORY);
        let_go(process, handle);
        return 0;
    }
    if (before != 0)
        let_go(process, before);
    return handle;
}

/* One descriptor less. */
static void let_go(struct process *process, conn_handle handle)
{
    struct conn *conn = conn_get(handle);
    enum conn_state ended = conn != NULL ? conn_drop(handle) : CONN_FREE;

    if (ended == CONN_FREE)
        return;
    counters_tracked(atomic_load_explicit(&conn->port, memory_order_relaxed) != 0 ? -1 : 0);
    reaper_unwatch(process, conn);
    if (ended == CONN_OPEN) {
        if (!atomic_load_explicit(&conn->had_session, memory_order_relaxed) &&
            atomic_load_explicit(&process->waiting_sessions, memory_order_relaxed) != 0)
            atomic_fetch_add_explicit(&process->orphans, 1, memory_order_relaxed);
        reaper_reconsider(process);
    }
    conn_recycle(handle);
}

bool track_hold(conn_handle handle)
{
    return conn_hold(handle);
}

void track_release(struct process *process, conn_handle handle)
{
    let_go(process, handle);
}

void track_lost(struct process *process, conn_handle handle, int fd)
{
    if (fdmap_remove(fd, handle))
        let_go(process, handle);
}

/* The server closes what it has just accepted, unread: it has no room (or wants no such client). A
 * client that has left by itself was not turned away. */
static bool turned_away(conn_handle handle, int fd)
{
    const struct conn *conn = conn_get(handle);
    struct kernel_facts facts;
    struct wire wire;

    if (conn == NULL || conn_state(handle) != CONN_OPEN ||
        atomic_load_explicit(&conn->watched, memory_order_relaxed) == 0 ||
        clock_now_ns() - atomic_load_explicit(&conn->started_ns, memory_order_relaxed) > AT_ONCE_NS)
        return false;
    track_wire(conn, &wire);
    if (records_bytes(&wire.records) != 0)
        return false;
    kernel_look(fd, &facts);
    return facts.connected && !facts.left;
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
    if (turned_away(handle, fd))
        pressure_turned_away(process);
    track_lost(process, handle, fd);
}

void track_closing_range(unsigned int first, unsigned int last)
{
    int fd = fdmap_next(first, last);

    while (fd >= 0) {
        track_closing(fd);
        fd = (unsigned int)fd < last ? fdmap_next((unsigned int)fd + 1, last) : -1;
    }
}

/* The process is a server, or the parent of servers that are about to give up root or enter a
 * chroot. Not before: what never serves gets nothing. */
static void become_server(struct process *process)
{
    static atomic_bool done;

    if (atomic_load_explicit(&done, memory_order_relaxed) ||
        atomic_exchange_explicit(&done, true, memory_order_relaxed))
        return;
    log_open();
    counters_open(ports_settings()->timeout_ns, &process->watched);
}

void track_listening(int fd)
{
    struct process *process = process_here();

    if (process != NULL && kernel_local_port(fd) != 0)
        become_server(process);
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
    handle = take_in(process, fd, (uint32_t)listener_cookie, port);
    if (handle == 0 || port == 0)
        return;
    counters_add(COUNTER_ACCEPTED);
    if (ports_hands_off(port)) {
        count_verdict(conn_numbered(conn_number(handle)), VERDICT_ABSTAIN_PORT);
        return;
    }
    listeners_accepted(listener, (uint32_t)listener_cookie);
    pending_push(process, handle);
    deadline = atomic_load_explicit(&conn_numbered(conn_number(handle))->deadline_ns,
                                    memory_order_relaxed);
    if (ports_learned((uint32_t)listener_cookie) || ports_speak_tls(port)) {
        reaper_watch(process, handle);
        reaper_by(process, deadline);
        pressure_accepted(process, handle, fd);
    } else if (atomic_load_explicit(&process->waiting_sessions, memory_order_seq_cst) != 0) {
        reaper_by(process, deadline);
    }
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
    handle = take_in(process, fd, 0, port);
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
    if (ports_learned(atomic_load_explicit(&conn->listener, memory_order_relaxed)) ||
        ports_speak_tls(atomic_load_explicit(&conn->port, memory_order_relaxed))) {
        reaper_watch(process, handle);
        reaper_by(process, atomic_load_explicit(&conn->deadline_ns, memory_order_relaxed));
    }
}

void track_inherited(void)
{
    for (int fd = 0; fd < INHERITED; fd++) {
        struct kernel_facts facts;
        uint16_t port = kernel_local_port(fd);
        struct process *process;
        conn_handle handle;

        if (port == 0 || ports_hands_off(port) || !ports_listed(port))
            continue;
        kernel_look(fd, &facts);
        if (!facts.known || !facts.connected || facts.sent != 0)
            continue;
        process = process_here();
        handle = process != NULL ? take_in(process, fd, 0, port) : 0;
        if (handle == 0)
            continue;
        pending_push(process, handle);
        reaper_watch(process, handle);
        reaper_by(process, atomic_load_explicit(&conn_numbered(conn_number(handle))->deadline_ns,
                                                memory_order_relaxed));
    }
}

static void touch_inherited(conn_handle handle)
{
    struct process *process;

    if (atomic_load_explicit(&conn_numbered(conn_number(handle))->owner, memory_order_relaxed) ==
        process_epoch())
        return;
    process = process_here();
    if (process != NULL)
        track_touch(process, handle);
}

/* Under pressure: this client's progress may be all that it will get. */
static void press(conn_handle handle)
{
    struct process *process = process_known();

    if (process != NULL)
        pressure_read(process, handle);
}

static void stand_in(conn_handle handle, int fd)
{
    struct process *process = process_known();

    if (process != NULL && atomic_load_explicit(&process->threadless, memory_order_relaxed))
        standin_wait(process, handle, fd);
}

conn_handle track_read_begin(int fd)
{
    conn_handle handle;

    if (session_inside != NULL)
        session_nested(fd);
    handle = fdmap_get(fd);
    if ((CONN_IN(conn_state(handle)) & CONN_UNFINISHED) == 0)
        return 0;
    touch_inherited(handle);
    if (session_inside != NULL) {
        stand_in(handle, fd);
        press(handle);
    }
    return handle;
}

/* Whether the server has sent anything. Asked only while it matters to the follower of the records:
 * the client's ClientHello is complete, and no TLS library has said that the session is its own. */
static bool server_has_sent(const struct conn *conn, int fd, const struct wire *wire)
{
    struct kernel_facts facts;

    if (records_progress(&wire->records) != RECORDS_HELLO ||
        atomic_load_explicit(&conn->had_session, memory_order_relaxed))
        return hello_stage(&wire->hello) == HELLO_COMPLETE;
    kernel_look(fd, &facts);
    return !facts.known || facts.sent != 0;
}

void track_read_end(int fd, conn_handle handle, const void *bytes, size_t length)
{
    struct conn *conn = conn_get(handle);
    struct wire wire;
    uint64_t before;
    uint64_t key;

    if (conn == NULL || length == 0)
        return;
    charge_read(conn, fd);
    if (recent[recent_at % RECENT] != handle)
        recent[++recent_at % RECENT] = handle;
    track_wire(conn, &wire);
    before = hello_own_key(&wire.hello);
    records_feed(&wire.records, &wire.hello, bytes, length, server_has_sent(conn, fd, &wire));
    key = hello_own_key(&wire.hello);
    store_wire(conn, &wire);
    if (before == 0 && key != 0)
        atomic_store_explicit(&hello_index[key % INDEX], conn_number(handle), memory_order_relaxed);
    press(handle);
}

void track_written(conn_handle handle, const void *bytes, size_t length)
{
    struct conn *conn = conn_get(handle);
    struct wire wire;

    /* Fewer bytes say neither the one nor the other. */
    if (conn == NULL || length < RECORDS_SERVER_HELLO_SIZE || conn_state(handle) != CONN_OPEN)
        return;
    track_wire(conn, &wire);
    if (hello_stage(&wire.hello) == HELLO_NONE)
        return;
    if (!records_is_server_hello(bytes, length)) {
        /* Answered in plaintext, so it was no ClientHello but text that looked like one. */
        wire.hello = (struct hello){0};
        store_wire(conn, &wire);
    } else if (records_progress(&wire.records) == RECORDS_HELLO &&
               ports_learn(atomic_load_explicit(&conn->listener, memory_order_relaxed))) {
        struct process *process = process_here();

        if (process != NULL)
            reaper_learned(process);
    }
}

static bool sent_hello(conn_handle handle, const uint8_t random[32])
{
    const struct conn *conn = conn_get(handle);
    struct wire wire;
    uint64_t cookie = 0;

    if (conn == NULL)
        return false;
    track_wire(conn, &wire);
    return hello_random_is(&wire.hello, random) &&
           kernel_cookie(atomic_load_explicit(&conn->fd, memory_order_relaxed), &cookie) &&
           cookie == atomic_load_explicit(&conn->cookie, memory_order_relaxed);
}

conn_handle track_find_hello(const uint8_t random[32])
{
    conn_handle handle;

    for (uint32_t i = 0; i < RECENT; i++) {
        handle = recent[(recent_at - i) % RECENT];
        if (sent_hello(handle, random))
            return handle;
    }
    handle = conn_current(
        atomic_load_explicit(&hello_index[hello_key(random) % INDEX], memory_order_relaxed));
    return sent_hello(handle, random) ? handle : 0;
}
