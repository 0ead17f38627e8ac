/* The log over a datagram socket: to syslog, or to systemd's journal.
 *
 * libc's syslog(3) is not used: it takes a lock, may block, and shares its socket with the program.
 * The socket is made when the process becomes a server, connected again when the other end was
 * started anew, and never blocks. Any thread or signal handler; errno is not kept. */
#ifndef SHAKEOUT_BASE_LOG_SOCKET_H
#define SHAKEOUT_BASE_LOG_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "base/log.h"
#include "base/text.h"

/* Where syslog and the journal listen. */
#define LOG_SYSLOG_PATH  "/dev/log"
#define LOG_JOURNAL_PATH "/run/systemd/journal/socket"

/* Makes the socket, connected if somebody listens there now, and keeps it, see kept.h. */
void log_socket_open(const char *path);

/* One datagram. keep: the process is a server, the socket stays open afterwards. */
void log_socket_send(const char *path, struct iovec *parts, size_t count, bool keep);

/* RFC 5424, section 6.2.1: notice, warning and so on, for a line about this. */
unsigned int log_priority(enum log_message message);

void log_syslog_write(const struct log_entry *entry, bool keep);
void log_journal_write(const struct log_entry *entry, bool keep);

/* What log_syslog_write() sends: "<PRIORITY>shakeout[PID]: TEXT". No time: the format has none but
 * local time, which takes libc a lock; every syslog daemon puts its own in. */
void log_syslog_format(const struct log_entry *entry, struct text *out);

/* What log_journal_write() sends after "MESSAGE=TEXT\n": all the other fields, a line each.
 * Source: systemd's "Native Journal Protocol". */
void log_journal_format(const struct log_entry *entry, struct text *out);

#endif
