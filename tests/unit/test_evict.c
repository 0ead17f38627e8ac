/* Who goes first. Nobody is really shut: the Makefile puts __wrap_examine_early() in the place of
 * the one that does it, and the test looks at who was named, in which order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/settings.h"
#include "client_streams.h"
#include "core/conn.h"
#include "core/deadlines.h"
#include "core/evict.h"
#include "core/examine.h"
#include "core/ports.h"
#include "core/sources.h"
#include "core/waits.h"
#include "wire/records.h"

#define MS         CLOCK_MILLISECOND
#define GRACE      (250 * MS)
#define CANDIDATES 256U
#define MOST       8192U

static struct settings settings = {
    .enabled = true, .timeout_ns = 60 * CLOCK_SECOND, .pressure = true};
static struct process process;

static conn_handle clients[MOST];
static uint32_t client_count;
static conn_handle gone[MOST]; /* in this order */
static uint32_t gone_count;
static uint32_t asked; /* how many were looked at */
static conn_handle spared;
static void (*at_first)(void); /* meanwhile, once */

bool __wrap_examine_early(struct process *of, conn_handle handle, uint64_t grace_ns);

bool __wrap_examine_early(struct process *of, conn_handle handle, uint64_t grace_ns)
{
    (void)grace_ns;
    assert_ptr_equal(of, &process);
    asked++;
    if (at_first != NULL) {
        void (*now)(void) = at_first;

        at_first = NULL;
        now();
    }
    if (handle == spared || conn_move(handle, CONN_UNFINISHED, CONN_SHUT) == CONN_FREE)
        return false;
    gone[gone_count++] = handle;
    return true;
}

static uint32_t *place_of(uint32_t number)
{
    return &conn_numbered(number)->heap_place;
}

static struct deadlines queue = {.place = place_of};

/* A source that no test has used. */
static uint32_t stranger(void)
{
    static uint32_t last = 1000;

    return ++last;
}

/* A handshake that began so long ago and has brought so many bytes of a ClientHello. */
static conn_handle client(uint32_t source, uint64_t age_ns, size_t bytes)
{
    uint32_t number = conn_alloc();
    struct conn *conn = conn_numbered(number);
    struct hello hello = {0};
    struct records records = {0};
    uint64_t words[sizeof(hello) / sizeof(uint64_t)];
    uint64_t started = clock_now_ns() - age_ns;
    conn_handle handle;

    assert_non_null(conn);
    records_feed(&records, &hello, tls13_bytes, bytes, false);
    memcpy(words, &hello, sizeof(words));
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        atomic_store(&conn->hello[i], words[i]);
    memcpy(words, &records, sizeof(records));
    for (size_t i = 0; i < sizeof(records) / sizeof(words[0]); i++)
        atomic_store(&conn->records[i], words[i]);
    atomic_store(&conn->source, source);
    atomic_store(&conn->listener, 0);
    atomic_store(&conn->port, 50000);
    atomic_store(&conn->started_ns, started);
    atomic_store(&conn->deadline_ns, started + 60 * CLOCK_SECOND);
    handle = conn_publish(number);
    conn_move(handle, CONN_IN(CONN_OPEN), CONN_HANDSHAKE);
    assert_true(deadlines_put(&queue, number, started + 60 * CLOCK_SECOND));
    assert_true(client_count < MOST);
    clients[client_count++] = handle;
    return handle;
}

/* The whole first record: a ClientHello that was taken in, and is answered. */
static size_t whole_hello(void)
{
    return 5 + (size_t)(tls13_bytes[3] << 8 | tls13_bytes[4]);
}

static int nobody_is_there(void **state)
{
    (void)state;
    settings.grace_ns = GRACE;
    ports_start(&settings);
    for (unsigned int i = 0; i < WAITS_PLACES; i++)
        atomic_store(&process.waits[i], WAITS_NEVER);
    gone_count = 0;
    asked = 0;
    spared = 0;
    return 0;
}

static int all_leave(void **state)
{
    (void)state;
    while (client_count > 0) {
        conn_handle handle = clients[--client_count];

        deadlines_remove(&queue, conn_number(handle));
        enum conn_state ended = conn_drop(handle);

        if (ended != CONN_FREE)
            conn_recycle(handle, ended);
    }
    assert_int_equal(queue.used, 0);
    return 0;
}

static bool is_gone(conn_handle handle)
{
    for (uint32_t i = 0; i < gone_count; i++)
        if (gone[i] == handle)
            return true;
    return false;
}

static void assert_gone_in_order(const conn_handle *order, uint32_t count)
{
    assert_int_equal(gone_count, count);
    for (uint32_t i = 0; i < count; i++)
        if (gone[i] != order[i])
            fail_msg("number %u went in place %u, not number %u", conn_number(gone[i]), i,
                     conn_number(order[i]));
}

static void of_nobody_none_goes(void **state)
{
    (void)state;
    assert_int_equal(evict(&process, &queue, 5, EVICT_OLD), 0);
    assert_int_equal(evict(&process, &queue, UINT32_MAX, EVICT_OFFENDERS), 0);
}

static void the_source_with_the_most_pending_goes_first(void **state)
{
    uint32_t crowd = stranger();
    conn_handle first = client(stranger(), 9000 * MS, 0); /* older, but alone */
    conn_handle many[3];

    (void)state;
    for (unsigned int i = 0; i < 3; i++)
        many[i] = client(crowd, (3000 - i) * MS, whole_hello());
    client(stranger(), 8000 * MS, 1);
    assert_int_equal(evict(&process, &queue, 3, EVICT_OLD), 3);
    assert_gone_in_order(many, 3);
    assert_false(is_gone(first));
}

static void then_the_least_progress(void **state)
{
    conn_handle order[3];

    (void)state;
    order[2] = client(stranger(), 9000 * MS, whole_hello());
    order[1] = client(stranger(), 5000 * MS, 20);
    order[0] = client(stranger(), 1000 * MS, 0);
    assert_int_equal(evict(&process, &queue, 3, EVICT_OLD), 3);
    assert_gone_in_order(order, 3);
}

static void then_the_greatest_age(void **state)
{
    conn_handle order[4];

    (void)state;
    order[3] = client(stranger(), 1000 * MS, 0);
    order[1] = client(stranger(), 3000 * MS, 0);
    order[0] = client(stranger(), 4000 * MS, 0);
    order[2] = client(stranger(), 2000 * MS, 0);
    assert_int_equal(evict(&process, &queue, 3, EVICT_OLD), 3);
    assert_gone_in_order(order, 3);
    assert_false(is_gone(order[3]));
}

static void thread_waits_for(conn_handle client)
{
    static uint16_t place;

    place = (uint16_t)((place + 7) % WAITS_PLACES);
    atomic_store(&process.waits[place], client);
}

/* In a pool of threads the others hold no place. */
static void whom_a_thread_waits_for_goes_before_all_of_these(void **state)
{
    uint32_t crowd = stranger();
    conn_handle order[2];

    (void)state;
    for (unsigned int i = 0; i < 20; i++)
        order[1] = client(crowd, (9000 + i) * MS, 0);
    order[0] = client(stranger(), 1000 * MS, whole_hello());
    thread_waits_for(order[0]);
    assert_int_equal(evict(&process, &queue, 2, EVICT_OLD), 2);
    assert_gone_in_order(order, 2);
}

static void nobody_else_goes_to_free_a_thread(void **state)
{
    conn_handle waited_for;

    (void)state;
    client(stranger(), 9000 * MS, 0);
    waited_for = client(stranger(), 1000 * MS, whole_hello());
    thread_waits_for(waited_for);
    assert_int_equal(evict(&process, &queue, 2, EVICT_WAITED_FOR), 1);
    assert_gone_in_order(&waited_for, 1);
}

static void nor_does_waiting_shorten_its_grace(void **state)
{
    conn_handle other = client(stranger(), 1000 * MS, whole_hello());

    (void)state;
    thread_waits_for(client(stranger(), 0, 0));
    assert_int_equal(evict(&process, &queue, 2, EVICT_OLD), 1);
    assert_gone_in_order(&other, 1);
}

static void whom_a_thread_waits_for_is_found_among_thousands(void **state)
{
    uint32_t crowd = stranger();
    conn_handle waited_for = client(stranger(), 1000 * MS, whole_hello());

    (void)state;
    for (unsigned int i = 0; i < 5000; i++)
        client(crowd, 9000 * MS, 0);
    thread_waits_for(waited_for);
    assert_int_equal(evict(&process, &queue, 1, EVICT_OLD), 1);
    assert_gone_in_order(&waited_for, 1);
}

static void never_more_than_needed(void **state)
{
    uint32_t source = stranger();

    (void)state;
    for (unsigned int i = 0; i < 100; i++)
        client(source, (1000 + i) * MS, 0);
    assert_int_equal(evict(&process, &queue, 0, EVICT_OLD), 0);
    assert_int_equal(evict(&process, &queue, 7, EVICT_OLD), 7);
    assert_int_equal(evict(&process, &queue, 1, EVICT_OLD), 1);
    assert_int_equal(gone_count, 8);
}

static void nobody_goes_within_the_grace(void **state)
{
    uint32_t crowd = stranger();
    conn_handle old = client(stranger(), GRACE + 10 * MS, whole_hello());

    (void)state;
    for (unsigned int i = 0; i < 20; i++)
        client(crowd, 0, 0);
    assert_int_equal(evict(&process, &queue, 5, EVICT_OLD), 1);
    assert_gone_in_order(&old, 1);
}

static void a_grace_of_nothing_spares_nobody(void **state)
{
    conn_handle young = client(stranger(), 0, 0);

    (void)state;
    settings.grace_ns = 0;
    assert_int_equal(evict(&process, &queue, 1, EVICT_OLD), 1);
    assert_gone_in_order(&young, 1);
}

static void a_longer_grace_is_kept(void **state)
{
    (void)state;
    settings.grace_ns = CLOCK_SECOND;
    client(stranger(), 900 * MS, 0);
    assert_int_equal(evict(&process, &queue, 1, EVICT_OLD), 0);
    client(stranger(), 1100 * MS, 0);
    assert_int_equal(evict(&process, &queue, 1, EVICT_OLD), 1);
}

/* It was answered late: the server was slow to read its hello. */
static void a_clients_grace_is_its_own_time(void **state)
{
    conn_handle kept_waiting = client(stranger(), 4 * GRACE, whole_hello());
    conn_handle half = client(stranger(), 4 * GRACE, 100);

    (void)state;
    atomic_fetch_add(&conn_numbered(conn_number(kept_waiting))->deadline_ns, 7 * GRACE / 2);
    /* To this one, too, but nothing has kept it from sending the rest. */
    atomic_fetch_add(&conn_numbered(conn_number(half))->deadline_ns, 7 * GRACE / 2);
    assert_int_equal(evict(&process, &queue, 2, EVICT_OLD), 1);
    assert_gone_in_order(&half, 1);
}

static void shut(uint32_t source, bool with_hello, unsigned int times)
{
    for (unsigned int i = 0; i < times; i++)
        sources_shut(source, with_hello);
}

static void an_offender_was_shut_twice_and_finished_nothing(void **state)
{
    (void)state;
    for (int with_hello = 0; with_hello < 2; with_hello++) {
        uint32_t source = stranger();

        assert_false(evict_is_offender(source, with_hello));
        shut(source, with_hello, 1);
        assert_false(evict_is_offender(source, with_hello));
        shut(source, with_hello, 1);
        assert_true(evict_is_offender(source, with_hello));
        sources_finished(source);
        assert_false(evict_is_offender(source, with_hello));
        assert_false(evict_is_offender(0, with_hello));
    }
}

/* Good clients may share the address of a flood. */
static void who_has_brought_a_hello_does_not_pay_for_the_silent(void **state)
{
    uint32_t source = stranger();

    (void)state;
    shut(source, false, 100);
    assert_true(evict_is_offender(source, false));
    assert_false(evict_is_offender(source, true));
}

/* Before their bytes have come they look like silent ones. */
static void of_a_source_that_stalls_halfway_no_new_one_is_welcome(void **state)
{
    uint32_t source = stranger();

    (void)state;
    shut(source, true, 2);
    assert_true(evict_is_offender(source, true));
    assert_true(evict_is_offender(source, false));
}

static uint32_t offender(void)
{
    uint32_t source = stranger();

    shut(source, true, 2);
    return source;
}

static void an_offender_gets_no_grace(void **state)
{
    conn_handle bad = client(offender(), 0, whole_hello());

    (void)state;
    client(stranger(), 0, 0);
    assert_int_equal(evict(&process, &queue, 5, EVICT_OLD), 1);
    assert_gone_in_order(&bad, 1);
}

static void of_offenders_all_go_and_nobody_else(void **state)
{
    uint32_t crowd = stranger();
    conn_handle bad[2];

    (void)state;
    for (unsigned int i = 0; i < 30; i++)
        client(crowd, 10 * CLOCK_SECOND, 0);
    bad[0] = client(offender(), 100 * MS, 0);
    bad[1] = client(offender(), 50 * MS, 0);
    assert_int_equal(evict(&process, &queue, UINT32_MAX, EVICT_OFFENDERS), 2);
    assert_gone_in_order(bad, 2);
}

static uint32_t trusted(void)
{
    uint32_t source = stranger();

    sources_finished(source);
    return source;
}

static void who_has_finished_lately_is_spared_for_eight_graces(void **state)
{
    conn_handle old;

    (void)state;
    client(trusted(), 7 * GRACE, 0);
    assert_int_equal(evict(&process, &queue, 1, EVICT_OLD), 0);
    old = client(trusted(), 8 * GRACE, 0);
    assert_int_equal(evict(&process, &queue, 2, EVICT_OLD), 1);
    assert_gone_in_order(&old, 1);
}

static void who_has_finished_lately_goes_last(void **state)
{
    uint32_t good = trusted();
    conn_handle order[3];

    (void)state;
    order[1] = client(good, 20 * CLOCK_SECOND, 0);
    order[2] = client(good, 19 * CLOCK_SECOND, 0);
    order[0] = client(stranger(), CLOCK_SECOND, whole_hello());
    assert_int_equal(evict(&process, &queue, 3, EVICT_OLD), 3);
    assert_gone_in_order(order, 3);
}

/* Many users behind one address, one of whom is up to no good. */
static void a_crowd_behind_one_address_is_spared_for_those_that_finish(void **state)
{
    uint32_t gateway = stranger();
    uint32_t bad = stranger();
    conn_handle order[3];

    (void)state;
    for (unsigned int i = 0; i < 50; i++)
        sources_finished(gateway);
    shut(gateway, false, 5);
    for (unsigned int i = 0; i < 40; i++)
        client(gateway, (3000 + i) * MS, 0);
    for (unsigned int i = 0; i < 3; i++)
        order[i] = client(bad, (1000 - i) * MS, 0);
    assert_int_equal(evict(&process, &queue, 3, EVICT_OLD), 3);
    assert_gone_in_order(order, 3);
}

/* One finished handshake must not buy a flood its patience. */
static void a_source_that_is_mostly_shut_is_not_trusted(void **state)
{
    uint32_t source = trusted();

    (void)state;
    shut(source, false, 3);
    client(source, 2 * GRACE, 0);
    assert_int_equal(evict(&process, &queue, 1, EVICT_OLD), 1);
}

static void a_record_of_being_shut_weighs_like_pending_ones(void **state)
{
    uint32_t bad = stranger();
    uint32_t crowd = stranger();
    conn_handle first;

    (void)state;
    shut(bad, true, 2);
    for (unsigned int i = 0; i < 2; i++)
        client(crowd, 9000 * MS, 0);
    first = client(bad, 1000 * MS, whole_hello());
    assert_int_equal(evict(&process, &queue, 1, EVICT_OLD), 1);
    assert_gone_in_order(&first, 1);
}

static void finished_and_closed_ones_are_no_candidates(void **state)
{
    conn_handle finished = client(stranger(), 9000 * MS, 0);
    conn_handle pending = client(stranger(), 1000 * MS, 0);

    (void)state;
    conn_move(finished, CONN_UNFINISHED, CONN_FINISHED);
    assert_int_equal(evict(&process, &queue, 5, EVICT_OLD), 1);
    assert_gone_in_order(&pending, 1);
    assert_int_equal(asked, 1);
}

/* On a port that nobody has ever spoken TLS on, without a session: perhaps plaintext. */
static void who_may_speak_plaintext_is_no_candidate(void **state)
{
    conn_handle plain = client(stranger(), 9000 * MS, 0);

    (void)state;
    conn_move(plain, CONN_UNFINISHED, CONN_OPEN);
    assert_int_equal(evict(&process, &queue, 5, EVICT_OLD), 0);
    atomic_store(&conn_numbered(conn_number(plain))->listener, 77);
    ports_learn(77);
    assert_int_equal(evict(&process, &queue, 5, EVICT_OLD), 1);
}

static void who_cannot_be_shut_is_replaced_by_the_next(void **state)
{
    conn_handle next;

    (void)state;
    spared = client(stranger(), 9000 * MS, 0);
    next = client(stranger(), 8000 * MS, 0);
    client(stranger(), 7000 * MS, 0);
    assert_int_equal(evict(&process, &queue, 1, EVICT_OLD), 1);
    assert_gone_in_order(&next, 1);
}

static conn_handle leaving;
static conn_handle newcomer;

/* The program closes it, and accepts another, who gets its record. */
static void another_comes_for_one_that_leaves(void)
{
    enum conn_state ended = conn_drop(leaving);

    assert_int_not_equal(ended, CONN_FREE);
    conn_recycle(leaving, ended);
    newcomer = conn_publish(conn_alloc());
    conn_move(newcomer, CONN_IN(CONN_OPEN), CONN_HANDSHAKE);
    assert_int_equal(conn_number(newcomer), conn_number(leaving));
}

static void who_came_meanwhile_is_not_taken_for_who_has_left(void **state)
{
    conn_handle first = client(stranger(), 9000 * MS, 0);

    (void)state;
    leaving = client(stranger(), 8000 * MS, 0);
    at_first = another_comes_for_one_that_leaves;
    assert_int_equal(evict(&process, &queue, 2, EVICT_OLD), 1);
    assert_gone_in_order(&first, 1);
    clients[client_count - 1] = newcomer;
}

static void of_thousands_no_more_than_some_are_looked_at(void **state)
{
    uint32_t source = stranger();

    (void)state;
    for (unsigned int i = 0; i < 5000; i++)
        client(source, (1000 + i) * MS, 0);
    evict(&process, &queue, UINT32_MAX, EVICT_OLD);
    assert_in_range(asked, CANDIDATES / 2, CANDIDATES);
    assert_in_range(gone_count, CANDIDATES / 2, CANDIDATES);
}

/* Connections stay in the queue until their deadlines, long after they have finished. */
static void pending_ones_are_found_among_thousands_that_have_finished(void **state)
{
    uint32_t found = 0;

    (void)state;
    for (unsigned int i = 0; i < 5000; i++) {
        conn_handle handle = client(stranger(), 9000 * MS, whole_hello());

        if (i % 500 != 0)
            conn_move(handle, CONN_UNFINISHED, CONN_FINISHED);
    }
    for (unsigned int i = 0; i < 40 && found < 10; i++)
        found += evict(&process, &queue, 1, EVICT_OLD);
    assert_int_equal(found, 10);
}

/* Nobody can stand where the lot does not fall. */
static void everybody_in_a_long_queue_is_drawn_sometimes(void **state)
{
    uint32_t source = stranger();

    (void)state;
    for (unsigned int i = 0; i < 1000; i++)
        client(source, 1000 * MS, 0);
    for (unsigned int i = 0; i < 4000 && gone_count < 1000; i++)
        evict(&process, &queue, 1, EVICT_OLD);
    assert_int_equal(gone_count, 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, nobody_is_there, all_leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(of_nobody_none_goes),
        TEST(the_source_with_the_most_pending_goes_first),
        TEST(then_the_least_progress),
        TEST(then_the_greatest_age),
        TEST(whom_a_thread_waits_for_goes_before_all_of_these),
        TEST(nobody_else_goes_to_free_a_thread),
        TEST(nor_does_waiting_shorten_its_grace),
        TEST(whom_a_thread_waits_for_is_found_among_thousands),
        TEST(never_more_than_needed),
        TEST(nobody_goes_within_the_grace),
        TEST(a_grace_of_nothing_spares_nobody),
        TEST(a_longer_grace_is_kept),
        TEST(a_clients_grace_is_its_own_time),
        TEST(an_offender_was_shut_twice_and_finished_nothing),
        TEST(who_has_brought_a_hello_does_not_pay_for_the_silent),
        TEST(of_a_source_that_stalls_halfway_no_new_one_is_welcome),
        TEST(an_offender_gets_no_grace),
        TEST(of_offenders_all_go_and_nobody_else),
        TEST(who_has_finished_lately_is_spared_for_eight_graces),
        TEST(who_has_finished_lately_goes_last),
        TEST(a_crowd_behind_one_address_is_spared_for_those_that_finish),
        TEST(a_source_that_is_mostly_shut_is_not_trusted),
        TEST(a_record_of_being_shut_weighs_like_pending_ones),
        TEST(finished_and_closed_ones_are_no_candidates),
        TEST(who_may_speak_plaintext_is_no_candidate),
        TEST(who_cannot_be_shut_is_replaced_by_the_next),
        TEST(who_came_meanwhile_is_not_taken_for_who_has_left),
        TEST(of_thousands_no_more_than_some_are_looked_at),
        TEST(pending_ones_are_found_among_thousands_that_have_finished),
        TEST(everybody_in_a_long_queue_is_drawn_sometimes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
