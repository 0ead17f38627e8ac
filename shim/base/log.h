/* The log: one line at a time, to where SHAKEOUT_LOG says.
 *
 * A line is never worth hurting the host program for: nothing blocks (what cannot be written at
 * once is lost), no signal escapes, errno is kept, and standard error is written to only while it
 * is still the file it was at start and no network socket (under inetd it is the client). Any
 * thread or signal handler; not from a vfork child. No locks: a line is one write. */
#ifndef SHAKEOUT_BASE_LOG_H
#define SHAKEOUT_BASE_LOG_H

#include <stdint.h>

#include "base/settings.h"

struct sockaddr;

/* What a line is about. Each has a priority, and in the journal a MESSAGE_ID. */
enum log_message {
    LOG_SETTING,     /* a bad setting */
    LOG_PROTECTS,    /* the first connection to protect: version, deadline, ports */
    LOG_SHUT,        /* a connection was shut at its deadline */
    LOG_EVICTED,     /* ... before it, under pressure */
    LOG_SHUT_MORE,   /* ... and so many more, in a flood */
    LOG_UNPROTECTED, /* what stands in the way of the protection */
    LOG_MESSAGES
};

/* The line, and the facts in it: the journal keeps them apart, in fields of their own. */
struct log_entry {
    enum log_message message;
    const char *text;              /* printable ASCII, no newline */
    const char *reason;            /* SHAKEOUT_REASON; NULL: no such field */
    const struct sockaddr *client; /* SHAKEOUT_CLIENT; NULL: no such field */
    uint64_t elapsed_ns;           /* SHAKEOUT_SECONDS; with a client only */
    uint64_t received;             /* SHAKEOUT_BYTES, what the client sent; with a client only */
    uint64_t count;                /* SHAKEOUT_COUNT; 0: no such field, and so for the rest */
    uint64_t deadline_ns;          /* SHAKEOUT_DEADLINE */
    uint16_t port;                 /* SHAKEOUT_PORT */
    int error;                     /* ERRNO */
};

/* Remembers the settings (which must live for ever) and what standard error is. Once, from the
 * constructor. */
void log_start(const struct settings *settings);

/* The process becomes a server: opens the file or the socket now, while it can be reached, and
 * keeps it (see kept.h). Does nothing the second time. */
void log_open(void);

void log_write(const struct log_entry *entry);

/* "not protected: WHY (errno N)"; without the parenthesis when error is 0. */
void log_unprotected(const char *why, int error);

#endif
