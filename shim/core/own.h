/* The descriptors of the library itself: a timer, and a place to hold a socket while it is looked
 * at.
 *
 * The program must not trip over them. They lie high, close on exec, and are hidden from the
 * program's close loops by the hooks of close() and its kind. A program may still close them with a
 * raw system call and then get their numbers for files of its own, so they are never used without a
 * look: both are one timerfd, and it carries a name tag, an interval of some decades that nobody
 * else would choose (timerfd_gettime(2) tells it).
 *
 * The second one, the probe, is an ordinary duplicate of the timer until a socket has to be looked
 * at; then dup3() puts a duplicate of the socket there. What is asked of the probe and done to it
 * concerns one and the same socket, whatever the program does to its own descriptor meanwhile, and
 * it needs no free descriptor: they are all used up in the very attack that we are for. */
#ifndef SHAKEOUT_CORE_OWN_H
#define SHAKEOUT_CORE_OWN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/conn.h"

/* Makes the descriptors, or makes new ones where they are gone. A child of fork() calls this before
 * anything else: the timer that it inherited is its parent's. False: errno says why. */
bool own_open(void);

/* The timer's descriptor, only to poll() it: reading could block, or steal somebody else's bytes.
 */
int own_timer(void);

/* Lets the timer become readable at a time (0: never) and takes its readiness back.
 * False: the timer is gone. Any thread or signal handler. */
bool own_timer_set(uint64_t when_ns);

/* The reaper only. A duplicate of fd, if that is this connection's, valid until own_probe_end();
 * -1: fd is closed (EBADF) or the probe is gone (ENOENT). */
int own_probe(conn_handle handle, int fd);
void own_probe_end(void);

/* The program is about to close fd, and the table no longer knows it: from the return on there is
 * no duplicate of it. Else a server that frees a connection when it has closed its descriptor, as
 * it may, would get more events for it: epoll(7) reports them until the last duplicate is closed.
 * Waits for a second at most. Any thread or signal handler. */
void own_let_go(int fd);

/* For the hooks: is this descriptor ours, or the log's (base/kept.h)? Any thread or signal handler.
 */
bool own_is(int fd);

/* The lowest of our descriptors that is in [first, last]; -1: none. */
int own_next(unsigned int first, unsigned int last);

/* The program wants exactly this number for itself: ours move. */
void own_vacate(int fd);

#endif
