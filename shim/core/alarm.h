/* When the reaper is woken.
 *
 * One time is armed at any moment, the earliest that anybody asked for (process->armed_ns). Any
 * thread or signal handler may move it; no lock. The rule that keeps it right: whoever changes
 * armed_ns sets the timer to what armed_ns says and looks again, until both agree. */
#ifndef SHAKEOUT_CORE_ALARM_H
#define SHAKEOUT_CORE_ALARM_H

#include <stdbool.h>
#include <stdint.h>

#include "core/process.h"

/* Wakes the reaper at this time, if it would not wake before. A time that has passed: at once.
 * False: the timer is not there. */
bool alarm_by(struct process *process, uint64_t when_ns);

/* No wake-up, until the next alarm_by(). */
bool alarm_off(struct process *process);

/* Sets the timer to what is armed already: after it was made. */
bool alarm_settle(struct process *process);

#endif
