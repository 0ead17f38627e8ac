/*
 * The program that is to be protected: where it is, and whether a preload library gets into it.
 *
 * Main thread of the launcher only.
 */
#ifndef SHAKEOUT_LAUNCHER_TARGET_H
#define SHAKEOUT_LAUNCHER_TARGET_H

#include <limits.h>
#include <stdbool.h>

enum target_reach {
    TARGET_REACHED,      /* its loader will load the library */
    TARGET_UNREADABLE,   /* cannot tell: the file may be run but not read */
    TARGET_DAMAGED,      /* an ELF file that no kernel runs */
    TARGET_STATIC,       /* no loader, so nobody who reads LD_PRELOAD */
    TARGET_FOREIGN,      /* other class, byte order or machine than the library */
    TARGET_OTHER_LOADER, /* another C library than the library's */
    TARGET_PRIVILEGED,   /* gains privileges, so its loader ignores LD_PRELOAD (ld.so(8)) */
    TARGET_ENDLESS,      /* a script whose interpreter is a script, and so on without end */
};

struct target {
    enum target_reach reach;
    char program[PATH_MAX]; /* the ELF file that is loaded: of a script, its interpreter */
    char loader[PATH_MAX];  /* PT_INTERP; empty when there is none or it is not known */
    bool sets_ids;          /* setuid, setgid or with file capabilities, for whomever they count */
    bool is_go;             /* built by Go, which makes its system calls without the C library */
};

/*
 * Finds a command as execvp(3) does: as it is when it has a slash, else in the directories of PATH.
 * Returns 0 with the path (which has a slash) in out, or an errno: ENOENT when there is nothing of
 * that name, EACCES when it may not be run, others as stat(2).
 */
int target_find(const char *command, char out[PATH_MAX]);

/* Looks into the file at path as a caller with our user and group ids would run it. Scripts are
   followed to their interpreter as the kernel (fs/binfmt_script.c) and execvp(3) do. */
void target_inspect(struct target *out, const char *path);

/* Why the library is not loaded into such a program, as the rest of a sentence that begins with its
   name; NULL for TARGET_REACHED. */
const char *target_reason(enum target_reach reach);

#endif
