/* The one descriptor that the log keeps: its file, or its socket.
 *
 * It is opened when the process becomes a server, and kept, because later the process may be in a
 * chroot, may have given up the right to open it, or have no descriptor left. And a descriptor that
 * comes and goes with every line would now and then take the number that another thread of the
 * program counts on.
 *
 * The program must not trip over it: it lies high, closes on exec, and core/own.h hides it from the
 * program's close loops. A program may still close it with a raw system call and get its number for
 * a file of its own, so kept_get() compares what lies there (device and inode, fstat(2)) with what
 * was put there. Any thread or signal handler; no lock; errno is not kept. A child of fork()
 * inherits it. */
#ifndef SHAKEOUT_BASE_KEPT_H
#define SHAKEOUT_BASE_KEPT_H

#include <stdbool.h>

/* Takes fd over (it is closed, a duplicate high up is kept), unless something is kept already. */
void kept_put(int fd);

/* Takes fd over in the place of what is kept: under the same number, so that no other thread can be
 * writing to a number that is free. */
void kept_replace(int fd);

/* The kept descriptor; -1: none, or it is gone. */
int kept_get(void);

/* The same without the look at what lies there now. */
int kept_number(void);

/* Is this descriptor the kept one? */
bool kept_is(int fd);

/* The program wants exactly this number for itself: the kept one moves. */
void kept_vacate(int fd);

#endif
