/* One round of the reaper's work: what has come in, what is due, when to look next.
 *
 * One thread at a time: the reaper, or where there is none who stands in for it (standin.h). */
#ifndef SHAKEOUT_CORE_ROUND_H
#define SHAKEOUT_CORE_ROUND_H

#include <stdbool.h>

#include "core/process.h"

/* Judges what is due, looks for pressure, writes what the log holds back, and arms the alarm for
 * the next round. False: another thread is at it, and nothing was done. */
bool round_work(struct process *process);

#endif
