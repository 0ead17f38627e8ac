/* What every hook is made of.
 *
 * A hook has the name and the type of the function that it stands in for, calls that function,
 * tells core what happened and leaves errno as the program would have found it. It decides nothing.
 */
#ifndef SHAKEOUT_HOOKS_HOOK_H
#define SHAKEOUT_HOOKS_HOOK_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/next.h"

/* Visible to the program; shim/exports.map names them once more. */
#define HOOK __attribute__((visibility("default")))

/* False before the constructor has run, and with SHAKEOUT_TIMEOUT=off: nothing is tracked then, so
 * that all other hooks find nothing to do. */
extern atomic_bool hooks_active;

static inline bool hook_active(void)
{
    return atomic_load_explicit(&hooks_active, memory_order_acquire);
}

#endif
