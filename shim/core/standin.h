/* The deadline where no thread can be had (RLIMIT_NPROC 0, seccomp: vsftpd's sessions).
 *
 * A handshake that blocks in a read can be bounded from inside: the thread that is about to read
 * waits for the client itself, until the deadline, and then does what the reaper would have done. A
 * handshake that does not block is judged at each of its steps. */
#ifndef SHAKEOUT_CORE_STANDIN_H
#define SHAKEOUT_CORE_STANDIN_H

#include <stdbool.h>

#include "core/conn.h"
#include "core/process.h"

/* Before a nested read of fd, this connection's socket. Returns when there is something to read,
 * when the connection was shut, when the read itself would give up before its deadline
 * (SO_RCVTIMEO, an alarm), or when this is none of our business. may_wait: the read may block,
 * as far as its flags say. */
void standin_wait(struct process *process, conn_handle handle, int fd, bool may_wait);

/* An event loop is about to wait. When it should look up from that at the latest; CLOCK_NEVER: it
 * may wait as it likes, there is a reaper, or nothing pending. Cheap. */
uint64_t standin_due_ns(void);

/* That time has come. */
void standin_work(void);

#endif
