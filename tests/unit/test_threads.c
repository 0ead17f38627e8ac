/* Several threads at once on the connection table, the table of descriptors and the inbox. Built
 * with ThreadSanitizer: what is read must have been published, and nothing is lost or doubled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <pthread.h>
#include <sched.h>

#include <cmocka.h>

#include "base/clock.h"
#include "core/conn.h"
#include "core/fdmap.h"
#include "core/pending.h"

enum { THREADS = 4, ROUNDS = 400000, SLOTS = 8 };

static _Atomic uint64_t births;
static _Atomic uint64_t deaths;
static _Atomic uint64_t moves_into[CONN_SHUT + 1];
static _Atomic uint64_t wrong;

static uint32_t random_of(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    *x ^= *x << 5;
    return *x;
}

static pthread_barrier_t start;

static void run_threads(void *(*run)(void *))
{
    pthread_t threads[THREADS];

    assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run, (void *)(i + 1)), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    pthread_barrier_destroy(&start);
}

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* A record whose fields can be told from those of every other one. */
static conn_handle born(uint64_t stamp)
{
    uint32_t number = conn_alloc();
    struct conn *conn = conn_numbered(number);
    conn_handle handle;

    atomic_store_explicit(&conn->cookie, stamp, memory_order_relaxed);
    atomic_store_explicit(&conn->deadline_ns, ~stamp, memory_order_relaxed);
    handle = conn_publish(number);
    count(&births);
    return handle;
}

static void drop(conn_handle handle)
{
    enum conn_state ended = conn_drop(handle);

    if (ended != CONN_FREE) {
        count(&deaths);
        conn_recycle(handle, ended);
    }
}

/* What is read from a record that is alive afterwards belongs to one life of it. */
static void look_at(conn_handle handle)
{
    struct conn *conn = conn_get(handle);
    uint64_t cookie;
    uint64_t deadline;

    if (conn == NULL)
        return;
    cookie = atomic_load_explicit(&conn->cookie, memory_order_relaxed);
    deadline = atomic_load_explicit(&conn->deadline_ns, memory_order_relaxed);
    if (conn_alive(handle) && deadline != ~cookie)
        count(&wrong);
}

static void change(conn_handle handle, uint32_t how)
{
    static const enum conn_state to[] = {CONN_HANDSHAKE, CONN_FINISHED, CONN_SHUT, CONN_OPEN};
    static const unsigned int from[] = {CONN_IN(CONN_OPEN), CONN_UNFINISHED, CONN_UNFINISHED,
                                        CONN_IN(CONN_HANDSHAKE)};
    uint32_t which = how % 4;

    if (conn_move(handle, from[which], to[which]) != CONN_FREE)
        count(&moves_into[to[which]]);
}

/* One thread's life: descriptors are opened, duplicated, looked at and closed, by all threads on
 * the same few numbers. */
static void *open_and_close(void *argument)
{
    uint32_t x = (uint32_t)(uintptr_t)argument * 2654435761U;
    conn_handle before;

    pthread_barrier_wait(&start);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        int fd = (int)(random_of(&x) % SLOTS) * 500; /* in several pieces of the table */
        conn_handle handle = fdmap_get(fd);

        switch (random_of(&x) % 5) {
        case 0:
            handle = born((uint64_t)(uintptr_t)argument << 32 | round);
            if (!fdmap_set(fd, handle, &before))
                abort();
            if (before != 0)
                drop(before);
            break;
        case 1:
            if (fdmap_remove(fd, handle))
                drop(handle);
            break;
        case 2:
            if (conn_hold(handle)) {
                look_at(handle);
                if (!conn_alive(handle)) /* held, so it lives */
                    count(&wrong);
                drop(handle);
            }
            break;
        case 3:
            change(handle, random_of(&x));
            break;
        default:
            look_at(handle);
        }
    }
    return NULL;
}

static void close_everything(void)
{
    int fd;

    while ((fd = fdmap_next(0, UINT32_MAX)) >= 0) {
        conn_handle handle = fdmap_get(fd);

        assert_true(fdmap_remove(fd, handle));
        drop(handle);
    }
}

static void connections_are_neither_lost_nor_mixed_up(void **state)
{
    (void)state;
    run_threads(open_and_close);
    close_everything();
    assert_int_equal(wrong, 0);
    assert_true(births > ROUNDS / 4);
    assert_true(births == deaths);
    assert_int_equal(conn_open_count(), 0);
    for (int to = CONN_OPEN; to <= CONN_SHUT; to++)
        assert_true(moves_into[to] > 100);
    for (uint32_t number = 1; number <= conn_numbers_used(); number++)
        assert_true(conn_current(number) == 0);
}

/* Each record is on the free list exactly once. */
static void every_record_can_be_had_again_once(void **state)
{
    uint32_t used = conn_numbers_used();
    bool *seen = calloc(used + 1, sizeof(*seen));

    (void)state;
    assert_true(used > 0 && used <= SLOTS + 2 * THREADS);
    for (uint32_t i = 0; i < used; i++) {
        uint32_t number = conn_alloc();

        assert_in_range(number, 1, used);
        assert_false(seen[number]);
        seen[number] = true;
    }
    for (uint32_t number = 1; number <= used; number++) {
        conn_handle handle = conn_publish(number);

        assert_int_equal(conn_drop(handle), CONN_OPEN);
        conn_recycle(handle, CONN_OPEN);
    }
    free(seen);
}

enum { ONE_WINS = 2000 };
static _Atomic conn_handle contested;
static _Atomic uint32_t turn;
static _Atomic uint32_t ready;
static _Atomic uint64_t finished;
static _Atomic uint64_t shut;
static _Atomic uint64_t ends;

/* All threads wait until `to` comes. */
static void wait_for_turn(uint32_t to)
{
    while (atomic_load_explicit(&turn, memory_order_acquire) < to)
        sched_yield();
}

static void *finish_or_shut(void *argument)
{
    uintptr_t who = (uintptr_t)argument;

    pthread_barrier_wait(&start);
    for (uint32_t i = 1; i <= ONE_WINS; i++) {
        conn_handle handle;
        enum conn_state ended;

        wait_for_turn(i);
        handle = atomic_load_explicit(&contested, memory_order_relaxed);
        if (who % 2 == 0 && conn_move(handle, CONN_UNFINISHED, CONN_FINISHED) != CONN_FREE)
            count(&finished);
        if (who % 2 == 1 && conn_move(handle, CONN_UNFINISHED, CONN_SHUT) != CONN_FREE)
            count(&shut);
        ended = conn_drop(handle);
        if (ended != CONN_FREE) {
            count(&ends);
            conn_recycle(handle, ended);
        }
        if (atomic_fetch_add_explicit(&ready, 1, memory_order_acq_rel) + 1 == THREADS * i) {
            if (i < ONE_WINS) {
                handle = born(i);
                for (int more = 1; more < THREADS; more++)
                    conn_hold(handle);
                atomic_store_explicit(&contested, handle, memory_order_relaxed);
            }
            atomic_store_explicit(&turn, i + 1, memory_order_release);
        }
    }
    return NULL;
}

/* The exchange decides between a deadline and a handshake that finishes at the same moment. */
static void one_finishes_it_or_one_shuts_it(void **state)
{
    (void)state;
    contested = born(0);
    for (int more = 1; more < THREADS; more++)
        conn_hold(contested);
    atomic_store_explicit(&turn, 1, memory_order_release);
    run_threads(finish_or_shut);
    assert_int_equal(finished + shut, ONE_WINS);
    assert_int_equal(ends, ONE_WINS);
    assert_int_equal(conn_open_count(), 0);
}

enum { PUSHED = 500, PUSHES = 20000 };
static conn_handle pushed[PUSHED];
static _Atomic uint64_t noted[PUSHED];
static _Atomic uint32_t done;
static struct process process = {.epoch = 7};

static void *push(void *argument)
{
    uint32_t x = (uint32_t)(uintptr_t)argument * 40503U;

    pthread_barrier_wait(&start);
    for (uint64_t i = 1; i <= PUSHES; i++) {
        uint32_t which = random_of(&x) % PUSHED;

        atomic_fetch_add_explicit(&conn_get(pushed[which])->deadline_ns, 1, memory_order_relaxed);
        pending_push(&process, pushed[which]);
    }
    atomic_fetch_add_explicit(&done, 1, memory_order_release);
    return NULL;
}

static void note(uint32_t number)
{
    conn_handle handle = conn_current(number);

    for (uint32_t i = 0; i < PUSHED; i++)
        if (pushed[i] == handle)
            noted[i] = atomic_load_explicit(&conn_get(handle)->deadline_ns, memory_order_relaxed);
}

static void *take(void *argument)
{
    (void)argument;
    while (atomic_load_explicit(&done, memory_order_acquire) < THREADS) {
        pending_take(&process, note);
        sched_yield();
    }
    pending_take(&process, note);
    return NULL;
}

/* The reaper knows every connection's last deadline that was pushed. */
static void no_deadline_is_lost_on_its_way(void **state)
{
    uint64_t sum = 0;
    pthread_t reaper;

    (void)state;
    for (uint32_t i = 0; i < PUSHED; i++) {
        pushed[i] = born(0);
        atomic_store_explicit(&conn_get(pushed[i])->deadline_ns, 1000, memory_order_relaxed);
    }
    assert_int_equal(pthread_create(&reaper, NULL, take, NULL), 0);
    run_threads(push);
    assert_int_equal(pthread_join(reaper, NULL), 0);
    for (uint32_t i = 0; i < PUSHED; i++) {
        assert_true(noted[i] == 0 || noted[i] == conn_get(pushed[i])->deadline_ns);
        sum += conn_get(pushed[i])->deadline_ns - 1000;
        drop(pushed[i]);
    }
    assert_int_equal(sum, (uint64_t)THREADS * PUSHES);
    assert_true(pending_first_ns(&process) == CLOCK_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_are_neither_lost_nor_mixed_up),
        cmocka_unit_test(every_record_can_be_had_again_once),
        cmocka_unit_test(one_finishes_it_or_one_shuts_it),
        cmocka_unit_test(no_deadline_is_lost_on_its_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
