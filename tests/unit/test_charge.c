/* Only the client's time is charged: what a client keeps when the server was late. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "core/charge.h"

#define MS UINT64_C(1000000)

/* Accepted at 1 s, with 10 s for its handshake. */
static struct conn accepted(void)
{
    struct conn conn = {0};

    conn.charged_ns = 1000 * MS;
    conn.deadline_ns = 11000 * MS;
    return conn;
}

static void a_server_that_reads_at_once_owes_nothing(void **state)
{
    struct conn conn = accepted();

    (void)state;
    assert_false(charge_server(&conn, 5000 * MS, 0));
    assert_false(charge_server(&conn, 6000 * MS, 19 * MS));
    assert_true(conn.deadline_ns == 11000 * MS);
}

static void unread_time_is_added_to_the_deadline(void **state)
{
    struct conn conn = accepted();

    (void)state;
    assert_true(charge_server(&conn, 6000 * MS, 3000 * MS));
    assert_true(conn.deadline_ns == 14000 * MS);
}

static void the_bytes_were_there_before_accept(void **state)
{
    struct conn conn = accepted();

    (void)state;
    /* They came at -3 s; only what is since accept counts. */
    assert_true(charge_server(&conn, 2000 * MS, 5000 * MS));
    assert_true(conn.deadline_ns == 12000 * MS);
}

static void no_stretch_is_added_twice(void **state)
{
    struct conn conn = accepted();

    (void)state;
    assert_true(charge_server(&conn, 6000 * MS, 3000 * MS));
    assert_true(conn.deadline_ns == 14000 * MS);
    assert_false(charge_server(&conn, 6000 * MS, 3000 * MS));
    assert_true(charge_server(&conn, 7000 * MS, 4000 * MS));
    assert_true(conn.deadline_ns == 15000 * MS);
}

static void the_clients_own_time_in_between_is_its_own(void **state)
{
    struct conn conn = accepted();

    (void)state;
    assert_true(charge_server(&conn, 3000 * MS, 1000 * MS)); /* 2 s to 3 s: the server's */
    assert_true(charge_server(&conn, 9000 * MS, 2000 * MS)); /* 3 s to 7 s: the client's */
    assert_true(conn.deadline_ns == 14000 * MS);
}

static void the_ordinary_delay_does_not_count(void **state)
{
    struct conn conn = accepted();

    (void)state;
    assert_false(charge_server(&conn, 1000 * MS + CHARGE_IGNORES_NS - 1, 1000 * MS));
    assert_true(conn.deadline_ns == 11000 * MS);
    assert_true(charge_server(&conn, 1000 * MS + CHARGE_IGNORES_NS, 1000 * MS));
    assert_true(conn.deadline_ns == 11000 * MS + CHARGE_IGNORES_NS);
}

/* A quiet client whose last byte is older than the machine's clock: nothing wraps around. */
static void longer_than_the_clock_runs(void **state)
{
    struct conn conn = accepted();

    (void)state;
    assert_true(charge_server(&conn, 2000 * MS, UINT64_MAX));
    assert_true(conn.deadline_ns == 12000 * MS);
}

static void make_connection(int *server, int *client)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(listener >= 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    *client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(*client, (struct sockaddr *)&address, sizeof(address)), 0);
    *server = accept(listener, NULL, NULL);
    assert_true(*server >= 0);
    close(listener);
}

/* The kernel's word: bytes that lay for 150 ms are charged when they are read, give or take its
 * ticks; those that are read at once are not. */
static void a_real_socket_tells(void **state)
{
    struct timespec pause = {.tv_nsec = 150000000};
    struct conn conn = {0};
    uint64_t deadline;
    uint64_t added;
    char bytes[8];
    int server;
    int client;

    (void)state;
    make_connection(&server, &client);
    conn.charged_ns = clock_now_ns();
    conn.deadline_ns = deadline = conn.charged_ns + 10000 * MS;

    nanosleep(&pause, NULL);
    assert_int_equal(write(client, "one", 3), 3);
    assert_int_equal(read(server, bytes, sizeof(bytes)), 3);
    charge_read(&conn, server);
    added = conn.deadline_ns - deadline;
    assert_true(added < 100 * MS);

    assert_int_equal(write(client, "two", 3), 3);
    nanosleep(&pause, NULL);
    assert_int_equal(read(server, bytes, sizeof(bytes)), 3);
    charge_read(&conn, server);
    assert_true(conn.deadline_ns - deadline - added >= 130 * MS);
    close(server);
    close(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_that_reads_at_once_owes_nothing),
        cmocka_unit_test(unread_time_is_added_to_the_deadline),
        cmocka_unit_test(the_bytes_were_there_before_accept),
        cmocka_unit_test(no_stretch_is_added_twice),
        cmocka_unit_test(the_clients_own_time_in_between_is_its_own),
        cmocka_unit_test(the_ordinary_delay_does_not_count),
        cmocka_unit_test(longer_than_the_clock_runs),
        cmocka_unit_test(a_real_socket_tells),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
