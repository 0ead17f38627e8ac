/*
 * `shakeout --status`: what the servers under the library have counted.
 *
 * Main thread of the launcher only.
 */
#ifndef SHAKEOUT_LAUNCHER_STATUS_H
#define SHAKEOUT_LAUNCHER_STATUS_H

/* The exit status. */
enum { STATUS_SHOWN = 0, STATUS_MISSING = 1, STATUS_ERROR = 125 };

/* argv[0] is "--status", the rest its options and process ids. Prints to stdout; what is wrong, one
   line for each thing, to stderr. STATUS_MISSING: a process that was asked for cannot be shown, or
   there is none at all. */
int status_main(int argc, char **argv);

#endif
