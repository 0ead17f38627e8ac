/* Which connection a descriptor belongs to, on one thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/fdmap.h"

#define LAST ((int)(FDMAP_PIECE * FDMAP_PIECES) - 1)

/* Five connections. The table is told of descriptors only, so their references do not matter here.
 */
static conn_handle a, b, c, d, e;

static int connections(void **state)
{
    conn_handle *const all[] = {&a, &b, &c, &d, &e};

    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        *all[i] = conn_publish(conn_alloc());
    return 0;
}

static conn_handle put(int fd, conn_handle handle)
{
    conn_handle before;

    assert_true(fdmap_set(fd, handle, &before));
    return before;
}

static unsigned int pieces_mapped(void)
{
    unsigned int count = 0;

    for (unsigned int i = 0; i < FDMAP_PIECES; i++)
        count += atomic_load_explicit(&fdmap_pieces[i], memory_order_relaxed) != NULL;
    return count;
}

/* First of all tests. */
static void memory_is_mapped_only_where_a_descriptor_is_tracked(void **state)
{
    (void)state;
    assert_int_equal(pieces_mapped(), 0);
    assert_true(fdmap_get(5) == 0);
    assert_true(put(5, 0) == 0);
    assert_false(fdmap_remove(5, a));
    assert_int_equal(fdmap_next(0, UINT32_MAX), -1);
    assert_int_equal(pieces_mapped(), 0);
    assert_true(put((int)FDMAP_PIECE, a) == 0);
    assert_int_equal(pieces_mapped(), 1);
    assert_true(fdmap_get(5) == 0);
    assert_true(put((int)FDMAP_PIECE, 0) == a);
}

static void what_is_put_is_found(void **state)
{
    (void)state;
    assert_true(put(7, a) == 0);
    assert_true(fdmap_get(7) == a);
    assert_true(fdmap_get(8) == 0);
    assert_true(put(7, b) == a);
    assert_true(fdmap_get(7) == b);
    assert_true(put(7, 0) == b);
    assert_true(fdmap_get(7) == 0);
}

static void only_what_is_still_there_is_removed(void **state)
{
    (void)state;
    put(7, a);
    assert_false(fdmap_remove(7, b));
    assert_false(fdmap_remove(7, 0));
    assert_true(fdmap_get(7) == a);
    assert_true(fdmap_remove(7, a));
    assert_false(fdmap_remove(7, a));
    assert_true(fdmap_get(7) == 0);
}

static void the_highest_descriptor_has_a_place(void **state)
{
    (void)state;
    assert_true(put(LAST, a) == 0);
    assert_true(fdmap_get(LAST) == a);
    assert_int_equal(fdmap_next((unsigned int)LAST, UINT32_MAX), LAST);
    assert_true(fdmap_remove(LAST, a));
}

static void beyond_it_there_is_nothing(void **state)
{
    static const int none[] = {-1, INT32_MIN, LAST + 1, INT32_MAX};
    conn_handle before = b;

    (void)state;
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_true(fdmap_get(none[i]) == 0);
        assert_false(fdmap_set(none[i], a, &before));
        assert_true(before == 0);
        assert_false(fdmap_remove(none[i], a));
    }
}

static void the_next_one_in_a_range(void **state)
{
    (void)state;
    put(3, a);
    put(4095, b);
    put(4096, c);
    put(100000, d);
    assert_int_equal(fdmap_next(0, UINT32_MAX), 3);
    assert_int_equal(fdmap_next(3, 3), 3);
    assert_int_equal(fdmap_next(4, 4094), -1);
    assert_int_equal(fdmap_next(4, 4095), 4095);
    assert_int_equal(fdmap_next(4096, UINT32_MAX), 4096);
    assert_int_equal(fdmap_next(4097, 99999), -1);
    assert_int_equal(fdmap_next(4097, UINT32_MAX), 100000);
    assert_int_equal(fdmap_next(100001, UINT32_MAX), -1);
    assert_int_equal(fdmap_next(10, 5), -1);
    assert_int_equal(fdmap_next((unsigned int)LAST + 1, UINT32_MAX), -1);
    put(3, 0);
    put(4095, 0);
    put(4096, 0);
    put(100000, 0);
}

static void another_descriptor_of_the_same_connection(void **state)
{
    (void)state;
    put(10, a);
    put(11, b);
    put(5000, a);
    assert_int_equal(fdmap_find(a, -1), 10);
    assert_int_equal(fdmap_find(a, 10), 5000);
    assert_int_equal(fdmap_find(b, 11), -1);
    assert_int_equal(fdmap_find(c, -1), -1);
    put(10, 0);
    put(11, 0);
    put(5000, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_mapped_only_where_a_descriptor_is_tracked),
        cmocka_unit_test(what_is_put_is_found),
        cmocka_unit_test(only_what_is_still_there_is_removed),
        cmocka_unit_test(the_highest_descriptor_has_a_place),
        cmocka_unit_test(beyond_it_there_is_nothing),
        cmocka_unit_test(the_next_one_in_a_range),
        cmocka_unit_test(another_descriptor_of_the_same_connection),
    };

    return cmocka_run_group_tests(tests, connections, NULL);
}
