/* Writing without being noticed by the program.
 *
 * write(2) can do more than fail: it can block, and send SIGPIPE (nobody reads any more), SIGXFSZ
 * (RLIMIT_FSIZE) or SIGTTOU (a background job and `stty tostop`). All three would end or stop the
 * program for a line of ours. Any thread or signal handler; no lock; no cancellation point; errno
 * is not kept. */
#ifndef SHAKEOUT_BASE_QUIET_H
#define SHAKEOUT_BASE_QUIET_H

#include <stddef.h>

/* Writes the bytes if that is possible at once; they are lost if not. */
void quiet_write(int fd, const char *bytes, size_t length);

#endif
