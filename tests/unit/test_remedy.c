/* How many are evicted for a queue that stands still, look after look. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "core/remedy.h"

#define MS CLOCK_MILLISECOND

static uint64_t now_ns;
static struct remedy remedy;

static int at_the_start(void **state)
{
    (void)state;
    remedy = (struct remedy){0};
    now_ns = 1000 * MS;
    return 0;
}

/* A look; whoever may go does. */
static uint32_t look_at(uint32_t stuck, bool moved)
{
    uint32_t dose;

    now_ns += 10 * MS;
    dose = remedy_dose(&remedy, stuck, moved, now_ns);
    if (dose != 0)
        remedy_given(&remedy, now_ns);
    return dose;
}

/* What no longer stands still has moved. */
static uint32_t look(uint32_t stuck)
{
    return look_at(stuck, stuck == 0);
}

static uint32_t looks(uint32_t stuck, uint64_t for_ms)
{
    uint32_t sum = 0;

    for (uint64_t i = 0; i < for_ms / 10; i++)
        sum += look(stuck);
    return sum;
}

static void for_queues_that_move_nobody_goes(void **state)
{
    (void)state;
    assert_int_equal(looks(0, 5000), 0);
}

static void one_goes_at_first_and_all_when_that_has_helped(void **state)
{
    (void)state;
    assert_int_equal(look(50), 1);
    assert_int_equal(look(0), 0);
    assert_int_equal(look(49), 49);
    assert_int_equal(look(0), 0);
    assert_int_equal(look(7), 7);
}

static void a_server_has_some_time_to_show_that_it_helped(void **state)
{
    (void)state;
    assert_int_equal(look(50), 1);
    assert_int_equal(looks(50, 90), 0);
    assert_int_equal(look(0), 0);
    assert_int_equal(look(50), 50);
}

static void a_server_that_goes_on_much_later_was_not_helped(void **state)
{
    (void)state;
    assert_int_equal(look(50), 1);
    assert_int_equal(looks(50, 150), 0);
    assert_int_equal(look(0), 0);
    assert_int_equal(look(50), 1);
}

/* It does something else for half a second, again and again. */
static void standstills_of_another_kind_cost_two_each(void **state)
{
    (void)state;
    for (unsigned int i = 0; i < 20; i++) {
        assert_in_range(looks(30, 400), 1, 3);
        assert_int_equal(looks(0, 300), 0);
    }
}

static void what_has_not_helped_is_doubled_in_time(void **state)
{
    (void)state;
    assert_int_equal(look(100), 1);
    assert_int_equal(looks(100, 240), 0);
    assert_int_equal(look(100), 2);
    assert_int_equal(looks(100, 240), 0);
    assert_int_equal(look(100), 4);
    assert_int_equal(looks(100, 240), 0);
    assert_int_equal(look(100), 8);
    assert_int_equal(look(0), 0);
    assert_int_equal(look(100), 100);
}

static void never_more_than_wait(void **state)
{
    (void)state;
    for (unsigned int i = 0; i < 40; i++)
        assert_in_range(looks(3, 250), 0, 3);
}

static void what_helped_once_may_help_no_longer(void **state)
{
    (void)state;
    assert_int_equal(look(50), 1);
    assert_int_equal(look(0), 0);
    assert_int_equal(look(50), 50);
    assert_int_equal(looks(50, 240), 0);
    assert_in_range(look(50), 1, 2);
}

/* It has closed who was evicted, and goes on with something else. */
static void a_server_that_has_only_closed_was_not_helped(void **state)
{
    (void)state;
    assert_int_equal(look(50), 1);
    for (unsigned int i = 0; i < 30; i++)
        assert_int_equal(look_at(0, false), 0);
    assert_int_equal(look_at(50, false), 1);
    assert_int_equal(look_at(0, false), 0);
    assert_int_equal(look_at(0, true), 0);
    assert_int_equal(look(50), 50);
}

/* Nobody could be evicted: that says nothing. */
static void what_was_not_given_is_not_judged(void **state)
{
    (void)state;
    for (unsigned int i = 0; i < 100; i++) {
        now_ns += 10 * MS;
        assert_int_equal(remedy_dose(&remedy, 9, false, now_ns), 1);
    }
    assert_int_equal(remedy_dose(&remedy, 0, true, now_ns), 0);
    assert_false(remedy.works);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(for_queues_that_move_nobody_goes, at_the_start),
        cmocka_unit_test_setup(one_goes_at_first_and_all_when_that_has_helped, at_the_start),
        cmocka_unit_test_setup(a_server_has_some_time_to_show_that_it_helped, at_the_start),
        cmocka_unit_test_setup(a_server_that_goes_on_much_later_was_not_helped, at_the_start),
        cmocka_unit_test_setup(standstills_of_another_kind_cost_two_each, at_the_start),
        cmocka_unit_test_setup(what_has_not_helped_is_doubled_in_time, at_the_start),
        cmocka_unit_test_setup(never_more_than_wait, at_the_start),
        cmocka_unit_test_setup(what_helped_once_may_help_no_longer, at_the_start),
        cmocka_unit_test_setup(a_server_that_has_only_closed_was_not_helped, at_the_start),
        cmocka_unit_test_setup(what_was_not_given_is_not_judged, at_the_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
