/*
 * `shakeout --check`: what can be expected of a program or of a running process, before anyone
 * relies on it.
 *
 * Main thread of the launcher only.
 */
#ifndef SHAKEOUT_LAUNCHER_CHECK_H
#define SHAKEOUT_LAUNCHER_CHECK_H

/* The exit status. */
enum check_verdict { CHECK_PROTECTED = 0, CHECK_NOT_PROTECTED = 1, CHECK_CANNOT_TELL = 2 };

/* Looks at the process (what is all digits) or the program (path, or name to look for in PATH),
   prints what it found and the verdict in the last line, to stdout; what cannot be looked at, to
   stderr. */
enum check_verdict check(const char *what);

#endif
