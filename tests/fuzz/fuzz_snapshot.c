/*
 * Counters from hostile bytes. The input lies over a page that is right, so that the fuzzer does
 * not have to find the header first: two bytes say where it begins, two where the page ends.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/snapshot.h"

static void require(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "does not hold: %s\n", what);
        abort();
    }
}

static void check(const struct snapshot *snapshot)
{
    uint64_t sum = 0;

    require(strlen(snapshot->version) < sizeof(snapshot->version), "the version ends");
    for (const char *at = snapshot->version; *at; at++)
        require(*at > ' ' && *at <= '~', "the version is printable");
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        require(sum + snapshot->took[i] >= sum, "the buckets have a sum");
        sum += snapshot->took[i];
    }
    require(sum == snapshot->took_count, "it is that sum");
    for (unsigned int i = 0; i <= 1000; i += 100)
        require(histogram_percentile_us(snapshot->took, snapshot->took_longest_us, i) <=
                    snapshot->took_longest_us,
                "no percentile exceeds the longest");
}

static size_t number(const uint8_t **data, size_t *size, size_t below)
{
    size_t value = 0;

    for (int i = 0; i < 2 && *size > 0; i++, ++*data, --*size)
        value = value << 8 | **data;
    return value % below;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct counters page = {
        .layout = COUNTERS_LAYOUT, .size = sizeof(page), .timeout_ns = 1000000000};
    uint8_t *exact;
    struct snapshot snapshot;
    uint32_t layout = 0;
    size_t from = number(&data, &size, sizeof(page));
    size_t length = sizeof(page) - number(&data, &size, sizeof(page) + 1);

    memcpy(page.magic, COUNTERS_MAGIC, sizeof(page.magic));
    if (size > sizeof(page) - from)
        size = sizeof(page) - from;
    if (size > 0)
        memcpy((uint8_t *)&page + from, data, size);
    /* In memory of its own, so that a byte too far is seen. */
    exact = malloc(length > 0 ? length : 1);
    require(exact != NULL, "memory");
    memcpy(exact, &page, length);
    if (snapshot_decode(exact, length, &snapshot, &layout) == SNAPSHOT_READ)
        check(&snapshot);
    free(exact);
    return 0;
}
