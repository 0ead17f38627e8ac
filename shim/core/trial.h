/* Does it help to evict, where it cannot be told whether somebody is in the way? Threads that wait
 * for clients, while others lie unread or wait in a queue, may be all that a pool has: whoever is
 * free takes the next one. Or there is one for each client, or more than enough of them, and it is
 * the server that looks something up first: then nobody's end makes it any faster.
 *
 * So one is evicted, and no more, until it is seen that it helped. Then as many go as wait, and
 * each time that must be seen again. If it is not, the next trial comes much later, and later each
 * time. Pure; belongs to the reaper. */
#ifndef SHAKEOUT_CORE_TRIAL_H
#define SHAKEOUT_CORE_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define TRIAL_AGAIN_NS (15 * CLOCK_SECOND) /* after the first one that did not help */
#define TRIAL_DOUBLED  4U                  /* so often at most */

/* All zero at the start. */
struct trial {
    uint64_t given_ns; /* somebody was evicted then, and it has not helped yet; 0: not so */
    uint32_t doublings;
    bool works; /* may be set to false: what helped long ago says nothing */
};

/* At each look: so many wait (0: none, or the server gets on), and whether something has happened
 * since the last look that does where room is made, and hardly where it is not. Returns how many
 * may be evicted for them now. */
uint32_t trial_dose(struct trial *trial, uint32_t waiting, bool helped, uint64_t now_ns);

/* Somebody was evicted. */
void trial_given(struct trial *trial, uint64_t now_ns);

#endif
