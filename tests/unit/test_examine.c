/* What happens to a connection between the look at it and its end. The Makefile puts
 * __wrap_kernel_look() in the place of that look, and something happens at this very moment. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/settings.h"
#include "core/examine.h"
#include "core/kernel.h"
#include "core/life.h"
#include "core/own.h"
#include "core/ports.h"
#include "core/process.h"
#include "core/stream.h"

#include "client_streams.h"

#define LISTENER 8

static const struct settings settings = {.enabled = true, .timeout_ns = 1};
static struct process *process;
static conn_handle handle;
static int client;
static int server;
static void (*meanwhile)(void);
static uint64_t answered_ns; /* so long ago the server has sent something; 0: never */
static uint64_t unseen;      /* bytes of the client that somebody else has read */

void __real_kernel_look(int fd, struct kernel_facts *facts);
void __wrap_kernel_look(int fd, struct kernel_facts *facts);

void __wrap_kernel_look(int fd, struct kernel_facts *facts)
{
    __real_kernel_look(fd, facts);
    if (answered_ns != 0) {
        facts->sent = 1;
        facts->answered_ns = answered_ns;
    }
    facts->received += unseen;
    if (meanwhile != NULL)
        meanwhile();
}

/* A client whose handshake has begun, and whose deadline is over. */
static int client_comes(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0 ||
        connect(client, (struct sockaddr *)&address, length) != 0)
        return -1;
    server = accept(listener, NULL, NULL);
    close(listener);
    ports_start(&settings);
    process = process_here();
    handle = life_begin(process, server, LISTENER, ntohs(address.sin_port));
    conn_move(handle, CONN_IN(CONN_OPEN), CONN_HANDSHAKE);
    meanwhile = NULL;
    answered_ns = 0;
    unseen = 0;
    return handle != 0 ? 0 : -1;
}

static int client_leaves(void **state)
{
    (void)state;
    life_lost(process, handle, server);
    close(server);
    close(client);
    return 0;
}

static void assert_alive(void)
{
    char byte;

    assert_int_equal(recv(client, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
}

static void nothing_happens_and_it_is_shut(void **state)
{
    uint64_t again = 0;
    char byte;

    (void)state;
    assert_int_equal(examine_at(process, handle, server, &again), EXAMINED_DONE);
    assert_int_equal(conn_state(handle), CONN_SHUT);
    assert_int_equal(recv(client, &byte, 1, MSG_DONTWAIT), 0);
}

static void nobody_is_evicted_within_his_grace_after_an_answer(void **state)
{
    (void)state;
    assert_true(own_open());
    answered_ns = 100 * CLOCK_MILLISECOND;
    assert_false(examine_early(process, handle, 101 * CLOCK_MILLISECOND));
    assert_alive();
    assert_true(examine_early(process, handle, 100 * CLOCK_MILLISECOND));
    assert_int_equal(conn_state(handle), CONN_SHUT);
}

static void finish(void)
{
    conn_move(handle, CONN_UNFINISHED, CONN_FINISHED);
}

static void a_handshake_that_finishes_meanwhile_is_not_shut(void **state)
{
    uint64_t again = 0;

    (void)state;
    meanwhile = finish;
    examine_at(process, handle, server, &again);
    assert_int_equal(conn_state(handle), CONN_FINISHED);
    assert_alive();
}

static void finished_under_pressure_it_is_not_shut_either(void **state)
{
    (void)state;
    assert_true(own_open());
    meanwhile = finish;
    assert_false(examine_early(process, handle, 0));
    assert_int_equal(conn_state(handle), CONN_FINISHED);
    assert_alive();
}

static uint64_t later_ns;

static void move_deadline(void)
{
    later_ns = clock_now_ns() + CLOCK_SECOND;
    atomic_store(&conn_numbered(conn_number(handle))->deadline_ns, later_ns);
}

static void a_deadline_that_moves_meanwhile_is_kept(void **state)
{
    uint64_t again = 0;

    (void)state;
    meanwhile = move_deadline;
    assert_int_equal(examine_at(process, handle, server, &again), EXAMINED_AGAIN);
    assert_int_equal(again, later_ns);
    assert_alive();
}

/* As far as its hello, on a TLS port, with a TLS stack that no hook sees. */
static void read_unseen(size_t length)
{
    const struct client_stream *stream = &client_streams[0];
    uint32_t listener = 7;

    assert_true(length <= stream->length);
    ports_learn(listener);
    atomic_store(&conn_numbered(conn_number(handle))->listener, listener);
    conn_move(handle, CONN_IN(CONN_HANDSHAKE), CONN_OPEN);
    answered_ns = 1;
    assert_int_equal(send(client, stream->bytes, length, 0), length);
    for (size_t at = 0; at < length;) {
        char bytes[4096];
        ssize_t more = recv(server, bytes, sizeof(bytes), 0);

        assert_true(more > 0);
        stream_read_end(server, handle, bytes, (size_t)more);
        at += (size_t)more;
    }
}

static void bytes_that_differ_for_a_moment_are_looked_at_again_soon(void **state)
{
    uint64_t again = 0;
    uint64_t now;

    (void)state;
    read_unseen(client_streams[0].hello);
    unseen = 1;
    atomic_store(&conn_numbered(conn_number(handle))->deadline_ns, clock_now_ns());
    now = clock_now_ns();
    assert_int_equal(examine_at(process, handle, server, &again), EXAMINED_AGAIN);
    assert_in_range(again, now + CLOCK_MILLISECOND, now + CLOCK_SECOND);
    assert_alive();
    unseen = 0;
    assert_int_equal(examine_at(process, handle, server, &again), EXAMINED_DONE);
    assert_int_equal(conn_state(handle), CONN_SHUT);
}

static void bytes_that_differ_for_ever_are_looked_at_ever_more_seldom(void **state)
{
    uint64_t again = 0;
    uint64_t now;

    (void)state;
    read_unseen(client_streams[0].hello);
    unseen = 100;
    atomic_store(&conn_numbered(conn_number(handle))->deadline_ns,
                 clock_now_ns() - 10 * CLOCK_SECOND);
    now = clock_now_ns();
    assert_int_equal(examine_at(process, handle, server, &again), EXAMINED_AGAIN);
    assert_in_range(again, now + 10 * CLOCK_SECOND, now + 11 * CLOCK_SECOND);
    atomic_store(&conn_numbered(conn_number(handle))->deadline_ns, 1);
    now = clock_now_ns();
    assert_int_equal(examine_at(process, handle, server, &again), EXAMINED_AGAIN);
    assert_in_range(again, now + 10 * CLOCK_SECOND, now + 100 * CLOCK_SECOND);
    assert_alive();
}

static void who_has_finished_on_the_wire_is_not_looked_at_again(void **state)
{
    uint64_t again = 0;

    (void)state;
    read_unseen(client_streams[0].handshake);
    assert_int_equal(examine_at(process, handle, server, &again), EXAMINED_PARKED);
    unseen = 1;
    assert_int_equal(examine_at(process, handle, server, &again), EXAMINED_PARKED);
    assert_alive();
}

/* What the server has read and does not look at is its own time, but not for ever. */
static void what_is_not_looked_at_gives_time_up_to_a_bound(void **state)
{
    struct conn *conn = conn_numbered(conn_number(handle));
    uint64_t again = 0;

    (void)state;
    atomic_store(&conn->unheard, true);
    assert_int_equal(examine_at(process, handle, server, &again), EXAMINED_AGAIN);
    assert_alive();
    atomic_store(&conn->deadline_ns, atomic_load(&conn->started_ns) + 8 * settings.timeout_ns);
    assert_int_equal(examine_at(process, handle, server, &again), EXAMINED_DONE);
    assert_int_equal(conn_state(handle), CONN_SHUT);
}

/* What is only inferred teaches nothing. */
static void shut_by_the_pigeonhole_it_teaches_no_port(void **state)
{
    uint64_t again = 0;

    (void)state;
    conn_move(handle, CONN_IN(CONN_HANDSHAKE), CONN_OPEN);
    atomic_store(&process->waiting_sessions, 1);
    examine_at(process, handle, server, &again);
    assert_int_equal(conn_state(handle), CONN_SHUT);
    assert_false(ports_learned(LISTENER));
    atomic_store(&process->waiting_sessions, 0);
    atomic_store(&process->orphans, 0);
}

#define WITH_CLIENT(test) cmocka_unit_test_setup_teardown(test, client_comes, client_leaves)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CLIENT(nothing_happens_and_it_is_shut),
        WITH_CLIENT(a_handshake_that_finishes_meanwhile_is_not_shut),
        WITH_CLIENT(finished_under_pressure_it_is_not_shut_either),
        WITH_CLIENT(nobody_is_evicted_within_his_grace_after_an_answer),
        WITH_CLIENT(a_deadline_that_moves_meanwhile_is_kept),
        WITH_CLIENT(what_is_not_looked_at_gives_time_up_to_a_bound),
        WITH_CLIENT(shut_by_the_pigeonhole_it_teaches_no_port),
        WITH_CLIENT(bytes_that_differ_for_a_moment_are_looked_at_again_soon),
        WITH_CLIENT(bytes_that_differ_for_ever_are_looked_at_ever_more_seldom),
        WITH_CLIENT(who_has_finished_on_the_wire_is_not_looked_at_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
