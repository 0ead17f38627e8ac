/* The log: one line at a time, to where SHAKEOUT_LOG says.
 *
 * A line is never worth hurting the host program for: nothing blocks (what cannot be written at
 * once is lost), no SIGPIPE escapes, errno is kept, and standard error is written to only while it
 * is still the file it was at start and no network socket (under inetd it is the client). Any
 * thread; not from a vfork child. No locks: a line is one write. */
#ifndef SHAKEOUT_BASE_LOG_H
#define SHAKEOUT_BASE_LOG_H

#include "base/settings.h"

/* Remembers the settings (which must live for ever) and what standard error is. Once, from the
 * constructor. */
void log_start(const struct settings *settings);

/* "shakeout[PID]: TEXT" */
void log_line(const char *text);

/* "shakeout[PID]: not protected: WHY (errno N)"; without the parenthesis when error is 0. */
void log_unprotected(const char *why, int error);

#endif
