#include "core/stream.h"

#include <string.h>

#include "core/charge.h"
#include "core/hellos.h"
#include "core/kernel.h"
#include "core/life.h"
#include "core/ports.h"
#include "core/pressure.h"
#include "core/reaper.h"
#include "core/sources.h"
#include "core/standin.h"
#include "core/track.h"
#include "core/waits.h"

static void load_words(const _Atomic uint64_t *from, void *to, size_t size)
{
    uint64_t words[4];

    for (size_t i = 0; i < size / sizeof(words[0]); i++)
        words[i] = atomic_load_explicit(&from[i], memory_order_acquire);
    memcpy(to, words, size);
}

static void store_words(_Atomic uint64_t *to, const void *from, size_t size)
{
    uint64_t words[4];

    memcpy(words, from, size);
    for (size_t i = size / sizeof(words[0]); i-- > 0;)
        atomic_store_explicit(&to[i], words[i], memory_order_release);
}

/* The count of bytes, which is the first word of the records, is loaded first and stored last: who
 * finds that all of the kernel's bytes were seen must not find the progress before the last of
 * them. The other way round does no harm, for it never goes back. */
_Static_assert(offsetof(struct records, bytes) == 0, "the first word");

void stream_wire(const struct conn *conn, struct wire *wire)
{
    load_words(conn->records, &wire->records, sizeof(wire->records));
    load_words(conn->hello, &wire->hello, sizeof(wire->hello));
}

static void store_wire(struct conn *conn, const struct wire *wire)
{
    store_words(conn->hello, &wire->hello, sizeof(wire->hello));
    store_words(conn->records, &wire->records, sizeof(wire->records));
}

void stream_reset(struct conn *conn)
{
    store_wire(conn, &(struct wire){0});
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

conn_handle stream_waited(int fd)
{
    conn_handle handle = fdmap_get(fd);

    if ((CONN_IN(conn_state(handle)) & CONN_UNFINISHED) == 0)
        return 0;
    touch_inherited(handle);
    return handle;
}

/* Under pressure: this client's progress may be all that it will get. */
static void press(conn_handle handle)
{
    struct process *process = process_known();

    if (process != NULL)
        pressure_read(process, handle);
}

static void stand_in(conn_handle handle, int fd, bool may_wait)
{
    struct process *process = process_known();

    if (process != NULL && atomic_load_explicit(&process->threadless, memory_order_relaxed))
        standin_wait(process, handle, fd, may_wait);
}

conn_handle stream_read_begin(int fd, bool may_wait)
{
    conn_handle handle;

    if (session_inside != NULL)
        session_nested(fd);
    handle = fdmap_get(fd);
    if ((CONN_IN(conn_state(handle)) & CONN_UNFINISHED) == 0)
        return 0;
    touch_inherited(handle);
    if (session_inside != NULL) {
        waits_work_end();
        stand_in(handle, fd, may_wait);
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

/* As far as the wire tells: no TLS library has said that the session is its own. It is no longer
 * one of those that may have to be shut, and speaks for its source. */
static void finished_unseen(conn_handle handle)
{
    struct process *process = process_known();
    struct conn *conn = conn_numbered(conn_number(handle));

    if (process == NULL || !conn_hold(handle))
        return;
    reaper_unwatch(process, conn);
    sources_finished(atomic_load_explicit(&conn->source, memory_order_relaxed));
    life_release(process, handle);
}

void stream_read_end(int fd, conn_handle handle, const void *bytes, size_t length)
{
    struct conn *conn = conn_get(handle);
    enum records_progress progress;
    struct wire wire;
    uint64_t before;
    uint64_t key;
    bool first;

    if (conn == NULL || length == 0)
        return;
    charge_read(conn, fd);
    if (session_is_inside(handle))
        waits_work_begin(handle);
    else if (conn_state(handle) == CONN_HANDSHAKE)
        atomic_store_explicit(&conn->unheard, true, memory_order_relaxed);
    hellos_read(handle);
    stream_wire(conn, &wire);
    before = hello_own_key(&wire.hello);
    progress = records_progress(&wire.records);
    first = records_bytes(&wire.records) == 0;
    records_feed(&wire.records, &wire.hello, bytes, length, server_has_sent(conn, fd, &wire));
    key = hello_own_key(&wire.hello);
    store_wire(conn, &wire);
    if (before == 0 && key != 0)
        hellos_add(handle, key);
    if (first || records_hello_stage(&wire.records, &wire.hello, true) == HELLO_COMPLETE)
        pressure_got_on();
    if (progress != RECORDS_FINISHED && records_progress(&wire.records) == RECORDS_FINISHED &&
        !atomic_load_explicit(&conn->had_session, memory_order_relaxed))
        finished_unseen(handle);
    press(handle);
}

void stream_written(conn_handle handle, const void *bytes, size_t length)
{
    struct conn *conn = conn_get(handle);
    struct wire wire;

    if (conn == NULL)
        return;
    stream_wire(conn, &wire);
    /* Only a first answer is charged. */
    if (records_hello_stage(&wire.records, &wire.hello, false) == HELLO_COMPLETE)
        charge_answer(conn, length);
    /* Fewer bytes say neither the one nor the other. */
    if (length < RECORDS_SERVER_HELLO_SIZE || conn_state(handle) != CONN_OPEN)
        return;
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
