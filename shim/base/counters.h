/* What the library counts, for `shakeout --status`.
 *
 * One page of memory from a sealed memfd, mapped shared when the process becomes a server (it
 * listens, or accepts) and inherited by its children, so that a family of workers counts into one
 * total. Its descriptor is closed at once: nothing is left for the program to trip over. A reader
 * finds the mapping by its name in /proc/PID/maps and reads it through /proc/PID/mem; that costs
 * the process nothing. Where no memfd can be had (seccomp, limits) the counts go nowhere.
 *
 * Relaxed atomics: each number is right, two numbers read at one moment may be a connection apart.
 * Any thread or signal handler; not from a vfork child. No function here fails or touches errno
 * but counters_open(), which does not keep it. */
#ifndef SHAKEOUT_BASE_COUNTERS_H
#define SHAKEOUT_BASE_COUNTERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/histogram.h"

enum counter {
    COUNTER_ACCEPTED,         /* TCP connections accepted */
    COUNTER_ADOPTED,          /* ... that another process accepted, and this one handed to TLS */
    COUNTER_BEGUN,            /* server-side handshakes begun */
    COUNTER_FINISHED,         /* ... finished */
    COUNTER_SHUT_SILENT,      /* connections shut, as in verdict.h */
    COUNTER_SHUT_PARTIAL,     /* ... */
    COUNTER_SHUT_HALFWAY,     /* ... */
    COUNTER_EVICTED,          /* ... of these, before their deadline, under pressure */
    COUNTER_SERVER_LATE,      /* due, but the server was the late one: each connection once */
    COUNTER_ABSTAIN_PORT,     /* due, but left alone, as in verdict.h: each connection once */
    COUNTER_ABSTAIN_PLAIN,    /* ... */
    COUNTER_ABSTAIN_ANSWERED, /* ... */
    COUNTER_ABSTAIN_BLIND,    /* ... */
    COUNTER_NO_MEMORY,        /* failed to protect: no memory for a connection */
    COUNTER_NO_DESCRIPTOR,    /* ... no descriptor to look at a connection with */
    COUNTER_NO_THREAD,        /* ... no thread to watch the deadlines */
    COUNTERS
};

#define COUNTERS_NAME   "shakeout" /* in /proc/PID/maps: "/memfd:shakeout (deleted)" */
#define COUNTERS_MAGIC  "handshk\n"
#define COUNTERS_LAYOUT 1U /* one more with every change of the struct, or of enum counter */

/* The page. The addresses are those of variables in each process of the family, whose own numbers
 * are there. */
struct counters {
    char magic[8]; /* written last: before that the page is empty */
    uint32_t layout;
    uint32_t size;
    char version[16]; /* of the library, zeros at the end */
    uint64_t timeout_ns;
    uint64_t made_s;            /* CLOCK_REALTIME */
    uint64_t tracked_address;   /* uint32_t: connections tracked now */
    uint64_t watched_address;   /* uint32_t: ... that have a deadline now */
    _Atomic uint32_t announced; /* the log's first line is written */
    uint32_t unused;
    _Atomic uint64_t count[COUNTERS];
    _Atomic uint64_t took_sum_us; /* of the finished handshakes whose beginning was seen */
    _Atomic uint64_t took_longest_us;
    _Atomic uint64_t took[HISTOGRAM_BUCKETS];
};

_Static_assert(sizeof(struct counters) <= 4096, "one page");

/* Where the counts go: the page, or before (and without) it some memory that nobody looks at. */
extern struct counters *_Atomic counters_page;

/* Makes the page. timeout_ns is for the reader; watched must live for ever, at this address in all
 * children. Once. */
void counters_open(uint64_t timeout_ns, const _Atomic uint32_t *watched);

static inline void counters_add(enum counter counter)
{
    struct counters *page = atomic_load_explicit(&counters_page, memory_order_acquire);

    atomic_fetch_add_explicit(&page->count[counter], 1, memory_order_relaxed);
}

/* A finished handshake, and how long it took. */
void counters_took(uint64_t span_ns);

/* One connection more (1) or less (-1) is tracked in this process. */
void counters_tracked(int change);

/* True once in the life of the page. */
bool counters_announce(void);

#endif
