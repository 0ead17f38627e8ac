/* Pressure: somebody waits whom the server cannot take.
 *
 * It shows in the accept queue of a listener that does not move (one blocking thread, a full pool
 * of workers, a reached limit of connections: all look the same there), in descriptors that run
 * out, in a server that closes what it has just accepted, in clients whose bytes it leaves unread
 * beside handshakes that stall, and in SHAKEOUT_MAX_PENDING. Then, and only then, unfinished
 * handshakes are shut before their deadline (evict.h). The queues are looked at while handshakes
 * are pending for longer than SHAKEOUT_GRACE: a hundred times a second while somebody waits, else
 * ten times, and ever more seldom, down to once. SHAKEOUT_PRESSURE=off: nothing of this. */
#ifndef SHAKEOUT_CORE_PRESSURE_H
#define SHAKEOUT_CORE_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/conn.h"
#include "core/deadlines.h"
#include "core/kernel.h"
#include "core/process.h"

/* At the door, for the accept hooks: a client that has just been accepted while pressure lasts, on
 * a port that speaks TLS, and whose source is an offender, or who has had its grace in the queue.
 * It is shut here, and the hook closes it and takes the next, so that the program never sees it: a
 * queue of offenders costs no descriptor, and no time of a server that serves one client after
 * another.
 *
 * A call of accept() turns away whom it found waiting, and one more: offenders that come back as
 * fast as they are turned away would else keep a program's loop in accept() until it has no place
 * left. Where the listener does not block, the call has found nobody then (EAGAIN), which is as
 * good as true: whoever waits now has come since, and epoll tells even a program that asked for
 * edges (epoll(7), EPOLLET). One that blocks is given the next, whoever it is. */
struct pressure_door { /* of one call; all zero at its beginning */
    uint32_t waiting;
    uint32_t turned_away;
};
enum pressure_answer { PRESSURE_LET_IN, PRESSURE_TAKE_NEXT, PRESSURE_NOBODY };
enum pressure_answer pressure_at_the_door(struct pressure_door *door, int listener, int fd);

/* The hooks. Any thread or signal handler; each may wake the reaper. */
void pressure_accepted(struct process *process, conn_handle handle, int fd);
void pressure_read(struct process *process, conn_handle handle);
/* The server has read a client's first words, its whole ClientHello, or more after it (a drip of
 * bytes does not count). */
void pressure_got_on(void);
void pressure_no_descriptor(struct process *process);
void pressure_turned_away(struct process *process);
void pressure_let_down(struct process *process, uint32_t source, const struct kernel_facts *facts);

/* When the reaper should look at a connection that is watched from now on, apart from its deadline.
 */
uint64_t pressure_first_look_ns(uint64_t started_ns);

/* The reaper: looks, and evicts if need be. Returns when to be called again; CLOCK_NEVER: not
 * before something new is watched. */
uint64_t pressure_round(struct process *process, struct deadlines *queue);

#endif
