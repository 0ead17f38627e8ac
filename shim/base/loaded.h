/* Whether this process has a TLS library loaded, by the file names of its shared objects.
 *
 * Remembers a yes; a no is asked again, since libraries come in later (dlopen). Takes the loader's
 * lock (recursive), so better not from a signal handler. */
#ifndef SHAKEOUT_BASE_LOADED_H
#define SHAKEOUT_BASE_LOADED_H

#include <stdbool.h>

bool loaded_tls_library(void);

#endif
