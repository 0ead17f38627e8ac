/* What one thread reads of a client while another one judges it. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "core/conn.h"
#include "core/stream.h"

#include "client_streams.h"

static conn_handle handle;
static _Atomic unsigned int life; /* odd: it is about to begin */
static _Atomic bool over;

/* A client whose handshake finishes with its last read, again and again. */
static void *finish_it(void *unused)
{
    const struct client_stream *stream = &client_streams[0];
    struct conn *conn = conn_get(handle);
    uint64_t end = clock_now_ns() + CLOCK_SECOND;

    while (clock_now_ns() < end) {
        atomic_fetch_add(&life, 1);
        stream_reset(conn);
        atomic_fetch_add(&life, 1);
        stream_read_end(-1, handle, stream->bytes, stream->hello);
        stream_read_end(-1, handle, stream->bytes + stream->hello,
                        stream->handshake - stream->hello);
    }
    atomic_store(&over, true);
    return unused;
}

static void who_has_all_the_bytes_has_finished(void **state)
{
    uint64_t all = client_streams[0].handshake;
    uint32_t number = conn_alloc();
    struct conn *conn = conn_numbered(number);
    unsigned int seen = 0;
    unsigned int torn = 0;
    pthread_t reader;

    (void)state;
    assert_non_null(conn);
    /* No kernel is asked about it: all of its time is settled, a TLS library has its session. */
    atomic_store(&conn->charged_ns, CLOCK_NEVER);
    atomic_store(&conn->had_session, true);
    handle = conn_publish(number);
    assert_int_equal(pthread_create(&reader, NULL, finish_it, NULL), 0);
    while (!atomic_load(&over)) {
        unsigned int before = atomic_load(&life);
        struct wire wire;

        stream_wire(conn, &wire);
        if (before % 2 != 0 || atomic_load(&life) != before || records_bytes(&wire.records) != all)
            continue;
        seen++;
        torn += records_progress(&wire.records) != RECORDS_FINISHED;
    }
    pthread_join(reader, NULL);
    assert_true(seen > 0);
    assert_int_equal(torn, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_has_all_the_bytes_has_finished),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
