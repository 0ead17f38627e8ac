/* The log in a file: appended to, made with mode 0640, never through a symbolic link.
 *
 * Before every line the path is looked at, and when another file is there (or none: logrotate has
 * moved it) that one is opened. Where this fails (in a chroot, or without the right to) the lines
 * go on into the file that is open. Any thread or signal handler; errno is not kept. */
#ifndef SHAKEOUT_BASE_LOG_FILE_H
#define SHAKEOUT_BASE_LOG_FILE_H

#include <stdbool.h>

#include "base/text.h"

/* Opens the file and keeps it, see kept.h. False: errno says why not. */
bool log_file_open(const char *path);

/* keep: the process is a server, the file stays open afterwards. */
void log_file_write(const char *path, const struct text *line, bool keep);

#endif
