/* The way from the hooks to the reaper: connections whose deadline it should know.
 *
 * A lock-free stack of record numbers. Any thread or signal handler pushes, the reaper alone takes
 * all at once; so a connection that begins and ends between two wake-ups of the reaper costs
 * nothing but the push. A record lies in it at most once, however often it is pushed and whatever
 * lives it goes through: the reaper looks at what the record says when it comes to it. */
#ifndef SHAKEOUT_CORE_PENDING_H
#define SHAKEOUT_CORE_PENDING_H

#include "core/conn.h"
#include "core/process.h"

void pending_push(struct process *process, conn_handle handle);

/* The earliest deadline that may lie in the inbox; CLOCK_NEVER: none. Never too late, perhaps too
 * early (that connection has ended since). */
uint64_t pending_first_ns(struct process *process);

/* The reaper: takes all out and calls `each` for every number. */
void pending_take(struct process *process, void (*each)(uint32_t number));

#endif
