/* Listening sockets that this process accepts from, for a look at their queues.
 *
 * A small table of fixed size by SO_COOKIE; with more listeners than places the later ones push out
 * others, which come back with their next connection. Any thread or signal handler. */
#ifndef SHAKEOUT_CORE_LISTENERS_H
#define SHAKEOUT_CORE_LISTENERS_H

#include <stdint.h>

#include "core/process.h"

/* accept() has returned, or tried to return, a connection of this listener, on this local port. */
void listeners_accepted(int fd, uint32_t cookie, uint16_t port);

/* The reaper: how many clients wait in queues that have not moved for `moment` looks in a row:
 * somebody waits at each look, the server waits for other clients (waits.h), and nothing was
 * accepted in between, here or by another process. *waiting is set to how many wait anywhere. */
uint32_t listeners_stuck(const struct process *process, uint32_t moment, uint32_t *waiting);

#endif
