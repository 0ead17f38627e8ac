/* What the program's threads are waiting for, or whom they work for, as the hooks of its reads and
 * of its event loops see.
 *
 * A queue that stands still says that the server takes nobody; this says why. If it waits for its
 * clients meanwhile, it has no room. If it computes, sleeps or asks a database, it will take them
 * as soon as it comes back, and nobody's end would help. */
#ifndef SHAKEOUT_CORE_WAITS_H
#define SHAKEOUT_CORE_WAITS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/conn.h"
#include "core/process.h"

/* What a thread waits for: one client, by its handle, or one of these. Zero: it has never waited
 * where we see it. */
#define WAITS_NEVER      UINT64_C(0)
#define WAITS_NOT        (UINT64_MAX - 1)    /* these are no handles, see fdmap.h */
#define WAITS_FOR_EVENTS (UINT64_MAX - 2)    /* of many descriptors, in an event loop */
#define WAITS_WORKS      (UINT64_C(1) << 31) /* with a handle, which is none then: works for it */

/* The calling thread begins to wait, and no longer does. A thread that is cancelled meanwhile, or
 * leaves by longjmp(), waits on until its client has gone. Any thread or signal handler; errno is
 * kept. Cheap. */
void waits_begin(uint64_t what);
void waits_end(void);

/* The calling thread's place in process->waits. Threads beyond WAITS_PLACES share theirs. */
uint16_t waits_place(void);

/* The reaper: the client that the thread at this place waits for, if it has not finished its
 * handshake; else 0. */
conn_handle waits_client(const struct process *process, uint16_t place);

/* The reaper: does some thread wait for a client that has not finished its handshake? For this
 * client? */
bool waits_for_client(const struct process *process);
bool waits_for(const struct process *process, conn_handle client);

/* How often a thread has left one client, and taken up another that had been accepted by then: one
 * that has waited for it. Threads that serve whomever they accept, or one client each, never do. */
uint32_t waits_handed_over(void);

/* The calling thread has read what this client has sent, in a step of its handshake, and does not
 * wait; the step is over, or the thread writes. What it does between is the server's time. If it
 * begins to wait, that is over, too. Any thread or signal handler; errno is kept. Cheap. */
void waits_work_begin(conn_handle client);
void waits_work_end(void);

/* The reaper: does some thread work for this client? */
bool waits_works_for(const struct process *process, conn_handle client);

/* A server takes no new clients: because it waits for those that it has? */
enum waits_room {
    WAITS_ELSEWHERE,   /* no: it computes, sleeps, asks a database */
    WAITS_PERHAPS,     /* other threads than the one that accepts do: it may have no more of them */
    WAITS_FOR_CLIENTS, /* yes: the thread that accepts does */
};

/* The reaper: which of these is it, if the thread at this place accepts? */
enum waits_room waits_for_room(const struct process *process, uint16_t acceptor);

#endif
