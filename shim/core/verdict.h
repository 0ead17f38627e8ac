/* The judgement: one pure function from what the three witnesses say to what is done.
 *
 * Everything that decides whether a connection may be shut is in this file; who of those that may
 * goes before the deadline, under pressure, is in evict.h. The log and the counters use the same
 * reasons. */
#ifndef SHAKEOUT_CORE_VERDICT_H
#define SHAKEOUT_CORE_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/kernel.h"
#include "wire/hello.h"
#include "wire/records.h"

struct facts {
    uint64_t now_ns;
    uint64_t deadline_ns;
    bool hands_off;          /* the operator said `!port`, or it is no TCP socket */
    bool session_unfinished; /* the TLS library: a server-side session is bound and not finished */
    bool tls_port;           /* it was accepted on a port that speaks TLS from the first byte */
    bool owns_waiting;       /* the pigeonhole: it must own one of the sessions that wait */
    uint64_t waiting_due_ns; /* ... and the last of them to begin is due by then */
    bool worked_on;          /* ... a thread is in a step of it, with what the client has sent */
    bool had_session;        /* ... a session of it was seen before: the TLS library knows more */
    enum hello_stage hello;  /* the wire: its ClientHello */
    enum records_progress records; /* ... how far its records say the handshake is */
    uint64_t records_bytes;        /* ... having seen so many bytes */
    struct kernel_facts kernel;
};

enum verdict {
    VERDICT_NOT_DUE,
    VERDICT_SERVER_LATE,      /* the server has the client's bytes and has not answered yet */
    VERDICT_SHUT_SILENT,      /* shut: the client sent nothing */
    VERDICT_SHUT_PARTIAL,     /* shut: it sent a part of a ClientHello, or no ClientHello */
    VERDICT_SHUT_HALFWAY,     /* shut: it sent its ClientHello and did not go on */
    VERDICT_ABSTAIN_PORT,     /* the operator wants it left alone */
    VERDICT_ABSTAIN_PLAIN,    /* nothing says that it speaks TLS */
    VERDICT_ABSTAIN_ANSWERED, /* a TLS port, but the server has sent something, and neither a
                                 session nor the wire says that the handshake is unfinished */
    VERDICT_ABSTAIN_BLIND,    /* this kernel does not say whether the server has sent anything */
    VERDICTS
};

enum verdict verdict_of(const struct facts *facts);

static inline bool verdict_shuts(enum verdict verdict)
{
    return verdict >= VERDICT_SHUT_SILENT && verdict <= VERDICT_SHUT_HALFWAY;
}

/* Whether it is VERDICT_ABSTAIN_ANSWERED for this moment, perhaps: the wire says that the handshake
 * is unfinished, and only the counts of the client's bytes differ. They are not taken all at once,
 * so a byte that comes meanwhile is enough; if someone else has read some, they differ for ever. */
bool verdict_may_pass(const struct facts *facts);

/* One or two words for the log: "silent", "partial hello", "halfway", "server late" … */
const char *verdict_reason(enum verdict verdict);

#endif
