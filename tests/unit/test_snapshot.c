/* Counters out of somebody else's memory: what is not counters is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "launcher/snapshot.h"

static struct counters bytes;
static struct snapshot snapshot;
static uint32_t layout;

static void fill(void)
{
    bytes = (struct counters){
        .layout = COUNTERS_LAYOUT,
        .size = sizeof(bytes),
        .version = "1.2.3",
        .timeout_ns = 10 * CLOCK_SECOND,
        .made_s = 1700000000,
    };
    memcpy(bytes.magic, COUNTERS_MAGIC, sizeof(bytes.magic));
    for (size_t i = 0; i < COUNTERS; i++)
        atomic_store(&bytes.count[i], i + 1);
    atomic_store(&bytes.took[3], 5);
    atomic_store(&bytes.took[HISTOGRAM_BUCKETS - 1], 2);
}

static enum snapshot_problem decode(size_t size)
{
    return snapshot_decode(&bytes, size, &snapshot, &layout);
}

static void a_whole_page(void **state)
{
    (void)state;
    fill();
    assert_int_equal(decode(sizeof(bytes)), SNAPSHOT_READ);
    assert_string_equal(snapshot.version, "1.2.3");
    for (size_t i = 0; i < COUNTERS; i++)
        assert_int_equal(snapshot.count[i], i + 1);
    assert_int_equal(snapshot.took_count, 7);
}

static void a_truncated_page(void **state)
{
    (void)state;
    fill();
    for (size_t size = 0; size < sizeof(bytes); size++)
        assert_int_equal(decode(size), SNAPSHOT_TRUNCATED);
}

static void a_foreign_page(void **state)
{
    (void)state;
    memset(&bytes, 0, sizeof(bytes));
    assert_int_equal(decode(sizeof(bytes)), SNAPSHOT_FOREIGN);
    memset(&bytes, 0xff, sizeof(bytes));
    assert_int_equal(decode(sizeof(bytes)), SNAPSHOT_FOREIGN);
}

static void a_page_of_another_version(void **state)
{
    (void)state;
    fill();
    bytes.layout = COUNTERS_LAYOUT + 1;
    bytes.size = 100000;
    assert_int_equal(decode(sizeof(bytes)), SNAPSHOT_OTHER_LAYOUT);
    assert_int_equal(layout, COUNTERS_LAYOUT + 1);
    /* Even when the bytes is shorter than ours. */
    assert_int_equal(decode(24), SNAPSHOT_OTHER_LAYOUT);
}

static void a_damaged_page(void **state)
{
    (void)state;
    fill();
    bytes.size--;
    assert_int_equal(decode(sizeof(bytes)), SNAPSHOT_DAMAGED);
    fill();
    atomic_store(&bytes.took[17], UINT64_MAX);
    assert_int_equal(decode(sizeof(bytes)), SNAPSHOT_DAMAGED);
    fill();
    atomic_store(&bytes.count[COUNTER_SHUT_SILENT], UINT64_MAX);
    assert_int_equal(decode(sizeof(bytes)), SNAPSHOT_DAMAGED);
    fill();
    bytes.timeout_ns = 0;
    assert_int_equal(decode(sizeof(bytes)), SNAPSHOT_DAMAGED);
}

static void a_version_is_printable_and_ends(void **state)
{
    (void)state;
    fill();
    memset(bytes.version, '\033', sizeof(bytes.version));
    assert_int_equal(decode(sizeof(bytes)), SNAPSHOT_READ);
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
