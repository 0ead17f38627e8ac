#include "core/room.h"

/* A server that is full may learn a little later than we do that somebody has left, and turn the
 * next one away all the same: hardly one in so many. */
#define FEW 8U

/* One that does not want somebody may have to turn away so many of them in the moment when it
 * happens to have more than ever. */
#define MANY 32U

#define REMEMBERED 256U /* turned away; what is older counts half */

/* Threads that come to this at the same time may lose one or two of their marks. */
static void mark(struct room *room, _Atomic uint32_t *counter)
{
    uint32_t sum;

    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
    sum = atomic_load_explicit(&room->full, memory_order_relaxed) +
          atomic_load_explicit(&room->with_space, memory_order_relaxed);
    if (sum < REMEMBERED)
        return;
    atomic_store_explicit(&room->full, atomic_load_explicit(&room->full, memory_order_relaxed) / 2,
                          memory_order_relaxed);
    atomic_store_explicit(&room->with_space,
                          atomic_load_explicit(&room->with_space, memory_order_relaxed) / 2,
                          memory_order_relaxed);
}

/* Is it that it has no room, or does it not want them? */
static bool seems_full(const struct room *room)
{
    return atomic_load_explicit(&room->full, memory_order_relaxed) >=
           MANY + FEW * atomic_load_explicit(&room->with_space, memory_order_relaxed);
}

void room_kept(struct room *room, uint32_t kept)
{
    uint32_t most = atomic_load_explicit(&room->most, memory_order_relaxed);

    while (kept > most)
        if (atomic_compare_exchange_weak_explicit(&room->most, &most, kept, memory_order_relaxed,
                                                  memory_order_relaxed)) {
            /* It was not full. */
            atomic_fetch_add_explicit(
                &room->with_space, atomic_exchange_explicit(&room->full, 0, memory_order_relaxed),
                memory_order_relaxed);
            return;
        }
}

bool room_tells(const struct room *room)
{
    return atomic_load_explicit(&room->most, memory_order_relaxed) >= ROOM_SOME;
}

enum room_state room_closes(struct room *room, uint32_t living, bool at_once)
{
    uint32_t most = atomic_load_explicit(&room->most, memory_order_relaxed);

    if (!room_tells(room))
        return ROOM_UNTOLD;
    if (at_once) {
        mark(room, living > most ? &room->full : &room->with_space);
        if (!seems_full(room))
            return ROOM_UNTOLD;
        if (living > most)
            return ROOM_NONE;
    }
    return 2 * living > most ? ROOM_SCARCE : ROOM_UNTOLD;
}
