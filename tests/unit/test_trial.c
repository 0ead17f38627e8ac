/* How many are evicted where it is not known whether that helps: one, until it is seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "core/trial.h"

#define MS CLOCK_MILLISECOND

static uint64_t now_ns;
static bool helped; /* at the next look */
static struct trial trial;

static int at_the_start(void **state)
{
    (void)state;
    trial = (struct trial){0};
    helped = false;
    now_ns = 1000 * MS;
    return 0;
}

/* A look; whoever may go does. */
static uint32_t look(uint32_t waiting)
{
    uint32_t dose;

    now_ns += 10 * MS;
    dose = trial_dose(&trial, waiting, helped, now_ns);
    helped = false;
    if (dose != 0)
        trial_given(&trial, now_ns);
    return dose;
}

static uint32_t looks(uint32_t waiting, uint64_t for_ns)
{
    uint32_t sum = 0;

    for (uint64_t i = 0; i < for_ns / (10 * MS); i++)
        sum += look(waiting);
    return sum;
}

static void for_nobody_nobody_goes(void **state)
{
    (void)state;
    assert_int_equal(looks(0, CLOCK_SECOND), 0);
    helped = true;
    assert_int_equal(looks(0, CLOCK_SECOND), 0);
}

static void one_goes_until_it_has_helped_and_then_as_many_as_wait(void **state)
{
    (void)state;
    helped = true; /* that was before */
    assert_int_equal(look(9), 1);
    assert_int_equal(looks(9, 500 * MS), 0);
    helped = true;
    assert_int_equal(look(9), 9);
    assert_int_equal(looks(9, 500 * MS), 0);
    helped = true;
    assert_int_equal(look(3), 3);
}

/* Who waited was taken up, or left; that is no sign. */
static void that_nobody_waits_any_more_does_not_say_that_it_helped(void **state)
{
    (void)state;
    assert_int_equal(look(9), 1);
    assert_int_equal(looks(0, 50 * MS), 0);
    assert_int_equal(looks(9, 10 * CLOCK_SECOND), 0);
}

static void what_has_not_helped_is_tried_again_ever_more_seldom(void **state)
{
    uint64_t pause_ns = TRIAL_AGAIN_NS;

    (void)state;
    for (unsigned int i = 0; i < 8; i++) {
        assert_int_equal(look(9), 1);
        assert_int_equal(looks(9, pause_ns - 10 * MS), 0);
        if (i < TRIAL_DOUBLED)
            pause_ns *= 2;
    }
    helped = true;
    assert_int_equal(look(9), 9);
    assert_int_equal(looks(9, TRIAL_AGAIN_NS - 10 * MS), 0);
    assert_int_equal(look(9), 1);
}

/* Nobody could be evicted: that says nothing. */
static void what_was_not_given_is_not_judged(void **state)
{
    (void)state;
    for (unsigned int i = 0; i < 10; i++)
        assert_int_equal(trial_dose(&trial, 9, true, now_ns += 10 * MS), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(for_nobody_nobody_goes, at_the_start),
        cmocka_unit_test_setup(one_goes_until_it_has_helped_and_then_as_many_as_wait, at_the_start),
        cmocka_unit_test_setup(that_nobody_waits_any_more_does_not_say_that_it_helped,
                               at_the_start),
        cmocka_unit_test_setup(what_has_not_helped_is_tried_again_ever_more_seldom, at_the_start),
        cmocka_unit_test_setup(what_was_not_given_is_not_judged, at_the_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
