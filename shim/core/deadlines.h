/* Deadlines in order: a binary heap of (time, number), smallest time first.
 *
 * A number is in it at most once; where it stands is kept by its owner (place), so that it can be
 * moved or taken out from the middle. Belongs to one thread. Memory grows by mmap() and is kept. */
#ifndef SHAKEOUT_CORE_DEADLINES_H
#define SHAKEOUT_CORE_DEADLINES_H

#include <stdbool.h>
#include <stdint.h>

struct deadline {
    uint64_t time_ns;
    uint32_t number;
} __attribute__((packed)); /* a million of them: 12 bytes each, not 16 */

struct deadlines {
    struct deadline *heap;
    uint32_t used;
    uint32_t room;
    uint32_t *(*place)(uint32_t number); /* where this number's place is kept; any value at first */
};

/* Puts the number in, or moves it. False: no memory. */
bool deadlines_put(struct deadlines *deadlines, uint32_t number, uint64_t time_ns);

void deadlines_remove(struct deadlines *deadlines, uint32_t number); /* also if it is not in */

uint64_t deadlines_first_ns(const struct deadlines *deadlines); /* CLOCK_NEVER: empty */
uint32_t deadlines_first(const struct deadlines *deadlines);    /* 0: empty */

#endif
