/* What the program does with its descriptors: the story that the socket hooks tell.
 *
 * Any thread or signal handler, no lock, no malloc() (but see reaper_by()). In a vfork child, which
 * shares its parent's memory, nothing is changed. errno is not kept: the hooks do that. */
#ifndef SHAKEOUT_CORE_TRACK_H
#define SHAKEOUT_CORE_TRACK_H

#include "core/conn.h"
#include "core/process.h"

void track_listening(int fd);

/* At the start of the program: connections on the ports of SHAKEOUT_PORTS that it was given by
 * another (inetd, a server that executes its workers) and that have not been answered yet. */
void track_inherited(void);

void track_accepted(int listener, int fd);
void track_received(int fd);   /* another process has sent it, SCM_RIGHTS in unix(7) */
void track_refused(int error); /* accept() failed */
void track_connecting(int fd);
void track_closing(int fd); /* before the descriptor is closed, or replaced by dup2() */
void track_closing_range(unsigned int first, unsigned int last);
void track_copied(int from, int to);

/* Any system call of ours may be the end of the program from now on, in this process and its
 * children: all that is tracked is forgotten, and nothing else ever will be. In a vfork child
 * nothing is changed. False: nothing is, it is one. */
bool track_let_go(void);

/* Another process may have what is open here: fork(), SCM_RIGHTS. */
void track_handed_on(void);

/* A connection that is tied to this descriptor for sure (the cookie is compared); one that this
 * process did not accept is taken in now. 0: no TCP connection, or an outgoing one. */
conn_handle track_connection_of(int fd);

/* A connection that was inherited is now this process's own to watch. */
void track_touch(struct process *process, conn_handle handle);

#endif
