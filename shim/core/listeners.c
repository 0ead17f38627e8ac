#include "core/listeners.h"

#include <stdatomic.h>

#include "core/kernel.h"
#include "core/waits.h"

#define PLACES 64U

static struct {
    _Atomic uint32_t cookie; /* the low half; 0: free */
    _Atomic int32_t fd;
    _Atomic uint32_t accepts;
    _Atomic uint32_t opened;   /* the cookie of one that this program itself has opened */
    _Atomic uint16_t acceptor; /* the place of the thread that took the last one, see waits.h */
    bool pending;              /* the reaper's: a client of its own is in its handshake */
    bool was_stuck;            /* ... it has stood still for a moment, and has not moved since */
    uint32_t accepts_seen;     /* ... at its last look */
    uint32_t length_seen;      /* ... and how many waited then */
    uint32_t looks;            /* ... how many looks in a row found it stuck */
} places[PLACES];

void listeners_opened(uint32_t cookie)
{
    atomic_store_explicit(&places[cookie % PLACES].opened, cookie, memory_order_relaxed);
}

void listeners_accepted(int fd, uint32_t cookie)
{
    uint32_t at = cookie % PLACES;

    if (cookie == 0)
        return;
    atomic_store_explicit(&places[at].fd, fd, memory_order_relaxed);
    atomic_store_explicit(&places[at].cookie, cookie, memory_order_relaxed);
    atomic_store_explicit(&places[at].acceptor, waits_place(), memory_order_relaxed);
    atomic_fetch_add_explicit(&places[at].accepts, 1, memory_order_relaxed);
}

/* How many wait in the queue of the listener at this place. */
static uint32_t queue_length(uint32_t at)
{
    uint32_t wanted = atomic_load_explicit(&places[at].cookie, memory_order_relaxed);
    int fd = atomic_load_explicit(&places[at].fd, memory_order_relaxed);
    uint64_t cookie = 0;

    if (wanted == 0)
        return 0;
    if (kernel_cookie(fd, &cookie) && (uint32_t)cookie == wanted)
        return kernel_accept_queue(fd);
    atomic_store_explicit(&places[at].cookie, 0, memory_order_relaxed);
    return 0;
}

void listeners_pending(uint32_t cookie)
{
    uint32_t at = cookie % PLACES;

    if (cookie != 0 && atomic_load_explicit(&places[at].cookie, memory_order_relaxed) == cookie)
        places[at].pending = true;
}

static uint32_t moment_at(uint32_t at, const struct listeners_moments *moments)
{
    return atomic_load_explicit(&places[at].opened, memory_order_relaxed) ==
                   atomic_load_explicit(&places[at].cookie, memory_order_relaxed)
               ? moments->opened
               : moments->inherited;
}

static enum waits_room room_at(const struct process *process, uint32_t at)
{
    if (!places[at].pending)
        return WAITS_ELSEWHERE;
    return waits_for_room(process,
                          atomic_load_explicit(&places[at].acceptor, memory_order_relaxed));
}

struct listeners_look listeners_look(const struct process *process,
                                     const struct listeners_moments *moments)
{
    struct listeners_look look = {0};

    for (uint32_t at = 0; at < PLACES; at++) {
        uint32_t length = queue_length(at);
        uint32_t accepts = atomic_load_explicit(&places[at].accepts, memory_order_relaxed);
        /* Another process may have taken somebody, too. */
        bool moves =
            length == 0 || length < places[at].length_seen || accepts != places[at].accepts_seen;
        enum waits_room room = room_at(process, at);

        if (moves && places[at].was_stuck)
            look.moved = true;
        if (moves || room == WAITS_ELSEWHERE)
            places[at].looks = 0;
        else if (places[at].looks < UINT32_MAX)
            places[at].looks++;
        if (places[at].pending)
            look.waiting += length;
        places[at].was_stuck =
            !moves && (places[at].was_stuck || places[at].looks >= moment_at(at, moments));
        if (places[at].looks >= moment_at(at, moments))
            *(room == WAITS_FOR_CLIENTS ? &look.stuck : &look.perhaps) += length;
        places[at].accepts_seen = accepts;
        places[at].length_seen = length;
        places[at].pending = false;
    }
    return look;
}
