/* The thread that shuts what is overdue.
 *
 * It is started when the first connection is to be watched, never earlier, and sleeps on the timer
 * until a deadline: with nothing pending there is no wake-up. Blocks all signals. A child of fork()
 * starts its own when it needs one. Where no thread can be had the program's own waits stand in
 * (standin.h), and the log says so once. */
#ifndef SHAKEOUT_CORE_REAPER_H
#define SHAKEOUT_CORE_REAPER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/conn.h"
#include "core/process.h"

/* Something is due at this time: starts the thread if need be and arms the timer. Any thread; the
 * first call in a process starts a thread, which is nothing for a signal handler. */
void reaper_by(struct process *process, uint64_t when_ns);

/* The thread is to leave the descriptors that it sleeps on: the program takes the timer's number
 * for itself, or leaves this table of descriptors (CLOSE_RANGE_UNSHARE). Another thread starts as
 * soon as there is something to watch; reaper_resume() says that it may. */
void reaper_dismiss(struct process *process);
void reaper_resume(struct process *process);

/* This connection may have to be shut: it counts as watched until reaper_unwatch(). */
void reaper_watch(struct process *process, conn_handle handle);

/* It has finished or ended. When nothing else is watched the timer is disarmed. */
void reaper_unwatch(struct process *process, struct conn *conn);

/* An unbound connection has gone: the pigeonhole may speak now of others, that could not be judged
 * when they were due. */
void reaper_reconsider(struct process *process);

/* A session has begun to wait: the same, and connections that nothing was known of are now watched
 * for. A listener was learned: so are its own. */
void reaper_waiting(struct process *process);
void reaper_learned(struct process *process);

#endif
