/* TLS sessions of the server side, and how they are tied to connections.
 *
 * A TLS library's hook keeps one `struct session` for each of its session objects and tells its
 * story: begun, nested reads, the ClientHello's random, finished, gone. What the library is core
 * does not know. Any thread, one at a time for each session (as TLS libraries demand of their
 * callers); no signal handler.
 *
 * The pigeonhole (verdict.h, owns_waiting). Sessions that have begun and are tied to no socket yet
 * "wait" (process->waiting_sessions). A connection that left while sessions waited may have left
 * its own behind, freed late by a garbage collector: such orphans are subtracted, until a session
 * that waits is freed or nothing waits. In a process with sessions that belong to none of its
 * connections (EAP-TLS, QUIC, TLS inside TLS) nothing follows from their number. It shows when the
 * ClientHello of one comes that no connection has brought, and the pigeonhole is closed from then
 * on. */
#ifndef SHAKEOUT_CORE_SESSION_H
#define SHAKEOUT_CORE_SESSION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/conn.h"
#include "core/process.h"

enum session_state { SESSION_NEW, SESSION_BEGUN, SESSION_FINISHED };

struct session {
    _Atomic conn_handle conn; /* 0: not tied */
    _Atomic uint16_t waits;   /* epoch of the process in which it counts as waiting */
    _Atomic uint32_t state;   /* enum session_state */
    _Atomic bool searched;    /* its random was looked for */
};

/* What the TLS library knows of the transport: a descriptor, or one of these. */
enum { SESSION_MEMORY = -1, SESSION_ELSEWHERE = -2 };

/* The handshake starts. Nothing for a session that has finished before and was not ended since:
 * that is a renegotiation. */
void session_begin(struct session *session, int fd);

/* Has its handshake not begun yet? Saves asking for the transport at each step. */
bool session_is_new(const struct session *session);

/* Is there any use in asking the TLS library for the random? */
bool session_wants_random(const struct session *session);
void session_hello(struct session *session, const uint8_t random[32]);

/* A step of the handshake is over, whichever call has driven it. What the server had read before,
 * where TLS works on memory, was the server's to work on until now. */
void session_stepped(struct session *session);

void session_finish(struct session *session);

/* Freed, or cleared to be used again. */
void session_end(struct session *session);

/* Nesting: from enter to leave, the first read or write of an accepted socket on this thread is
 * this session's. Enter returns what leave takes. */
struct session *session_enter(struct session *session);
/* Only a step of the same session is gone back to (SSL_accept calls SSL_do_handshake): where
 * coroutines change in the middle of a step, another one may have been freed by now. */
void session_leave(struct session *session, const struct session *before);

/* For the socket hooks: fd is about to be read or written. */
extern _Thread_local struct session *session_inside __attribute__((tls_model("initial-exec")));
void session_nested(int fd);

/* Is this thread inside a step of this connection's session? */
bool session_is_inside(conn_handle handle);

/* Whether every unbound connection must own one of the waiting sessions. */
bool session_pigeonhole(struct process *process);

#endif
