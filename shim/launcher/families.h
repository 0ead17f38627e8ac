/*
 * The processes under the library, by families: those that count into one page.
 *
 * Main thread of the launcher only.
 */
#ifndef SHAKEOUT_LAUNCHER_FAMILIES_H
#define SHAKEOUT_LAUNCHER_FAMILIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "launcher/process.h"
#include "launcher/snapshot.h"

struct member {
    pid_t pid;
    char name[16];    /* printable ASCII */
    uint32_t tracked; /* its connections now */
    uint32_t watched; /* ... those with a deadline */
};

struct family {
    struct process_mapping page;
    struct snapshot snapshot;
    struct member *members; /* by pid; at least one */
    size_t count;
};

struct families {
    struct family *list;
    size_t count;
    size_t refused; /* processes that could not be looked at */
};

/* Looks at the process and adds it. Returns 0, or an errno: EPERM or EACCES, it is somebody else's;
   ENOENT, it does not exist; ESRCH, it ends; ENODATA, it has no counters; EBADMSG, it has some that
   cannot be read, and *problem says why in words. */
int families_add(struct families *families, pid_t pid, const char **problem);

/* The other processes of the families that are there, as far as they can be looked at. */
void families_complete(struct families *families);

/* Every process that can be looked at and has counters. */
void families_add_all(struct families *families);

void families_free(struct families *families);

#endif
