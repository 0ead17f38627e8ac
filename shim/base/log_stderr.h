/* The log on standard error: only while it is the file that it was at start, and no network socket.
 * Any thread or signal handler; errno is not kept. */
#ifndef SHAKEOUT_BASE_LOG_STDERR_H
#define SHAKEOUT_BASE_LOG_STDERR_H

#include "base/text.h"

/* Remembers what standard error is. Once, from the constructor. */
void log_stderr_start(void);

void log_stderr_write(const struct text *line);

#endif
