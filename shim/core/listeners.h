/* Listening sockets that this process accepts from, for a look at their queues.
 *
 * A small table of fixed size by SO_COOKIE; with more listeners than places the later ones push out
 * others, which come back with their next connection. Any thread or signal handler. */
#ifndef SHAKEOUT_CORE_LISTENERS_H
#define SHAKEOUT_CORE_LISTENERS_H

#include <stdint.h>

#include "core/process.h"

/* accept() has returned, or tried to return, a connection of this listener. */
void listeners_accepted(int fd, uint32_t cookie);

/* The reaper, before each listeners_stuck(): a client of this listener has not finished its
 * handshake. */
void listeners_pending(uint32_t cookie);

/* The reaper: how many clients wait in queues that have not moved for `moment` looks in a row: at
 * each of them somebody waited, others were in their handshakes, the server waited for them
 * (waits.h), and nobody was accepted, here or by another process. *waiting is set to how many wait
 * in queues that others' handshakes may be in the way of. */
uint32_t listeners_stuck(const struct process *process, uint32_t moment, uint32_t *waiting);

#endif
