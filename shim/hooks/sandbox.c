/* Sandboxes of libseccomp, seccomp_load(3). A program that is killed for each system call that is
 * not on its list (chrony) would be killed for one of ours: the library lets go of it before. Where
 * such a call fails and no more (ocserv), the library does without, as everywhere.
 *
 * libseccomp's header is not needed to build: what is used of it is as old as itself, and its
 * actions are the kernel's. */
#include <linux/seccomp.h>
#include <stdint.h>
#include <string.h>

#include "core/track.h"
#include "hooks/hook.h"

#define DEFAULT_ACTION 1 /* SCMP_FLTATR_ACT_DEFAULT */

int seccomp_load(const void *filter);

static void *behind(const char *name, const void *caller)
{
    return next_for_caller(name, caller, "libseccomp.so");
}

/* What befalls a system call that is not on the list. */
static bool is_deadly(const void *filter, const void *caller)
{
    void *symbol = behind("seccomp_attr_get", caller);
    int (*get)(const void *, int, uint32_t *);
    uint32_t action = 0;

    memcpy(&get, &symbol, sizeof(get));
    if (get == NULL || get(filter, DEFAULT_ACTION, &action) != 0)
        return true;
    action &= SECCOMP_RET_ACTION_FULL;
    return action == SECCOMP_RET_KILL_PROCESS || action == SECCOMP_RET_KILL_THREAD ||
           action == SECCOMP_RET_TRAP;
}

HOOK int seccomp_load(const void *filter)
{
    const void *caller = __builtin_return_address(0);
    int saved = errno;
    void *symbol = behind("seccomp_load", caller);
    int (*next)(const void *);

    memcpy(&next, &symbol, sizeof(next));
    if (next == NULL)
        return -ENOSYS;
    if (hook_active() && is_deadly(filter, caller) && track_let_go())
        atomic_store_explicit(&hooks_active, false, memory_order_release);
    errno = saved;
    return next(filter);
}
