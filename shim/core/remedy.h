/* Does it help to evict? A queue may stand still because handshakes stall, or because the server
 * does something else for a while: then nobody's end would make it go on.
 *
 * So the first time one is evicted, and no more. If the queue moves soon after, it was that, and
 * from then on as many go as wait; if it does not, the next go only after a while, and twice as
 * many each time, for some servers take nobody until there is room for several. Pure; belongs to
 * the reaper. */
#ifndef SHAKEOUT_CORE_REMEDY_H
#define SHAKEOUT_CORE_REMEDY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define REMEDY_HELPS_NS (100 * CLOCK_MILLISECOND) /* within this, or it has not helped */
#define REMEDY_AGAIN_NS (250 * CLOCK_MILLISECOND)

/* All zero at the start. */
struct remedy {
    uint64_t given_ns; /* evicted then, and nothing has moved since; 0: not so */
    uint32_t doublings;
    bool works; /* may be set to false: what helped long ago says nothing */
};

/* At each look at the queues: so many wait in those that stand still, and whether one has moved
 * that stood still; neither is so while the server does something else. Returns how many of them
 * may have somebody evicted for them now. */
uint32_t remedy_dose(struct remedy *remedy, uint32_t stuck, bool moved, uint64_t now_ns);

/* Somebody was evicted. */
void remedy_given(struct remedy *remedy, uint64_t now_ns);

#endif
