/* Queues of real listening sockets, looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/kernel.h"
#include "core/listeners.h"
#include "core/process.h"
#include "core/waits.h"

#define MOMENT    3U
#define INHERITED (3 * MOMENT)
#define MOST      16

struct listener {
    int fd;
    uint32_t cookie;
    struct sockaddr_in address;
    int clients[MOST];
    int client_count;
};

/* Of these listeners some client is in its handshake. */
static uint32_t busy[32];
static int busy_count;

static struct listener open_listener(void)
{
    struct listener listener = {
        .address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof(listener.address);
    uint64_t cookie = 0;

    listener.fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(listener.fd >= 0);
    assert_int_equal(bind(listener.fd, (struct sockaddr *)&listener.address, length), 0);
    assert_int_equal(listen(listener.fd, 64), 0);
    assert_int_equal(getsockname(listener.fd, (struct sockaddr *)&listener.address, &length), 0);
    assert_true(kernel_cookie(listener.fd, &cookie));
    listener.cookie = (uint32_t)cookie;
    listeners_opened(listener.cookie);
    assert_true(busy_count < 32);
    busy[busy_count++] = listener.cookie;
    return listener;
}

static void clients_come(struct listener *listener, int count)
{
    for (int i = 0; i < count; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        assert_true(fd >= 0 && listener->client_count < MOST);
        assert_int_equal(
            connect(fd, (struct sockaddr *)&listener->address, sizeof(listener->address)), 0);
        listener->clients[listener->client_count++] = fd;
    }
}

/* Another process takes one. */
static void take_elsewhere(const struct listener *listener)
{
    int fd = accept(listener->fd, NULL, NULL);

    assert_true(fd >= 0);
    close(fd);
}

/* The server takes one. */
static void take(struct listener *listener)
{
    take_elsewhere(listener);
    listeners_accepted(listener->fd, listener->cookie);
}

static void close_listener(struct listener *listener)
{
    close(listener->fd);
    while (listener->client_count > 0)
        close(listener->clients[--listener->client_count]);
}

static struct listeners_look look; /* the last one */

static void assert_look(uint32_t stuck, uint32_t waiting)
{
    const struct listeners_moments moments = {.opened = MOMENT, .inherited = INHERITED};

    for (int i = 0; i < busy_count; i++)
        listeners_pending(busy[i]);
    look = listeners_look(process_here(), &moments);
    assert_int_equal(look.stuck, stuck);
    assert_int_equal(look.waiting, waiting);
}

static void without_listeners_nobody_waits(void **state)
{
    (void)state;
    assert_look(0, 0);
    listeners_accepted(0, 0);
    assert_look(0, 0);
}

static void an_empty_queue_is_never_stuck(void **state)
{
    struct listener listener = open_listener();

    (void)state;
    clients_come(&listener, 1);
    take(&listener);
    for (unsigned int i = 0; i < 3 * MOMENT; i++)
        assert_look(0, 0);
    close_listener(&listener);
    assert_look(0, 0);
}

static void a_queue_is_stuck_when_it_has_not_moved_for_a_moment(void **state)
{
    struct listener listener = open_listener();

    (void)state;
    clients_come(&listener, 5);
    take(&listener);
    assert_look(0, 4); /* something was accepted since the look before */
    for (unsigned int i = 1; i < MOMENT; i++)
        assert_look(0, 4);
    assert_look(4, 4);
    clients_come(&listener, 2);
    assert_look(6, 6);
    close_listener(&listener);
    assert_look(0, 0);
}

/* One is taken, and two wait for longer than a moment. */
static void get_stuck(struct listener *listener)
{
    clients_come(listener, 3);
    take(listener);
    for (unsigned int i = 0; i < MOMENT; i++)
        assert_look(0, 2);
    assert_look(2, 2);
}

/* Whoever was in its way may have been closed, and the server be busy with something else. */
static void a_queue_that_is_stuck_no_longer_may_have_moved_nowhere(void **state)
{
    struct listener listener = open_listener();

    (void)state;
    get_stuck(&listener);
    waits_end();
    assert_look(0, 2);
    assert_false(look.moved);
    take(&listener);
    assert_look(0, 1);
    assert_true(look.moved);
    assert_look(0, 1);
    assert_false(look.moved);
    waits_begin(WAITS_FOR_EVENTS);
    close_listener(&listener);
}

/* As the process that Postfix starts for a client has one. */
static void a_queue_of_an_inherited_listener_has_a_longer_moment(void **state)
{
    struct listener inherited = open_listener();
    struct listener opened = open_listener();

    (void)state;
    listeners_opened(inherited.cookie + 64); /* another one, that has the same place */
    clients_come(&inherited, 4);
    clients_come(&opened, 2);
    take(&inherited);
    take(&opened);
    for (unsigned int i = 0; i < INHERITED; i++)
        assert_look(i < MOMENT ? 0 : 1, 4);
    assert_look(4, 4);
    close_listener(&inherited);
    close_listener(&opened);
}

static void a_queue_that_moves_is_not_stuck_however_long(void **state)
{
    struct listener listener = open_listener();

    (void)state;
    clients_come(&listener, 12);
    for (uint32_t left = 12; left-- > 0;) {
        take(&listener);
        for (unsigned int i = 0; i < MOMENT; i++)
            assert_look(0, left);
    }
    close_listener(&listener);
}

/* Dovecot has a process for each client, which never takes a second one. */
static void a_queue_that_others_take_from_is_not_stuck(void **state)
{
    struct listener listener = open_listener();

    (void)state;
    clients_come(&listener, 12);
    take(&listener);
    assert_look(0, 11);
    for (uint32_t left = 11; left-- > 0;) {
        take_elsewhere(&listener);
        for (unsigned int i = 0; i < MOMENT; i++)
            assert_look(0, left);
    }
    close_listener(&listener);
}

static void one_that_moves_again_has_its_moment_again(void **state)
{
    struct listener listener = open_listener();

    (void)state;
    get_stuck(&listener);
    take(&listener);
    for (unsigned int i = 0; i < MOMENT; i++)
        assert_look(0, 1);
    assert_look(1, 1);
    close_listener(&listener);
}

static void one_queue_does_not_excuse_another(void **state)
{
    struct listener stuck = open_listener();
    struct listener moving = open_listener();

    (void)state;
    clients_come(&stuck, 4);
    clients_come(&moving, 10);
    take(&stuck);
    for (uint32_t i = 0; i <= MOMENT; i++) {
        take(&moving);
        assert_look(i == MOMENT ? 3 : 0, 3 + 9 - i);
    }
    close_listener(&stuck);
    close_listener(&moving);
    assert_look(0, 0);
}

/* A plaintext port at a limit of its own, beside one that speaks TLS. */
static void a_queue_that_no_handshake_is_in_the_way_of_is_not_stuck(void **state)
{
    struct listener idle = open_listener();
    struct listener stuck = open_listener();

    (void)state;
    busy[busy_count - 2] = 0;
    clients_come(&idle, 5);
    take(&idle);
    clients_come(&stuck, 3);
    take(&stuck);
    for (unsigned int i = 0; i < MOMENT; i++)
        assert_look(0, 2);
    assert_look(2, 2);
    close_listener(&idle);
    close_listener(&stuck);
}

/* It computes, or sleeps: nobody is in the way of those who wait. */
static void a_server_that_does_something_else_is_not_stuck(void **state)
{
    struct listener listener = open_listener();

    (void)state;
    clients_come(&listener, 3);
    take(&listener);
    waits_end();
    for (unsigned int i = 0; i < 2 * MOMENT; i++)
        assert_look(0, 2);
    waits_begin(WAITS_FOR_EVENTS);
    for (unsigned int i = 1; i < MOMENT; i++)
        assert_look(0, 2);
    assert_look(2, 2);
    close_listener(&listener);
}

/* The thread that accepts has handed its clients to others, and these wait for them. */
static void where_only_others_wait_for_clients_it_is_perhaps_stuck(void **state)
{
    struct process *process = process_here();
    struct listener listener = open_listener();
    uint16_t other = (uint16_t)((waits_place() + 1) % WAITS_PLACES);

    (void)state;
    clients_come(&listener, 3);
    take(&listener);
    waits_end();
    process->waits[other] = conn_publish(conn_alloc());
    for (unsigned int i = 0; i < MOMENT; i++) {
        assert_look(0, 2);
        assert_int_equal(look.perhaps, 0);
    }
    assert_look(0, 2);
    assert_int_equal(look.perhaps, 2);
    take(&listener);
    assert_look(0, 1);
    assert_int_equal(look.perhaps, 0);
    assert_true(look.moved);
    process->waits[other] = WAITS_NEVER;
    waits_begin(WAITS_FOR_EVENTS);
    close_listener(&listener);
}

/* The number may be anybody's by now. */
static void a_closed_listener_is_forgotten(void **state)
{
    struct listener old = open_listener();
    struct listener young = {0};

    (void)state;
    clients_come(&old, 3);
    take(&old);
    assert_look(0, 2);
    young = open_listener();
    assert_int_equal(dup2(young.fd, old.fd), old.fd);
    clients_come(&young, 4);
    for (unsigned int i = 0; i < 2 * MOMENT; i++)
        assert_look(0, 0);
    close_listener(&old);
    close_listener(&young);
}

static void a_connection_is_no_listener(void **state)
{
    struct listener listener = open_listener();
    uint64_t cookie = 0;

    (void)state;
    clients_come(&listener, 1);
    assert_true(kernel_cookie(listener.clients[0], &cookie));
    listeners_accepted(listener.clients[0], (uint32_t)cookie);
    for (unsigned int i = 0; i < 2 * MOMENT; i++)
        assert_look(0, 0);
    close_listener(&listener);
}

static int in_an_event_loop(void **state)
{
    (void)state;
    assert_non_null(process_here());
    waits_begin(WAITS_FOR_EVENTS);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_listeners_nobody_waits),
        cmocka_unit_test(an_empty_queue_is_never_stuck),
        cmocka_unit_test(a_queue_is_stuck_when_it_has_not_moved_for_a_moment),
        cmocka_unit_test(a_queue_that_is_stuck_no_longer_may_have_moved_nowhere),
        cmocka_unit_test(a_queue_of_an_inherited_listener_has_a_longer_moment),
        cmocka_unit_test(a_queue_that_moves_is_not_stuck_however_long),
        cmocka_unit_test(a_queue_that_others_take_from_is_not_stuck),
        cmocka_unit_test(one_that_moves_again_has_its_moment_again),
        cmocka_unit_test(one_queue_does_not_excuse_another),
        cmocka_unit_test(a_queue_that_no_handshake_is_in_the_way_of_is_not_stuck),
        cmocka_unit_test(a_server_that_does_something_else_is_not_stuck),
        cmocka_unit_test(where_only_others_wait_for_clients_it_is_perhaps_stuck),
        cmocka_unit_test(a_closed_listener_is_forgotten),
        cmocka_unit_test(a_connection_is_no_listener),
    };

    return cmocka_run_group_tests(tests, in_an_event_loop, NULL);
}
