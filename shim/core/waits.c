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

void waits_begin(uint64_t what)
{
    struct process *process = process_known();

    if (process != NULL)
        atomic_store_explicit(&process->waits[waits_place()], what, memory_order_relaxed);
}

void waits_end(void)
{
    waits_begin(WAITS_NOT);
}

void waits_work_begin(conn_handle client)
{
    waits_begin(client | WAITS_WORKS);
}

static uint64_t at(const struct process *process, uint16_t place)
{
    return atomic_load_explicit(&process->waits[place], memory_order_relaxed);
}

void waits_work_end(void)
{
    const struct process *process = process_known();
    uint64_t what = process != NULL ? at(process, waits_place()) : WAITS_NOT;

    if (what < WAITS_FOR_EVENTS && (what & WAITS_WORKS) != 0)
        waits_end();
}

conn_handle waits_client(const struct process *process, uint16_t place)
{
    uint64_t what = at(process, place);

    if (what == WAITS_NEVER || what == WAITS_NOT || what == WAITS_FOR_EVENTS)
        return 0;
    return (CONN_IN(conn_state(what)) & CONN_UNFINISHED) != 0 ? what : 0;
}

bool waits_for_client(const struct process *process)
{
    for (uint16_t i = 0; i < WAITS_PLACES; i++)
        if (waits_client(process, i) != 0)
            return true;
    return false;
}

static bool some(const struct process *process, uint64_t what)
{
    for (uint16_t i = 0; i < WAITS_PLACES; i++)
        if (at(process, i) == what)
            return true;
    return false;
}

bool waits_for(const struct process *process, conn_handle client)
{
    return some(process, client);
}

bool waits_works_for(const struct process *process, conn_handle client)
{
    return some(process, client | WAITS_WORKS);
}

bool waits_for_room(const struct process *process, uint16_t acceptor)
{
    uint64_t what = at(process, acceptor);

    return what == WAITS_FOR_EVENTS || waits_for_client(process) ||
           (what == WAITS_NEVER && some(process, WAITS_FOR_EVENTS));
}
