/*
 * A running process as /proc shows it (proc(5)).
 *
 * Main thread of the launcher only. The functions return 0 or an errno: ENOENT when there
 * is no such process, ESRCH when it has given up its memory (it ends, or has ended), EACCES when it
 * is somebody else's.
 */
#ifndef SHAKEOUT_LAUNCHER_PROCESS_H
#define SHAKEOUT_LAUNCHER_PROCESS_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/settings.h"

/* "/proc/PID/exe" into exe: opening it opens the program even when its file is gone; and into name
   the path that it has or had. */
int process_program(pid_t pid, char exe[PATH_MAX], char name[PATH_MAX]);

typedef void process_visitor(void *context, const char *path);

/* Calls visit with the path of each file that is mapped; some more than once. */
int process_files(pid_t pid, process_visitor *visit, void *context);

/* The settings that the process was started with. A program that overwrote its environment (nginx)
   has the defaults here. */
int process_settings(pid_t pid, struct settings *out);

/* The name that `ps` shows: up to 15 bytes, any. */
int process_name(pid_t pid, char name[16]);

struct process_mapping {
    uint64_t address;
    uint64_t device; /* with the inode: which file it is */
    uint64_t inode;
};

/* The first shared mapping of this name ("/memfd:NAME (deleted)"); ENODATA when there is none. */
int process_mapping(pid_t pid, const char *name, struct process_mapping *out);

/* Copies from the process's memory; all of it or none. Needs the right to trace the process
   (ptrace(2), "Ptrace access mode checking"): root, or the same user if the process never changed
   its ids and Yama allows it. EPERM and EACCES both mean that it is missing. */
int process_memory(pid_t pid, uint64_t address, void *out, size_t size);

#endif
