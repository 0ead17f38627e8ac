/* Whether a server that closes new clients has no room for them, or does not want them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/room.h"

static struct room room;
static uint32_t living;

static int at_the_start(void **state)
{
    (void)state;
    memset(&room, 0, sizeof room);
    living = 0;
    return 0;
}

/* It has so many, taken one after the other, or the others have left. */
static void has(uint32_t many)
{
    while (living < many)
        room_kept(&room, ++living);
    living = many;
}

/* One more comes, and is closed at once. */
static enum room_state turns_away(void)
{
    return room_closes(&room, living + 1, true);
}

static void turns_away_some(int count)
{
    while (count-- > 0)
        turns_away();
}

static void few_have_shown_nothing(void **state)
{
    (void)state;
    has(ROOM_SOME - 1);
    assert_false(room_tells(&room));
    assert_int_equal(turns_away(), ROOM_UNTOLD);
    has(ROOM_SOME);
    assert_true(room_tells(&room));
    for (int i = 0; i < 31; i++)
        assert_int_equal(turns_away(), ROOM_UNTOLD);
    assert_int_equal(turns_away(), ROOM_NONE);
}

static void a_full_server_has_no_room_as_long_as_it_is_full(void **state)
{
    (void)state;
    has(100);
    turns_away_some(31);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(turns_away(), ROOM_NONE);
        has(99); /* one has left, and the next one was kept */
        has(100);
    }
}

static void who_is_closed_a_little_later_may_have_been_in_the_way(void **state)
{
    (void)state;
    has(100);
    assert_int_equal(room_closes(&room, 100, false), ROOM_SCARCE);
    assert_int_equal(room_closes(&room, 51, false), ROOM_SCARCE);
    assert_int_equal(room_closes(&room, 50, false), ROOM_UNTOLD);
}

static void a_server_that_turns_away_with_room_left_does_not_want_them(void **state)
{
    (void)state;
    has(100);
    has(60);
    assert_int_equal(turns_away(), ROOM_UNTOLD);
    has(10);
    assert_int_equal(turns_away(), ROOM_UNTOLD);
    has(100);
    assert_int_equal(turns_away(), ROOM_UNTOLD);
}

static void room_made_for_nothing_tells_it(void **state)
{
    (void)state;
    has(ROOM_SOME);
    turns_away_some(31);
    assert_int_equal(turns_away(), ROOM_NONE);
    has(ROOM_SOME - 1); /* somebody went for it, and the next one is turned away all the same */
    assert_int_equal(turns_away(), ROOM_UNTOLD);
    has(ROOM_SOME);
    assert_int_equal(turns_away(), ROOM_UNTOLD);
}

static void a_server_that_keeps_more_afterwards_was_not_full(void **state)
{
    (void)state;
    has(100);
    turns_away_some(50);
    assert_int_equal(turns_away(), ROOM_NONE);
    for (uint32_t most = 101; most < 200; most++) {
        has(most);
        assert_int_equal(turns_away(), ROOM_UNTOLD);
    }
}

static void a_server_may_learn_late_that_somebody_left(void **state)
{
    (void)state;
    has(100);
    turns_away_some(100);
    for (int i = 0; i < 200; i++) {
        turns_away_some(20);
        assert_int_equal(turns_away(), ROOM_NONE);
        has(99);
        assert_int_equal(turns_away(), ROOM_SCARCE);
        has(100);
        assert_int_equal(turns_away(), ROOM_NONE);
    }
}

static void a_choosy_server_may_be_full_one_day(void **state)
{
    int turned_away = 0;

    (void)state;
    has(100);
    has(50);
    turns_away_some(10000);
    has(100);
    while (turns_away() != ROOM_NONE)
        turned_away++;
    assert_in_range(turned_away, 300, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(few_have_shown_nothing, at_the_start),
        cmocka_unit_test_setup(a_full_server_has_no_room_as_long_as_it_is_full, at_the_start),
        cmocka_unit_test_setup(who_is_closed_a_little_later_may_have_been_in_the_way, at_the_start),
        cmocka_unit_test_setup(a_server_that_turns_away_with_room_left_does_not_want_them,
                               at_the_start),
        cmocka_unit_test_setup(room_made_for_nothing_tells_it, at_the_start),
        cmocka_unit_test_setup(a_server_that_keeps_more_afterwards_was_not_full, at_the_start),
        cmocka_unit_test_setup(a_server_may_learn_late_that_somebody_left, at_the_start),
        cmocka_unit_test_setup(a_choosy_server_may_be_full_one_day, at_the_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
