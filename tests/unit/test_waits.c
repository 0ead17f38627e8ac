/* Why a server takes nobody, by what its threads wait for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "core/conn.h"
#include "core/waits.h"

static conn_handle client;

/* Stands for its handle in the table. */
#define A_CLIENT UINT64_C(1)

/* Another thread, which waits, and ends while it does. */
static void *waiting(void *what)
{
    waits_begin(*(const uint64_t *)what);
    return (void *)(uintptr_t)waits_place();
}

static uint16_t other(uint64_t what)
{
    pthread_t thread;
    void *place;

    assert_int_equal(pthread_create(&thread, NULL, waiting, &what), 0);
    assert_int_equal(pthread_join(thread, &place), 0);
    return (uint16_t)(uintptr_t)place;
}

static int nobody_waits(void **state)
{
    struct process *process = process_here();

    (void)state;
    assert_non_null(process);
    for (int i = 0; i < WAITS_PLACES; i++)
        process->waits[i] = WAITS_NEVER;
    client = conn_publish(conn_alloc());
    return 0;
}

static uint64_t handle_of(uint64_t what)
{
    return what == A_CLIENT ? client : what;
}

/* What the accepting thread does, what another one does: does the server wait for them? */
static void who_waits_for_what(void **state)
{
    static const struct {
        uint64_t acceptor;
        uint64_t other;
        enum waits_room room;
    } cases[] = {
        /* An event loop, one thread for everything. */
        {WAITS_FOR_EVENTS, WAITS_NEVER, WAITS_FOR_CLIENTS},
        {WAITS_NOT, WAITS_NEVER, WAITS_ELSEWHERE},
        /* One with helpers that wait, too. */
        {WAITS_NOT, WAITS_FOR_EVENTS, WAITS_ELSEWHERE},
        {WAITS_FOR_EVENTS, WAITS_FOR_EVENTS, WAITS_FOR_CLIENTS},
        /* One client after the other. */
        {A_CLIENT, WAITS_NEVER, WAITS_FOR_CLIENTS},
        {A_CLIENT, A_CLIENT, WAITS_FOR_CLIENTS},
        /* A pool of workers, and one that gives them their clients, or does something else. */
        {WAITS_NEVER, A_CLIENT, WAITS_PERHAPS},
        {WAITS_NOT, A_CLIENT, WAITS_PERHAPS},
        {WAITS_NEVER, WAITS_NOT, WAITS_ELSEWHERE},
        {WAITS_NEVER, WAITS_FOR_EVENTS, WAITS_PERHAPS},
        {WAITS_NEVER, WAITS_NEVER, WAITS_ELSEWHERE},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct process *process = process_here();

        nobody_waits(state);
        process->waits[waits_place()] = handle_of(cases[i].acceptor);
        process->waits[other(WAITS_NOT)] = handle_of(cases[i].other);
        if (waits_for_room(process, waits_place()) != cases[i].room)
            fail_msg("case %zu", i);
        assert_int_equal(waits_for_client(process),
                         cases[i].acceptor == A_CLIENT || cases[i].other == A_CLIENT);
    }
}

static void each_thread_has_a_place_of_its_own(void **state)
{
    uint16_t first = other(WAITS_FOR_EVENTS);
    uint16_t second = other(client);

    (void)state;
    assert_int_not_equal(first, second);
    assert_int_not_equal(first, waits_place());
    assert_int_equal(process_here()->waits[first], WAITS_FOR_EVENTS);
    assert_int_equal(process_here()->waits[second], client);
    waits_begin(WAITS_FOR_EVENTS);
    waits_end();
    assert_int_equal(process_here()->waits[waits_place()], WAITS_NOT);
}

static void who_works_for_a_client_does_not_wait_for_it(void **state)
{
    const struct process *process = process_here();

    (void)state;
    assert_false(waits_works_for(process, client));
    waits_work_begin(client);
    assert_true(waits_works_for(process, client));
    assert_false(waits_works_for(process, conn_publish(conn_alloc())));
    assert_false(waits_for_client(process));
    assert_false(waits_for(process, client));
    assert_int_equal(waits_for_room(process, waits_place()), WAITS_ELSEWHERE);
    waits_work_end();
    assert_false(waits_works_for(process, client));
    assert_int_equal(process->waits[waits_place()], WAITS_NOT);
}

static void who_begins_to_wait_works_no_longer(void **state)
{
    const struct process *process = process_here();

    (void)state;
    waits_work_begin(client);
    waits_begin(WAITS_FOR_EVENTS);
    assert_false(waits_works_for(process, client));
    waits_work_end();
    assert_int_equal(process->waits[waits_place()], WAITS_FOR_EVENTS);
    waits_begin(client);
    waits_work_end();
    assert_true(waits_for(process, client));
    waits_end();
    assert_false(waits_works_for(process, client));
}

static void more_threads_than_places_share_them(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * WAITS_PLACES; i++)
        assert_in_range(other(WAITS_FOR_EVENTS), 0, WAITS_PLACES - 1);
}

/* A thread that was cancelled in its read never says that it waits no longer. */
static void nobody_waits_for_who_has_finished_or_gone(void **state)
{
    const struct process *process = process_here();

    (void)state;
    other(client);
    assert_true(waits_for_client(process));
    conn_move(client, CONN_UNFINISHED, CONN_FINISHED);
    assert_false(waits_for_client(process));
    client = conn_publish(conn_alloc());
    other(client);
    assert_true(waits_for_client(process));
    assert_int_equal(conn_drop(client), CONN_OPEN);
    conn_recycle(client, CONN_OPEN);
    assert_false(waits_for_client(process));
    /* The same record, in its next life. */
    assert_int_not_equal(conn_publish(conn_alloc()), client);
    assert_false(waits_for_client(process));
}

static conn_handle accepted_now(void)
{
    uint32_t number = conn_alloc();

    atomic_store(&conn_numbered(number)->started_ns, clock_now_ns());
    return conn_publish(number);
}

static void wait_for(conn_handle whom)
{
    waits_begin(whom);
    waits_end();
}

static void a_pool_is_known_by_a_thread_that_takes_up_who_has_waited_for_it(void **state)
{
    uint32_t before = waits_handed_over();
    conn_handle first = accepted_now();
    conn_handle second = accepted_now();

    (void)state;
    wait_for(first);
    wait_for(first);
    conn_move(first, CONN_UNFINISHED, CONN_SHUT);
    assert_int_equal(waits_handed_over(), before);
    wait_for(second);
    assert_int_equal(waits_handed_over(), before + 1);
    wait_for(second);
    assert_int_equal(waits_handed_over(), before + 1);
}

static void nobody_has_waited_for_a_thread_that(void **state)
{
    uint32_t before = waits_handed_over();
    conn_handle first = accepted_now();
    conn_handle second = accepted_now();

    (void)state;
    /* goes from one to another and back, */
    wait_for(first);
    wait_for(second);
    wait_for(first);
    /* was in an event loop between, */
    conn_move(first, CONN_UNFINISHED, CONN_SHUT);
    wait_for(WAITS_FOR_EVENTS);
    wait_for(second);
    /* takes one that came afterwards, */
    conn_move(second, CONN_UNFINISHED, CONN_SHUT);
    wait_for(accepted_now());
    /* or is new. */
    other(accepted_now());
    assert_int_equal(waits_handed_over(), before);
}

/* What the parent's threads wait for is nothing to the child. */
static void a_child_begins_anew(void **state)
{
    pid_t pid;
    int status;

    (void)state;
    waits_begin(client);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(waits_for_client(process_here()) ? 1 : 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_true(waits_for_client(process_here()));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(who_waits_for_what, nobody_waits),
        cmocka_unit_test_setup(each_thread_has_a_place_of_its_own, nobody_waits),
        cmocka_unit_test_setup(who_works_for_a_client_does_not_wait_for_it, nobody_waits),
        cmocka_unit_test_setup(who_begins_to_wait_works_no_longer, nobody_waits),
        cmocka_unit_test_setup(more_threads_than_places_share_them, nobody_waits),
        cmocka_unit_test_setup(nobody_waits_for_who_has_finished_or_gone, nobody_waits),
        cmocka_unit_test_setup(a_pool_is_known_by_a_thread_that_takes_up_who_has_waited_for_it,
                               nobody_waits),
        cmocka_unit_test_setup(nobody_has_waited_for_a_thread_that, nobody_waits),
        cmocka_unit_test_setup(a_child_begins_anew, nobody_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
