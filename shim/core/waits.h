/* What the program's threads are waiting for, as the hooks of its reads and of its event loops see.
 *
 * A queue that stands still says that the server takes nobody; this says why. If it waits for its
 * clients meanwhile, it has no room. If it computes, sleeps or asks a database, it will take them
 * as soon as it comes back, and nobody's end would help. */
#ifndef SHAKEOUT_CORE_WAITS_H
#define SHAKEOUT_CORE_WAITS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/process.h"

/* Zero: this thread has never waited where we see it. */
enum waits { WAITS_NEVER, WAITS_NOT, WAITS_FOR_EVENTS, WAITS_FOR_CLIENT };

/* The calling thread begins to wait, in an event loop or for one client that has not finished its
 * handshake; and no longer does. Any thread or signal handler; errno is kept. Cheap. */
void waits_begin(enum waits what);
void waits_end(void);

/* The calling thread's place in process->waits. Threads beyond WAITS_PLACES share theirs. */
uint16_t waits_place(void);

/* The reaper: does some thread wait for one client? */
bool waits_for_client(const struct process *process);

/* The reaper: is the server waiting for clients that it has, while it takes no new ones? The thread
 * that accepts knows, at this place; where it hands its clients over, and never waits for them
 * itself, the others do. */
bool waits_for_room(const struct process *process, uint16_t acceptor);

#endif
