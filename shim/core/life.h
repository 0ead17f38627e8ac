/* The beginning and the end of a connection's record: what is filled in, what is counted, and who
 * has to know. Any thread or signal handler; not in a vfork child. */
#ifndef SHAKEOUT_CORE_LIFE_H
#define SHAKEOUT_CORE_LIFE_H

#include <stdint.h>

#include "core/conn.h"
#include "core/process.h"

/* A fresh record in state OPEN for the socket at fd, in the table of descriptors; its clock starts
 * now. listener: see ports.h; port 0: no TCP socket. 0: no socket, or no memory. */
conn_handle life_begin(struct process *process, int fd, uint32_t listener, uint16_t port);

/* How many TCP connections there are now. */
uint32_t life_count(void);

/* One reference less: a descriptor was closed, or conn_hold() is over. The last one ends the life.
 */
void life_release(struct process *process, conn_handle handle);

/* A connection that no session was ever tied to does not count any more (it has ended, or was
 * shut): the session that it may own stays behind and waits, for a garbage collector perhaps. */
void life_orphan(struct process *process, const struct conn *conn);

/* This descriptor is not the connection's any more. */
void life_lost(struct process *process, conn_handle handle, int fd);

#endif
