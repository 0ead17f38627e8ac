/*
 * TLS libraries, known by their files' names, and what the library can do about each.
 *
 * Main thread of the launcher only.
 */
#ifndef SHAKEOUT_LAUNCHER_STACKS_H
#define SHAKEOUT_LAUNCHER_STACKS_H

#include <stdbool.h>
#include <stddef.h>

struct stack {
    const char *prefix; /* of the file's name */
    const char *name;   /* what people call it */
    bool hooked;        /* its handshake calls are seen; else only the wire is */
};

/* The known libraries; their order is that of the bits below. */
extern const struct stack stacks[];
extern const size_t stack_count;

/* Bit i: stacks[i]. */
typedef unsigned stack_set;

/* The one library that a file of this name (without directory) is, or the empty set. */
stack_set stack_of(const char *file_name);

/* Those of a set whose handshake calls are seen. */
stack_set stack_hooked(stack_set set);

#endif
