/* Who goes first when the server is full: unfinished handshakes, the worst first.
 *
 * Worst is, in this order: who keeps a thread of the server waiting (in a pool of threads nobody
 * else's end makes room); the source with the most unfinished handshakes (its recent record counts
 * with them: shut ones against it, finished ones for it); the least progress; the greatest age;
 * chance. Those of a source that have brought a whole ClientHello and those that have not are
 * weighed as if they were two sources, and the former do not pay for silent ones that were shut:
 * good clients and a flood may share an address. Never one whose bytes the server has not looked
 * at. Of up to 256 candidates all are compared; of more, 256 drawn by lot, so that the cost does
 * not grow with a flood and nobody can aim at another. The reaper only. */
#ifndef SHAKEOUT_CORE_EVICT_H
#define SHAKEOUT_CORE_EVICT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/deadlines.h"
#include "core/process.h"

/* Whom: those that are older than SHAKEOUT_GRACE and offenders; of these, whom a thread waits for;
 * or offenders alone. */
enum evict_mode { EVICT_OLD, EVICT_WAITED_FOR, EVICT_OFFENDERS };

/* Shuts up to `needed` of those in the queue. Returns how many. */
uint32_t evict(struct process *process, struct deadlines *queue, uint32_t needed,
               enum evict_mode mode);

/* The source's handshakes were shut again and again lately, and none was finished: under pressure a
 * client of this kind gets no grace. */
bool evict_is_offender(uint32_t source, bool with_hello);

#endif
