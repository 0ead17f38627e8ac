/* Does a server that closes new clients do so for want of room? One that is full turns away whoever
 * comes, until another has left, and never keeps more than it ever kept. One that does not want
 * certain clients (a list of addresses) turns them away however many it has: when it has as many as
 * ever, too, but also when it has fewer, and it may keep more afterwards.
 *
 * Any thread or signal handler. */
#ifndef SHAKEOUT_CORE_ROOM_H
#define SHAKEOUT_CORE_ROOM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define ROOM_SOME 8U /* a server that has kept fewer at a time has shown no limit */

/* All zero at the start. */
struct room {
    _Atomic uint32_t most;       /* that it has kept at a time */
    _Atomic uint32_t full;       /* so many it turned away when it had them */
    _Atomic uint32_t with_space; /* ... and so many when it had fewer */
};

enum room_state {
    ROOM_UNTOLD, /* nothing is to be learned from it */
    ROOM_SCARCE, /* it may be for want of room, or not */
    ROOM_NONE    /* it has none */
};

/* It keeps so many, and takes the next one. */
void room_kept(struct room *room, uint32_t kept);

/* Has it kept enough for room_closes() to tell something? */
bool room_tells(const struct room *room);

/* It closes one of the `living` that it has; at_once: the last that came, just now. */
enum room_state room_closes(struct room *room, uint32_t living, bool at_once);

#endif
