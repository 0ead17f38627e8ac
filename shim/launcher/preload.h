/*
 * The value of LD_PRELOAD: where our library is, and what else was there already (ld.so(8)).
 *
 * Main thread of the launcher only.
 */
#ifndef SHAKEOUT_LAUNCHER_PRELOAD_H
#define SHAKEOUT_LAUNCHER_PRELOAD_H

#include <limits.h>
#include <stdbool.h>

#define PRELOAD_LIBRARY "libshakeout.so"

/* Finds the library: beside this program (build tree), in ../lib/shakeout from there (an install
   that was moved), or where it was configured to be (SHAKEOUT_LIBDIR). False when it is nowhere. */
bool preload_find(char out[PATH_MAX]);

/* Can LD_PRELOAD name this path? Its separators are spaces and colons, and it expands $NAME. */
bool preload_can_name(const char *library);

/* The library first, then what existing (may be NULL) names, without any other copy of ours: two
   would watch each connection twice. The caller frees it; NULL when there is no memory. */
char *preload_value(const char *library, const char *existing);

#endif
