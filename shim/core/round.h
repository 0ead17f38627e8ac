/* One round of the reaper's work: what has come in, what is due, when to look next.
 *
 * One thread at a time: the reaper, or where there is none who stands in for it (standin.h). */
#ifndef SHAKEOUT_CORE_ROUND_H
#define SHAKEOUT_CORE_ROUND_H

#include "core/process.h"

/* A new thread: forgets the queue that a parent may have left, and looks for its own in the table.
 */
void round_first(struct process *process);

/* Before and after round_first() and round_work(). False: another thread is at it. */
bool round_enter(struct process *process);
void round_leave(struct process *process);

/* Judges what is due, looks for pressure, writes what the log holds back, and arms the alarm for
 * the next round. */
void round_work(struct process *process);

#endif
