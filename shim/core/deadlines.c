#include "core/deadlines.h"

#include <stddef.h>
#include <sys/mman.h>

#include "base/clock.h"

#define ROOM_AT_FIRST 1024U

static bool grow(struct deadlines *deadlines)
{
    uint32_t room = deadlines->room == 0 ? ROOM_AT_FIRST : deadlines->room * 2;
    size_t size = room * sizeof(struct deadline);
    void *area;

    if (deadlines->heap == NULL)
        area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    else
        area = mremap(deadlines->heap, deadlines->room * sizeof(struct deadline), size,
                      MREMAP_MAYMOVE);
    if (area == MAP_FAILED)
        return false;
    deadlines->heap = area;
    deadlines->room = room;
    return true;
}

static void set(struct deadlines *deadlines, uint32_t at, uint32_t number, uint64_t time_ns)
{
    deadlines->heap[at].time_ns = time_ns;
    deadlines->heap[at].number = number;
    *deadlines->place(number) = at;
}

static uint32_t rise(struct deadlines *deadlines, uint32_t at, uint64_t time_ns)
{
    while (at > 0 && deadlines->heap[(at - 1) / 2].time_ns > time_ns) {
        uint32_t parent = (at - 1) / 2;

        set(deadlines, at, deadlines->heap[parent].number, deadlines->heap[parent].time_ns);
        at = parent;
    }
    return at;
}

static uint32_t sink(struct deadlines *deadlines, uint32_t at, uint64_t time_ns)
{
    for (;;) {
        uint32_t child = 2 * at + 1;

        if (child + 1 < deadlines->used &&
            deadlines->heap[child + 1].time_ns < deadlines->heap[child].time_ns)
            child++;
        if (child >= deadlines->used || deadlines->heap[child].time_ns >= time_ns)
            return at;
        set(deadlines, at, deadlines->heap[child].number, deadlines->heap[child].time_ns);
        at = child;
    }
}

static void settle(struct deadlines *deadlines, uint32_t at, uint32_t number, uint64_t time_ns)
{
    at = rise(deadlines, at, time_ns);
    at = sink(deadlines, at, time_ns);
    set(deadlines, at, number, time_ns);
}

/* A place is believed only if the number really stands there: it may be left over. */
static bool find(const struct deadlines *deadlines, uint32_t number, uint32_t *at)
{
    *at = *deadlines->place(number);
    return *at < deadlines->used && deadlines->heap[*at].number == number;
}

bool deadlines_put(struct deadlines *deadlines, uint32_t number, uint64_t time_ns)
{
    uint32_t at;

    if (!find(deadlines, number, &at)) {
        if (deadlines->used == deadlines->room && !grow(deadlines))
            return false;
        at = deadlines->used++;
        deadlines->heap[at].time_ns = CLOCK_NEVER;
        deadlines->heap[at].number = number;
    }
    settle(deadlines, at, number, time_ns);
    return true;
}

void deadlines_remove(struct deadlines *deadlines, uint32_t number)
{
    uint32_t at;
    uint32_t last;

    if (!find(deadlines, number, &at))
        return;
    last = --deadlines->used;
    if (at != last)
        settle(deadlines, at, deadlines->heap[last].number, deadlines->heap[last].time_ns);
}

uint64_t deadlines_first_ns(const struct deadlines *deadlines)
{
    return deadlines->used != 0 ? deadlines->heap[0].time_ns : CLOCK_NEVER;
}

uint32_t deadlines_first(const struct deadlines *deadlines)
{
    return deadlines->used != 0 ? deadlines->heap[0].number : 0;
}
