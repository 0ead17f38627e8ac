#include "core/track.h"

#include <string.h>

#include "base/clock.h"
#include "core/charge.h"
#include "core/kernel.h"
#include "core/pending.h"
#include "core/ports.h"
#include "core/reaper.h"

/* Stands in the table for a descriptor that connect() was called on. It names no record. */
#define OUTGOING UINT64_MAX

/* Where to look for a ClientHello first: what this thread read last. */
#define RECENT 4U
static _Thread_local conn_handle recent[RECENT] __attribute__((tls_model("initial-exec")));
static _Thread_local uint32_t recent_at __attribute__((tls_model("initial-exec")));

/* Then in an index by the hello's random, for servers that read on one thread and parse on another.
 * A newer hello may push an older one out; it is needed only from the read to the parsing. */
#define INDEX 65536U
static _Atomic uint32_t hello_index[INDEX];

void track_load_hello(const struct conn *conn, struct hello *hello)
{
    uint64_t words[sizeof(*hello) / sizeof(uint64_t)];

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        words[i] = atomic_load_explicit(&conn->hello[i], memory_order_relaxed);
    memcpy(hello, words, sizeof(*hello));
}

static void store_hello(struct conn *conn, const struct hello *hello)
{
    uint64_t words[sizeof(*hello) / sizeof(uint64_t)];

    memcpy(words, hello, sizeof(*hello));
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        atomic_store_explicit(&conn->hello[i], words[i], memory_order_relaxed);
}

/* A fresh record in state OPEN for the socket at fd, in the table. */
static conn_handle take_in(int fd, uint64_t listener, uint16_t port)
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
    if (number == 0)
        return 0;
    conn = conn_numbered(number);
    atomic_store_explicit(&conn->cookie, cookie, memory_order_relaxed);
    atomic_store_explicit(&conn->listener, listener, memory_order_relaxed);
    atomic_store_explicit(&conn->started_ns, now, memory_order_relaxed);
    atomic_store_explicit(&conn->charged_ns, now, memory_order_relaxed);
    atomic_store_explicit(&conn->deadline_ns, clock_after_ns(now, ports_timeout_ns(port)),
                          memory_order_relaxed);
    atomic_store_explicit(&conn->fd, fd, memory_order_relaxed);
    atomic_store_explicit(&conn->port, port, memory_order_relaxed);
    atomic_store_explicit(&conn->had_session, false, memory_order_relaxed);
    atomic_store_explicit(&conn->owner, process_epoch(), memory_order_relaxed);
    store_hello(conn, &(struct hello){0});
    handle = conn_publish(number);
    if (!fdmap_set(fd, handle, &before)) {
        conn_drop(handle);
        conn_recycle(handle);
        return 0;
    }
    return handle;
}

/* One descriptor less. */
static void let_go(struct process *process, conn_handle handle)
{
    struct conn *conn = conn_get(handle);
    enum conn_state ended = conn_drop(handle);

    if (ended == CONN_FREE)
        return;
    reaper_unwatch(process, conn);
    if (ended == CONN_OPEN) {
        if (!atomic_load_explicit(&conn->had_session, memory_order_relaxed) &&
            atomic_load_explicit(&process->waiting_sessions, memory_order_relaxed) != 0)
            atomic_fetch_add_explicit(&process->orphans, 1, memory_order_relaxed);
        reaper_reconsider(process);
    }
    conn_recycle(handle);
}

void track_lost(struct process *process, conn_handle handle, int fd)
{
    if (fdmap_remove(fd, handle))
        let_go(process, handle);
}

void track_closing(int fd)
{
    conn_handle handle = fdmap_get(fd);
    struct process *process;

    if (handle == 0)
        return;
    process = process_here();
    if (process != NULL)
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
    kernel_cookie(listener, &listener_cookie);
    handle = take_in(fd, listener_cookie, port);
    if (handle == 0 || ports_hands_off(port))
        return;
    pending_push(process, handle);
    deadline = atomic_load_explicit(&conn_numbered(conn_number(handle))->deadline_ns,
                                    memory_order_relaxed);
    if (ports_learned(listener_cookie) || ports_speak_tls(port)) {
        reaper_watch(process, handle);
        reaper_by(process, deadline);
    } else if (atomic_load_explicit(&process->waiting_sessions, memory_order_seq_cst) != 0) {
        reaper_by(process, deadline);
    }
}

/* Outgoing: never shut. */
void track_connected(int fd, const struct sockaddr *address, socklen_t length)
{
    conn_handle before;

    if (address == NULL || length < sizeof(address->sa_family) ||
        (address->sa_family != AF_INET && address->sa_family != AF_INET6) || process_here() == NULL)
        return;
    track_closing(fd);
    fdmap_set(fd, OUTGOING, &before);
}

void track_copied(int from, int to)
{
    conn_handle handle = fdmap_get(from);
    conn_handle before;

    if (handle == 0 || process_here() == NULL)
        return;
    track_closing(to);
    if (handle == OUTGOING) {
        fdmap_set(to, OUTGOING, &before);
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
    struct process *process = process_here();
    conn_handle handle = fdmap_get(fd);
    const struct conn *conn = conn_get(handle);
    struct kernel_facts facts;
    uint64_t cookie = 0;
    uint16_t port;

    if (process == NULL || handle == OUTGOING || !kernel_cookie(fd, &cookie))
        return 0;
    if (conn != NULL && atomic_load_explicit(&conn->cookie, memory_order_relaxed) == cookie)
        return atomic_load_explicit(&conn->port, memory_order_relaxed) != 0 ? handle : 0;
    /* The descriptor was closed behind our back, or never seen: accepted by another process. */
    track_closing(fd);
    port = kernel_local_port(fd);
    if (port == 0)
        return 0;
    kernel_look(fd, &facts);
    return facts.connected ? take_in(fd, 0, port) : 0;
}

void track_touch(struct process *process, conn_handle handle)
{
    struct conn *conn = conn_get(handle);
    uint32_t epoch = process_epoch();

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

conn_handle track_read_begin_slow(int fd, conn_handle handle)
{
    if (session_inside != NULL) {
        session_nested(fd);
        handle = fdmap_get(fd);
    }
    if ((CONN_IN(conn_state(handle)) & CONN_UNFINISHED) == 0)
        return 0;
    touch_inherited(handle);
    return handle;
}

void track_read_end(int fd, conn_handle handle, const void *bytes, size_t length)
{
    struct conn *conn = conn_get(handle);
    struct hello hello;
    uint64_t before;
    uint64_t key;

    if (conn == NULL || length == 0)
        return;
    charge_read(conn, fd);
    if (recent[recent_at % RECENT] != handle)
        recent[++recent_at % RECENT] = handle;
    track_load_hello(conn, &hello);
    before = hello_own_key(&hello);
    hello_feed(&hello, bytes, length);
    key = hello_own_key(&hello);
    store_hello(conn, &hello);
    if (before == 0 && key != 0)
        atomic_store_explicit(&hello_index[key % INDEX], conn_number(handle), memory_order_relaxed);
}

static bool sent_hello(conn_handle handle, const uint8_t random[32])
{
    const struct conn *conn = conn_get(handle);
    struct hello hello;
    uint64_t cookie = 0;

    if (conn == NULL)
        return false;
    track_load_hello(conn, &hello);
    return hello_random_is(&hello, random) &&
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
