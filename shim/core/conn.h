/* Connections: one record for each socket that the program accepted (or first handed to a TLS
 * library), whatever number its descriptors have.
 *
 * The socket is the identity, not the descriptor: dup()ed descriptors hold references to one
 * record, which ends when the last of them is closed. A handle names one life of a record (index
 * and generation), so it may be kept anywhere and simply stops working when that life is over.
 *
 * No function here takes a lock or calls malloc(): every change of state is one
 * compare-and-exchange of one word, records come from a lock-free list, and new ones from mmap().
 * Any thread or signal handler may call any of them; a vfork child must not (see process.h). Memory
 * is never given back, so a record can be looked at for ever; it holds 4 million records at most,
 * and pages that were never needed are never touched. */
#ifndef SHAKEOUT_CORE_CONN_H
#define SHAKEOUT_CORE_CONN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "wire/hello.h"
#include "wire/records.h"

typedef uint64_t conn_handle; /* 0: none */

/* OPEN -> HANDSHAKE   a server-side session was bound to it
 * HANDSHAKE -> OPEN   that session went away unfinished
 * OPEN, HANDSHAKE -> FINISHED   the handshake is over: never shut from here on
 * OPEN, HANDSHAKE -> SHUT       we have shut it
 * any -> FREE         its last descriptor was closed */
enum conn_state { CONN_FREE, CONN_OPEN, CONN_HANDSHAKE, CONN_FINISHED, CONN_SHUT };

#define CONN_IN(state)  (1U << (state))
#define CONN_UNFINISHED (CONN_IN(CONN_OPEN) | CONN_IN(CONN_HANDSHAKE))

struct conn {
    _Atomic uint64_t word;        /* generation, references, state */
    _Atomic uint64_t cookie;      /* SO_COOKIE: which socket this is */
    _Atomic uint64_t started_ns;  /* when the client's clock started */
    _Atomic uint64_t deadline_ns; /* when its time is over */
    _Atomic uint64_t charged_ns;  /* up to here it is settled whose time it was, see charge.h */
    _Atomic uint64_t hello[sizeof(struct hello) / sizeof(uint64_t)];
    _Atomic uint64_t records[sizeof(struct records) / sizeof(uint64_t)];
    _Atomic uint32_t listener; /* see ports.h; 0: not accepted here */
    _Atomic int32_t fd;        /* the descriptor it was last seen on */
    _Atomic uint32_t in_inbox; /* next one in the inbox */
    _Atomic uint32_t source;   /* see sources.h; while free: the next one on the free list */
    uint32_t heap_place;       /* the reaper's own */
    _Atomic uint16_t port;     /* local port; 0: no TCP socket, never judged */
    _Atomic uint16_t owner;    /* epoch of the process that accepted or touched it last */
    _Atomic uint16_t watched;  /* that epoch while it counts as watched there */
    _Atomic uint16_t queued;   /* that epoch while it lies in the inbox there */
    _Atomic uint16_t counted;  /* the verdicts on it that were counted, see count.h */
    _Atomic bool had_session;  /* a session was bound to it before */
    _Atomic bool unheard;      /* bytes were read that no step of its handshake has seen yet */
};

/* A record, its place in the table of descriptors, and one in the queue of deadlines. */
_Static_assert(sizeof(struct conn) + 4 + 12 <= 128, "memory for each connection");

/* A record to be filled in; 0 when there is no memory. conn_publish() makes it OPEN, with one
 * reference; before that no handle names it. */
uint32_t conn_alloc(void);
conn_handle conn_publish(uint32_t number);

/* The record of this handle; NULL when its life is over. It may end at any moment: what is read
 * from the record counts only if conn_alive() still says so afterwards. */
struct conn *conn_get(conn_handle handle);
bool conn_alive(conn_handle handle);

enum conn_state conn_state(conn_handle handle); /* FREE when its life is over */

/* To state `to`, if it is alive and in one of the states of the mask `from`. Returns the state it
 * was in, FREE if nothing was changed. */
enum conn_state conn_move(conn_handle handle, unsigned int from, enum conn_state to);

/* One more descriptor, one less. conn_drop() returns the state in which it ended, FREE if it goes
 * on (or had ended before). A record that ended is nobody else's until conn_recycle(), which takes
 * the state that it ended in. */
uint32_t conn_references(conn_handle handle); /* 0 when its life is over */
bool conn_hold(conn_handle handle);
enum conn_state conn_drop(conn_handle handle);
void conn_recycle(conn_handle handle, enum conn_state ended);

/* How many are OPEN: accepted, and bound to no session. One that ended so counts until it is
 * recycled. Acquire; pairs with the release of that. */
uint32_t conn_open_count(void);

/* How many have ever become OPEN, so that who looks at several numbers sees whether one came
 * meanwhile. Acquire; whoever is counted here is in conn_open_count(), or has gone. */
uint32_t conn_open_ever(void);

/* Between handles and the small numbers that queues hold. Numbers begin at 1; 0 is none. */
uint32_t conn_number(conn_handle handle);
struct conn *conn_numbered(uint32_t number);
conn_handle conn_current(uint32_t number); /* the life that is in the record now; 0: none */
uint32_t conn_numbers_used(void);          /* numbers 1 .. this have been used */

#endif
