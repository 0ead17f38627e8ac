/* Does it help to evict for those whose bytes the server leaves unread? In a full pool of threads
 * it does: whoever is free takes one of them. A thread for each client, which looks something up
 * first, leaves them unread just so, and nobody's end makes it any faster.
 *
 * So one is evicted, and no more, until a thread is seen to take up a client that has waited for it
 * (waits_handed_over()): only a pool does that, and no client can make another server do it. Then
 * as many go as wait, and each time that must be seen again. If it is not, the next trial comes
 * much later, and later each time. Pure; belongs to the reaper. */
#ifndef SHAKEOUT_CORE_TRIAL_H
#define SHAKEOUT_CORE_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define TRIAL_AGAIN_NS (15 * CLOCK_SECOND) /* after the first one that did not help */
#define TRIAL_DOUBLED  4U                  /* so often at most */

/* All zero at the start. */
struct trial {
    uint64_t again_ns; /* somebody was evicted, and it has not helped yet; 0: not so */
    uint32_t handed_over;
    uint32_t doublings;
    bool works; /* may be set to false: what helped long ago says nothing */
};

/* At each look: so many lie unread (0: none, or the server gets on), and waits_handed_over() says
 * that. Returns how many may be evicted for them now. */
uint32_t trial_dose(struct trial *trial, uint32_t unread, uint32_t handed_over, uint64_t now_ns);

/* Somebody was evicted. */
void trial_given(struct trial *trial, uint64_t now_ns);

#endif
