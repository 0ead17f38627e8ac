#include "core/waits.h"

#include <stddef.h>

static _Atomic uint16_t last_place;
static _Thread_local uint16_t own_place; /* and one; 0: none yet */

uint16_t waits_place(void)
{
    if (own_place == 0)
        own_place = (uint16_t)(atomic_fetch_add_explicit(&last_place, 1, memory_order_relaxed) %
                                   WAITS_PLACES +
                               1);
    return (uint16_t)(own_place - 1);
}

static void now(enum waits what)
{
    struct process *process = process_known();

    if (process != NULL)
        atomic_store_explicit(&process->waits[waits_place()], (uint8_t)what, memory_order_relaxed);
}

void waits_begin(enum waits what)
{
    now(what);
}

void waits_end(void)
{
    now(WAITS_NOT);
}

static enum waits at(const struct process *process, uint16_t place)
{
    return (enum waits)atomic_load_explicit(&process->waits[place], memory_order_relaxed);
}

static bool some(const struct process *process, enum waits what)
{
    for (uint16_t i = 0; i < WAITS_PLACES; i++)
        if (at(process, i) == what)
            return true;
    return false;
}

bool waits_for_client(const struct process *process)
{
    return some(process, WAITS_FOR_CLIENT);
}

bool waits_for_room(const struct process *process, uint16_t acceptor)
{
    switch (at(process, acceptor)) {
    case WAITS_FOR_EVENTS:
    case WAITS_FOR_CLIENT:
        return true;
    case WAITS_NEVER:
        return waits_for_client(process) || some(process, WAITS_FOR_EVENTS);
    default:
        return waits_for_client(process);
    }
}
