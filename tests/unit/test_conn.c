/* Connections: lives, generations, references and states, on one thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/conn.h"

static conn_handle born(void)
{
    uint32_t number = conn_alloc();

    assert_int_not_equal(number, 0);
    return conn_publish(number);
}

static void ended(conn_handle handle, enum conn_state in)
{
    assert_int_equal(conn_drop(handle), in);
    conn_recycle(handle, in);
}

static void a_fresh_one_is_open(void **state)
{
    conn_handle handle = born();

    (void)state;
    assert_int_not_equal(handle, 0);
    assert_non_null(conn_get(handle));
    assert_true(conn_alive(handle));
    assert_int_equal(conn_state(handle), CONN_OPEN);
    assert_true(conn_current(conn_number(handle)) == handle);
    assert_ptr_equal(conn_numbered(conn_number(handle)), conn_get(handle));
    ended(handle, CONN_OPEN);
}

static void before_it_is_published_no_handle_names_it(void **state)
{
    uint32_t number = conn_alloc();
    conn_handle handle;

    (void)state;
    assert_true(conn_current(number) == 0);
    handle = conn_publish(number);
    assert_true(conn_current(number) == handle);
    ended(handle, CONN_OPEN);
}

static void a_handle_dies_with_its_life(void **state)
{
    conn_handle first = born();
    conn_handle second;

    (void)state;
    ended(first, CONN_OPEN);
    assert_null(conn_get(first));
    assert_int_equal(conn_state(first), CONN_FREE);

    second = born();
    assert_int_equal(conn_number(second), conn_number(first));
    assert_true(second != first);
    assert_null(conn_get(first));
    assert_false(conn_alive(first));
    assert_int_equal(conn_state(first), CONN_FREE);
    assert_false(conn_hold(first));
    assert_int_equal(conn_drop(first), CONN_FREE);
    assert_int_equal(conn_move(first, CONN_UNFINISHED, CONN_SHUT), CONN_FREE);
    assert_int_equal(conn_state(second), CONN_OPEN);
    ended(second, CONN_OPEN);
}

static void it_ends_with_its_last_descriptor(void **state)
{
    conn_handle handle = born();

    (void)state;
    assert_true(conn_hold(handle));
    assert_true(conn_hold(handle));
    assert_int_equal(conn_drop(handle), CONN_FREE);
    assert_int_equal(conn_drop(handle), CONN_FREE);
    assert_true(conn_alive(handle));
    assert_int_equal(conn_state(handle), CONN_OPEN);
    ended(handle, CONN_OPEN);
    assert_false(conn_hold(handle));
    assert_int_equal(conn_drop(handle), CONN_FREE);
}

static void many_descriptors(void **state)
{
    conn_handle handle = born();

    (void)state;
    for (int i = 0; i < 100000; i++)
        assert_true(conn_hold(handle));
    assert_int_equal(conn_state(handle), CONN_OPEN);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(conn_drop(handle), CONN_FREE);
    ended(handle, CONN_OPEN);
}

static void the_story_of_a_handshake(void **state)
{
    conn_handle handle = born();

    (void)state;
    assert_int_equal(conn_move(handle, CONN_IN(CONN_OPEN), CONN_HANDSHAKE), CONN_OPEN);
    assert_int_equal(conn_state(handle), CONN_HANDSHAKE);
    assert_int_equal(conn_move(handle, CONN_IN(CONN_HANDSHAKE), CONN_OPEN), CONN_HANDSHAKE);
    assert_int_equal(conn_move(handle, CONN_IN(CONN_OPEN), CONN_HANDSHAKE), CONN_OPEN);
    assert_int_equal(conn_move(handle, CONN_UNFINISHED, CONN_FINISHED), CONN_HANDSHAKE);
    ended(handle, CONN_FINISHED);
}

static void what_has_finished_is_never_shut(void **state)
{
    conn_handle handle = born();

    (void)state;
    assert_int_equal(conn_move(handle, CONN_UNFINISHED, CONN_FINISHED), CONN_OPEN);
    assert_int_equal(conn_move(handle, CONN_IN(CONN_OPEN), CONN_SHUT), CONN_FREE);
    assert_int_equal(conn_move(handle, CONN_IN(CONN_HANDSHAKE), CONN_SHUT), CONN_FREE);
    assert_int_equal(conn_move(handle, CONN_UNFINISHED, CONN_SHUT), CONN_FREE);
    assert_int_equal(conn_state(handle), CONN_FINISHED);
    ended(handle, CONN_FINISHED);
}

static void what_was_shut_does_not_finish(void **state)
{
    conn_handle handle = born();

    (void)state;
    assert_int_equal(conn_move(handle, CONN_UNFINISHED, CONN_SHUT), CONN_OPEN);
    assert_int_equal(conn_move(handle, CONN_UNFINISHED, CONN_FINISHED), CONN_FREE);
    assert_int_equal(conn_state(handle), CONN_SHUT);
    ended(handle, CONN_SHUT);
}

static void references_survive_a_change_of_state(void **state)
{
    conn_handle handle = born();

    (void)state;
    assert_true(conn_hold(handle));
    assert_int_equal(conn_move(handle, CONN_UNFINISHED, CONN_FINISHED), CONN_OPEN);
    assert_int_equal(conn_drop(handle), CONN_FREE);
    assert_int_equal(conn_state(handle), CONN_FINISHED);
    ended(handle, CONN_FINISHED);
}

static void the_open_ones_are_counted(void **state)
{
    uint32_t before = conn_open_count();
    conn_handle one = born();
    conn_handle two = born();

    (void)state;
    assert_int_equal(conn_open_count(), before + 2);
    conn_move(one, CONN_IN(CONN_OPEN), CONN_HANDSHAKE);
    assert_int_equal(conn_open_count(), before + 1);
    conn_move(one, CONN_IN(CONN_OPEN), CONN_HANDSHAKE);
    assert_int_equal(conn_open_count(), before + 1);
    conn_move(one, CONN_IN(CONN_HANDSHAKE), CONN_OPEN);
    assert_int_equal(conn_open_count(), before + 2);
    conn_hold(two);
    conn_drop(two);
    assert_int_equal(conn_open_count(), before + 2);
    assert_int_equal(conn_drop(two), CONN_OPEN);
    assert_int_equal(conn_open_count(), before + 2);
    conn_recycle(two, CONN_OPEN);
    assert_int_equal(conn_open_count(), before + 1);
    conn_move(one, CONN_UNFINISHED, CONN_SHUT);
    assert_int_equal(conn_open_count(), before);
    ended(one, CONN_SHUT);
    assert_int_equal(conn_open_count(), before);
}

static void what_names_nothing_is_harmless(void **state)
{
    static const conn_handle nothing[] = {0, 1ULL << 32, UINT64_MAX, UINT64_MAX << 32 | 0x00fffffe};

    (void)state;
    for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
        assert_null(conn_get(nothing[i]));
        assert_false(conn_alive(nothing[i]));
        assert_int_equal(conn_state(nothing[i]), CONN_FREE);
        assert_false(conn_hold(nothing[i]));
        assert_int_equal(conn_drop(nothing[i]), CONN_FREE);
        assert_int_equal(conn_move(nothing[i], CONN_UNFINISHED, CONN_SHUT), CONN_FREE);
    }
    assert_true(conn_current(0) == 0);
    assert_true(conn_current(UINT32_MAX) == 0);
    assert_null(conn_numbered(0));
}

enum { MANY = 5000 };

static void thousands_of_them(void **state)
{
    static conn_handle handles[MANY];
    uint32_t used;

    (void)state;
    for (int i = 0; i < MANY; i++) {
        handles[i] = born();
        atomic_store_explicit(&conn_get(handles[i])->cookie, handles[i], memory_order_relaxed);
    }
    for (int i = 0; i < MANY; i++)
        assert_true(atomic_load_explicit(&conn_get(handles[i])->cookie, memory_order_relaxed) ==
                    handles[i]);
    used = conn_numbers_used();
    assert_true(used >= MANY);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++)
            ended(handles[i], CONN_OPEN);
        for (int i = 0; i < MANY; i++)
            handles[i] = born();
    }
    assert_int_equal(conn_numbers_used(), used); /* the same records serve again */
    for (int i = 0; i < MANY; i++)
        ended(handles[i], CONN_OPEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fresh_one_is_open),
        cmocka_unit_test(before_it_is_published_no_handle_names_it),
        cmocka_unit_test(a_handle_dies_with_its_life),
        cmocka_unit_test(it_ends_with_its_last_descriptor),
        cmocka_unit_test(many_descriptors),
        cmocka_unit_test(the_story_of_a_handshake),
        cmocka_unit_test(what_has_finished_is_never_shut),
        cmocka_unit_test(what_was_shut_does_not_finish),
        cmocka_unit_test(references_survive_a_change_of_state),
        cmocka_unit_test(the_open_ones_are_counted),
        cmocka_unit_test(what_names_nothing_is_harmless),
        cmocka_unit_test(thousands_of_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
