#include "core/waits.h"

#include <stddef.h>

#include "base/clock.h"

static _Atomic uint16_t last_place;
static _Thread_local uint16_t own_place; /* and one; 0: none yet */

static _Atomic uint32_t handed_over;

/* For whom the calling thread has waited last, 0: for nobody, and until when. */
static _Thread_local conn_handle last_client;
static _Thread_local uint64_t last_ns;

uint16_t waits_place(void)
{
    if (own_place == 0)
        own_place = (uint16_t)(atomic_fetch_add_explicit(&last_place, 1, memory_order_relaxed) %
                                   WAITS_PLACES +
                               1);
    return (uint16_t)(own_place - 1);
}

static void note(uint64_t what)
{
    struct process *process = process_known();

    if (process != NULL)
        atomic_store_explicit(&process->waits[waits_place()], what, memory_order_relaxed);
}

static bool is_unfinished(conn_handle client)
{
    return (CONN_IN(conn_state(client)) & CONN_UNFINISHED) != 0;
}

/* An event loop goes from one to another, too, but is not free of the one then. */
static void take_up(uint64_t what)
{
    const struct conn *conn = what < WAITS_FOR_EVENTS ? conn_get(what) : NULL;

    if (conn != NULL && last_client != 0 && !is_unfinished(last_client) &&
        atomic_load_explicit(&conn->started_ns, memory_order_relaxed) < last_ns)
        atomic_fetch_add_explicit(&handed_over, 1, memory_order_relaxed);
    last_client = conn != NULL ? what : 0;
}

void waits_begin(uint64_t what)
{
    note(what);
    if (what != last_client)
        take_up(what);
}

void waits_end(void)
{
    note(WAITS_NOT);
    if (last_client != 0)
        last_ns = clock_now_ns();
}

uint32_t waits_handed_over(void)
{
    return atomic_load_explicit(&handed_over, memory_order_relaxed);
}

void waits_work_begin(conn_handle client)
{
    note(client | WAITS_WORKS);
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
        note(WAITS_NOT);
}

conn_handle waits_client(const struct process *process, uint16_t place)
{
    uint64_t what = at(process, place);

    if (what == WAITS_NEVER || what == WAITS_NOT || what == WAITS_FOR_EVENTS)
        return 0;
    return is_unfinished(what) ? what : 0;
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

enum waits_room waits_for_room(const struct process *process, uint16_t acceptor)
{
    uint64_t what = at(process, acceptor);

    if (what == WAITS_FOR_EVENTS || waits_client(process, acceptor) != 0)
        return WAITS_FOR_CLIENTS;
    return waits_for_client(process) || (what == WAITS_NEVER && some(process, WAITS_FOR_EVENTS))
               ? WAITS_PERHAPS
               : WAITS_ELSEWHERE;
}
