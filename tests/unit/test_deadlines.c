/* Deadlines in order, against a model that is slow and obvious. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "core/deadlines.h"

#define NUMBERS 3000U

static uint32_t places[NUMBERS + 1];

static uint32_t *place_of(uint32_t number)
{
    return &places[number];
}

static struct deadlines empty(void)
{
    memset(places, 0, sizeof(places));
    return (struct deadlines){.place = place_of};
}

/* The same sequence in every run (xorshift). */
static uint32_t random_below(uint32_t end)
{
    static uint32_t x = 2463534242U;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return x % end;
}

static void assert_is_heap(const struct deadlines *deadlines)
{
    for (uint32_t i = 0; i < deadlines->used; i++) {
        assert_true(i == 0 || deadlines->heap[(i - 1) / 2].time_ns <= deadlines->heap[i].time_ns);
        assert_int_equal(places[deadlines->heap[i].number], i);
    }
}

static void nothing_is_first_in_an_empty_one(void **state)
{
    struct deadlines deadlines = empty();

    (void)state;
    assert_int_equal(deadlines_first(&deadlines), 0);
    assert_true(deadlines_first_ns(&deadlines) == CLOCK_NEVER);
    deadlines_remove(&deadlines, 7);
    assert_int_equal(deadlines.used, 0);
}

static void the_earliest_is_first(void **state)
{
    struct deadlines deadlines = empty();

    (void)state;
    assert_true(deadlines_put(&deadlines, 1, 300));
    assert_true(deadlines_put(&deadlines, 2, 100));
    assert_true(deadlines_put(&deadlines, 3, 200));
    assert_int_equal(deadlines_first(&deadlines), 2);
    assert_int_equal(deadlines_first_ns(&deadlines), 100);
    deadlines_remove(&deadlines, 2);
    assert_int_equal(deadlines_first(&deadlines), 3);
    deadlines_remove(&deadlines, 3);
    deadlines_remove(&deadlines, 1);
    assert_int_equal(deadlines_first(&deadlines), 0);
}

static void a_number_is_in_it_once_and_moves(void **state)
{
    struct deadlines deadlines = empty();

    (void)state;
    assert_true(deadlines_put(&deadlines, 1, 100));
    assert_true(deadlines_put(&deadlines, 2, 200));
    assert_true(deadlines_put(&deadlines, 1, 300));
    assert_int_equal(deadlines.used, 2);
    assert_int_equal(deadlines_first(&deadlines), 2);
    assert_true(deadlines_put(&deadlines, 1, 50));
    assert_int_equal(deadlines.used, 2);
    assert_int_equal(deadlines_first(&deadlines), 1);
    deadlines_remove(&deadlines, 1);
    deadlines_remove(&deadlines, 1);
    assert_int_equal(deadlines.used, 1);
}

/* A child of fork() empties the queue of its parent and leaves the places as they are. */
static void a_place_that_is_left_over_is_not_believed(void **state)
{
    struct deadlines deadlines = empty();

    (void)state;
    for (uint32_t number = 1; number <= 20; number++)
        assert_true(deadlines_put(&deadlines, number, 1000 - number));
    deadlines.used = 0;
    assert_true(deadlines_put(&deadlines, 5, 10));
    deadlines_remove(&deadlines, 4);
    assert_int_equal(deadlines.used, 1);
    assert_int_equal(deadlines_first(&deadlines), 5);
    memset(places, 0xff, sizeof(places));
    assert_true(deadlines_put(&deadlines, 6, 5));
    deadlines_remove(&deadlines, 7);
    assert_int_equal(deadlines_first(&deadlines), 6);
    assert_int_equal(deadlines.used, 2);
}

static void never_is_a_time_like_others(void **state)
{
    struct deadlines deadlines = empty();

    (void)state;
    assert_true(deadlines_put(&deadlines, 1, CLOCK_NEVER));
    assert_true(deadlines_put(&deadlines, 2, CLOCK_NEVER));
    assert_true(deadlines_put(&deadlines, 3, 1));
    assert_int_equal(deadlines_first(&deadlines), 3);
    assert_is_heap(&deadlines);
}

struct model {
    bool in[NUMBERS + 1];
    uint64_t time_ns[NUMBERS + 1];
    uint32_t used;
};

static uint64_t model_first_ns(const struct model *model)
{
    uint64_t first = CLOCK_NEVER;

    for (uint32_t number = 1; number <= NUMBERS; number++)
        if (model->in[number] && model->time_ns[number] < first)
            first = model->time_ns[number];
    return first;
}

static void do_something(struct deadlines *deadlines, struct model *model, uint32_t puts_of_10)
{
    uint32_t number = 1 + random_below(NUMBERS);

    if (random_below(10) < puts_of_10) {
        uint64_t time = random_below(500); /* few, so that many are equal */

        assert_true(deadlines_put(deadlines, number, time));
        model->used += !model->in[number];
        model->in[number] = true;
        model->time_ns[number] = time;
    } else {
        if (random_below(2) == 0 && deadlines->used != 0)
            number = deadlines_first(deadlines);
        deadlines_remove(deadlines, number);
        model->used -= model->in[number];
        model->in[number] = false;
    }
}

static void it_agrees_with_the_model(void **state)
{
    static struct model model;
    struct deadlines deadlines = empty();

    (void)state;
    for (uint32_t step = 0; step < 40000; step++) {
        /* It grows, stays, and shrinks. */
        do_something(&deadlines, &model, step < 15000 ? 8 : step < 30000 ? 5 : 2);
        assert_int_equal(deadlines.used, model.used);
        if (step % 16 == 0) {
            assert_true(deadlines_first_ns(&deadlines) == model_first_ns(&model));
            assert_true(model.used == 0 || model.in[deadlines_first(&deadlines)]);
        }
        if (step % 500 == 0)
            assert_is_heap(&deadlines);
    }
}

static void everything_comes_out_in_order(void **state)
{
    struct deadlines deadlines = empty();
    uint64_t last = 0;

    (void)state;
    for (uint32_t number = 1; number <= NUMBERS; number++)
        assert_true(deadlines_put(&deadlines, number, random_below(1000000)));
    for (uint32_t left = NUMBERS; left > 0; left--) {
        assert_int_equal(deadlines.used, left);
        assert_true(deadlines_first_ns(&deadlines) >= last);
        last = deadlines_first_ns(&deadlines);
        deadlines_remove(&deadlines, deadlines_first(&deadlines));
    }
    assert_int_equal(deadlines_first(&deadlines), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_first_in_an_empty_one),
        cmocka_unit_test(the_earliest_is_first),
        cmocka_unit_test(a_number_is_in_it_once_and_moves),
        cmocka_unit_test(a_place_that_is_left_over_is_not_believed),
        cmocka_unit_test(never_is_a_time_like_others),
        cmocka_unit_test(it_agrees_with_the_model),
        cmocka_unit_test(everything_comes_out_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
