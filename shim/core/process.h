/* What belongs to one process alone, and how a new process is noticed.
 *
 * The state lives on a page that the kernel wipes in every child that gets memory of its own
 * (madvise(2), MADV_WIPEONFORK): fork(), and the raw clone system call that runs no
 * pthread_atfork() handler. A child therefore finds zeros, "no thread, no timer, nothing
 * pending" (every field is made so that zero means this), and begins anew without a lock, a handler
 * or a look at its pid. A vfork child shares its parent's memory and sees the parent's page; there
 * the pid differs, and process_here() answers NULL: such a child must not touch what its parent
 * owns.
 *
 * The epoch numbers the processes along one line of forks. A connection, a queue entry or a flag
 * that carries another epoch was inherited: it belongs to the parent, until this process touches
 * the connection itself. */
#ifndef SHAKEOUT_CORE_PROCESS_H
#define SHAKEOUT_CORE_PROCESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define WAITS_PLACES 256

struct process {
    _Atomic int32_t pid;
    _Atomic uint16_t epoch;
    _Atomic uint64_t thread;   /* see reaper.c */
    _Atomic uint64_t retry_ns; /* ... before this time: it is not tried again */
    _Atomic bool threadless;   /* ... no thread can be had */
    _Atomic uint32_t inbox;    /* see pending.h; 0: empty */
    _Atomic uint64_t
        inbox_first_ns;        /* ... earliest deadline put in since it was emptied; 0: none */
    _Atomic uint64_t armed_ns; /* when the timer fires, see alarm.h; 0: it does not */
    _Atomic uint32_t watched;  /* connections that may have to be shut */
    _Atomic uint32_t waiting_sessions; /* W of the pigeonhole, see session.h */
    _Atomic uint32_t orphans;          /* ... connections that may have left a session behind */
    _Atomic uint64_t waited_ns;        /* ... when the last session began to wait */
    _Atomic bool strays;               /* ... some session's ClientHello came from no connection */
    _Atomic uint64_t queue_first_ns;   /* the reaper's earliest deadline; 0: none */
    _Atomic bool parked;               /* some due connection could not be judged yet */
    _Atomic bool look_again;           /* ... and now perhaps can */
    _Atomic uint64_t pressed_ns;       /* pressure lasts until then, see pressure.h */
    _Atomic uint32_t wanted;           /* ... and so many must go at once */
    _Atomic uint64_t handed_on_ns;     /* ... when descriptors were last given to another process */
    _Atomic uint64_t let_down_ns;      /* ... since when the server has closed so many unread */
    _Atomic uint32_t let_down;
    _Atomic uint32_t refused; /* ... and so many were shut at the door, not reported yet */
    _Atomic bool queue_begun; /* see round.h: the queue of deadlines is this process's own */
    _Atomic bool in_round;    /* ... and somebody is at work on it */
    _Atomic bool reporting;   /* a line of the log is held back */
    _Atomic uint32_t probed;  /* see own.h: the descriptor that the probe duplicates; 0: none */
    _Atomic uint64_t waits[WAITS_PLACES]; /* see waits.h */
};

_Static_assert(sizeof(struct process) <= 4096, "on one page");

/* This process's state, made on the first call. NULL in a vfork child, and where the kernel cannot
 * give such a page (then nothing is protected). Any thread or signal handler; two system calls at
 * most after the first call. */
struct process *process_here(void);

/* From here on this process and its children are as if they had never had a page: process_here()
 * and process_known() answer NULL, without a system call. See track_let_go(). */
void process_let_go(void);
bool process_is_let_go(void);

/* In the child of fork(): the page is this process's, before a vfork() child of its own takes it.
 */
void process_claim(void);

/* The same without the look at the pid: for places that a vfork child does not reach or where it
 * can do no harm. NULL when this process has nothing yet. */
struct process *process_known(void);

/* process_known(), and where that is NULL, process_here(). */
struct process *process_ours(void);

/* A child that was forked with something of its parent's, and has told nothing yet. Any thread. */
bool process_is_new(void);

/* The number of this process, from 1; 0 before its first process_here(). */
uint16_t process_epoch(void);

#endif
