/* One connection is looked at, judged, and shut if the verdict says so. */
#ifndef SHAKEOUT_CORE_EXAMINE_H
#define SHAKEOUT_CORE_EXAMINE_H

#include "core/conn.h"
#include "core/process.h"
#include "core/verdict.h"

enum examined {
    EXAMINED_DONE,   /* shut, or gone */
    EXAMINED_PARKED, /* nothing allows to shut it; other events may */
    EXAMINED_AGAIN   /* look again at *again_ns */
};

/* fd is this connection's socket, and nobody closes it meanwhile. */
enum examined examine_at(struct process *process, conn_handle handle, int fd, uint64_t *again_ns);

/* The reaper. Finds the socket, and looks at a duplicate of it. */
enum examined examine(struct process *process, conn_handle handle, uint64_t *again_ns);

/* The reaper, under pressure: shuts it before its deadline, if it would be shut at it, and if the
 * server's last answer is older than the grace. Returns whether it was. */
bool examine_early(struct process *process, conn_handle handle, uint64_t grace_ns);

/* Whether anything says that an unfinished connection in this state speaks TLS. */
bool examine_speaks_tls(const struct conn *conn, enum conn_state state);

/* Whether this connection is unfinished, and speaks TLS. */
bool examine_is_pending(conn_handle handle);

/* The reaper: whether such a client has sent something that the server has left lying for a while,
 * and nobody is at work on what it sent before. */
bool examine_waits_for_server(struct process *process, conn_handle handle);

#endif
