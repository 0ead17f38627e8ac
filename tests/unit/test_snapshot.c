/* Counters out of somebody else's memory: what is not counters is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "launcher/snapshot.h"

static struct counters page;
static struct snapshot snapshot;
static uint32_t layout;

static void fill(void)
{
    page = (struct counters){
        .layout = COUNTERS_LAYOUT,
        .size = sizeof(page),
        .version = "1.2.3",
        .timeout_ns = 10 * CLOCK_SECOND,
        .made_s = 1700000000,
    };
    memcpy(page.magic, COUNTERS_MAGIC, sizeof(page.magic));
    for (size_t i = 0; i < COUNTERS; i++)
        atomic_store(&page.count[i], i + 1);
    atomic_store(&page.took[3], 5);
    atomic_store(&page.took[HISTOGRAM_BUCKETS - 1], 2);
}

static enum snapshot_problem decode(size_t size)
{
    return snapshot_decode(&page, size, &snapshot, &layout);
}

static void a_whole_page(void **state)
{
    (void)state;
    fill();
    assert_int_equal(decode(sizeof(page)), SNAPSHOT_READ);
    assert_string_equal(snapshot.version, "1.2.3");
    for (size_t i = 0; i < COUNTERS; i++)
        assert_int_equal(snapshot.count[i], i + 1);
    assert_int_equal(snapshot.took_count, 7);
}

static void a_truncated_page(void **state)
{
    (void)state;
    fill();
    for (size_t size = 0; size < sizeof(page); size++)
        assert_int_equal(decode(size), SNAPSHOT_TRUNCATED);
}

static void a_foreign_page(void **state)
{
    (void)state;
    memset(&page, 0, sizeof(page));
    assert_int_equal(decode(sizeof(page)), SNAPSHOT_FOREIGN);
    memset(&page, 0xff, sizeof(page));
    assert_int_equal(decode(sizeof(page)), SNAPSHOT_FOREIGN);
}

static void a_page_of_another_version(void **state)
{
    (void)state;
    fill();
    page.layout = COUNTERS_LAYOUT + 1;
    page.size = 100000;
    assert_int_equal(decode(sizeof(page)), SNAPSHOT_OTHER_LAYOUT);
    assert_int_equal(layout, COUNTERS_LAYOUT + 1);
    /* Even when the page is shorter than ours. */
    assert_int_equal(decode(24), SNAPSHOT_OTHER_LAYOUT);
}

static void a_damaged_page(void **state)
{
    (void)state;
    fill();
    page.size--;
    assert_int_equal(decode(sizeof(page)), SNAPSHOT_DAMAGED);
    fill();
    atomic_store(&page.took[17], UINT64_MAX);
    assert_int_equal(decode(sizeof(page)), SNAPSHOT_DAMAGED);
    fill();
    atomic_store(&page.count[COUNTER_SHUT_SILENT], UINT64_MAX);
    assert_int_equal(decode(sizeof(page)), SNAPSHOT_DAMAGED);
    fill();
    page.timeout_ns = 0;
    assert_int_equal(decode(sizeof(page)), SNAPSHOT_DAMAGED);
}

static void a_version_is_printable_and_ends(void **state)
{
    (void)state;
    fill();
    memset(page.version, '\033', sizeof(page.version));
    assert_int_equal(decode(sizeof(page)), SNAPSHOT_READ);
    assert_string_equal(snapshot.version, "????????????????");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_page),   cmocka_unit_test(a_truncated_page),
        cmocka_unit_test(a_foreign_page), cmocka_unit_test(a_page_of_another_version),
        cmocka_unit_test(a_damaged_page), cmocka_unit_test(a_version_is_printable_and_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
