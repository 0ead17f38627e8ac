/* What the program does with its descriptors: the story that the socket hooks tell.
 *
 * Any thread or signal handler, no lock, no malloc() (but see reaper_by()). In a vfork child, which
 * shares its parent's memory, nothing is changed. errno is not kept: the hooks do that. */
#ifndef SHAKEOUT_CORE_TRACK_H
#define SHAKEOUT_CORE_TRACK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "core/conn.h"
#include "core/fdmap.h"
#include "core/session.h"

void track_listening(int fd);
/* At the start of the program: connections on the ports of SHAKEOUT_PORTS that it was given by
 * another (inetd, a server that executes its workers) and that have not been answered yet. */
void track_inherited(void);

void track_accepted(int listener, int fd);
void track_refused(int error); /* accept() failed */
void track_connecting(int fd);
void track_closing(int fd); /* before the descriptor is closed, or replaced by dup2() */
void track_closing_range(unsigned int first, unsigned int last);
void track_copied(int from, int to);

/* A read of fd begins; ends with these bytes. begin returns the handle to give to the end: 0 means
 * that there is nothing to tell. It need not be called for a read that does not matter. */
conn_handle track_read_begin(int fd);
void track_read_end(int fd, conn_handle handle, const void *bytes, size_t length);

static inline bool track_read_matters(int fd)
{
    return fdmap_entry(fd) != 0 || session_inside != NULL;
}

/* A connection that is tied to this descriptor for sure (the cookie is compared); one that this
 * process did not accept is taken in now. 0: no TCP connection, or an outgoing one. */
conn_handle track_connection_of(int fd);

/* The connection, among those that were read from last, whose ClientHello has this random. */
conn_handle track_find_hello(const uint8_t random[32]);

/* The server has sent these bytes on an unfinished connection. */
void track_written(conn_handle handle, const void *bytes, size_t length);

/* What the wire has seen of this connection. */
struct wire {
    struct hello hello;
    struct records records;
};
void track_wire(const struct conn *conn, struct wire *wire);

/* Keeps a connection's record from being used again, whatever the program closes meanwhile: hold
 * (false: it has ended), then release. */
bool track_hold(conn_handle handle);
void track_release(struct process *process, conn_handle handle);

/* A connection that was inherited is now this process's own to watch. */
void track_touch(struct process *process, conn_handle handle);

/* Tells core that the last descriptor of a connection is gone without a close that we saw. */
void track_lost(struct process *process, conn_handle handle, int fd);

#endif
