/* Descriptor numbers out of the program's way.
 *
 * Programs count on the lowest free number (close(0), then open()), and keep arrays by descriptor
 * number: what the library keeps lies above what they use. Raw system calls: our own hooks stand in
 * front of libc's. Any thread, signal handler or vfork child. */
#ifndef SHAKEOUT_BASE_HIGH_H
#define SHAKEOUT_BASE_HIGH_H

/* A duplicate of fd as high as it can be had, close-on-exec. -1: errno says why. */
int high_copy(int fd);

#endif
