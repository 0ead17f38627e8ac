/* The second witness at work: the bytes that the program reads from its connections and writes to
 * them.
 *
 * Any thread or signal handler, no lock, no malloc() (but see reaper_by()). errno is not kept: the
 * hooks do that. */
#ifndef SHAKEOUT_CORE_STREAM_H
#define SHAKEOUT_CORE_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "core/conn.h"
#include "core/fdmap.h"
#include "core/session.h"

/* A read of fd begins; ends with these bytes. begin returns the handle to give to the end: 0 means
 * that there is nothing to tell. It need not be called for a read that does not matter, and nearly
 * no read of a program does. */
conn_handle stream_read_begin(int fd, bool may_wait); /* false: MSG_DONTWAIT */
void stream_read_end(int fd, conn_handle handle, const void *bytes, size_t length);

static inline bool stream_read_matters(int fd)
{
    return fdmap_entry(fd) != 0 || session_inside != NULL;
}

/* The program waits for this descriptor alone. In a child that was forked to serve it, that may be
 * the first that is heard of it. Returns the client's handle while its handshake is unfinished,
 * else 0. Cheap; any thread. errno is not kept. */
conn_handle stream_waited(int fd);

/* The server has sent these bytes on an unfinished connection. */
void stream_written(conn_handle handle, const void *bytes, size_t length);

/* What was seen of this connection: at least what records_bytes() counts, even if another thread
 * reads at this moment. */
struct wire {
    struct hello hello;
    struct records records;
};
void stream_wire(const struct conn *conn, struct wire *wire);

/* Nothing was: at the beginning of a record's life. */
void stream_reset(struct conn *conn);

#endif
