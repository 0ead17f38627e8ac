/* Listening sockets that this process accepts from, for a look at their queues.
 *
 * A small table of fixed size by SO_COOKIE; with more listeners than places the later ones push out
 * others, which come back with their next connection. Any thread or signal handler. */
#ifndef SHAKEOUT_CORE_LISTENERS_H
#define SHAKEOUT_CORE_LISTENERS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/process.h"

/* This program has called listen(): it was not given the listener over an exec(). */
void listeners_opened(uint32_t cookie);

/* accept() has returned, or tried to return, a connection of this listener. */
void listeners_accepted(int fd, uint32_t cookie);

/* The reaper, before each listeners_look(): a client of this listener has not finished its
 * handshake. */
void listeners_pending(uint32_t cookie);

/* So many looks in a row are a moment, at a listener that this program has opened, and at one that
 * it has inherited. A server that hands its listener to other programs starts another one of them
 * when somebody waits (Postfix, Dovecot), and that takes time. */
struct listeners_moments {
    uint32_t opened;
    uint32_t inherited;
};

/* How many clients wait in which queues. A queue is stuck that has not moved for a moment: at each
 * of the reaper's looks somebody waited, others were in their handshakes, and nobody was accepted,
 * here or by another process. */
struct listeners_look {
    uint32_t waiting; /* that others' handshakes may be in the way of */
    uint32_t stuck;   /* that are stuck, and the server waits for its clients (waits.h) */
    uint32_t perhaps; /* that are stuck, and perhaps it does */
    bool moved;       /* Has one moved that was stuck? One may be stuck no longer and have moved
                       * nowhere: the server has closed who was in its way, and does something else
                       * now. */
};

/* The reaper. */
struct listeners_look listeners_look(const struct process *process,
                                     const struct listeners_moments *moments);

#endif
