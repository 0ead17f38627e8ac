#include "core/reaper.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/log.h"
#include "core/alarm.h"
#include "core/own.h"
#include "core/pending.h"
#include "core/pressure.h"
#include "core/report.h"
#include "core/round.h"
#include "core/session.h"

/* process->thread: what the thread does, and above it the number of the thread. A thread whose
 * timer was closed behind our back sleeps on a timer that nobody can set any more; then another one
 * takes its place, by an exchange of ASLEEP for STARTING. The old one, should it ever wake, fails
 * to exchange its own ASLEEP for AWAKE, and leaves. */
enum thread_state { THREAD_NONE, THREAD_STARTING, THREAD_AWAKE, THREAD_ASLEEP };
#define THREAD(number, state) ((uint64_t)(number) << 2 | (uint64_t)(state))
#define THREAD_STATE(value)   ((enum thread_state)((value)&3))
#define THREAD_NUMBER(value)  ((value) >> 2)

#define STACK_SIZE 262144U
#define RETRY_NS   CLOCK_SECOND
#define OVERDUE_NS (200 * CLOCK_MILLISECOND)

static bool exchange_state(struct process *process, uint64_t number, enum thread_state from,
                           enum thread_state to)
{
    uint64_t value = THREAD(number, from);

    return atomic_compare_exchange_strong_explicit(&process->thread, &value, THREAD(number, to),
                                                   memory_order_acq_rel, memory_order_acquire);
}

/* Sleeps until the timer fires. False: this thread is not wanted any more. */
static bool sleep_until_due(struct process *process, uint64_t number)
{
    struct pollfd timer = {.events = POLLIN};

    if (!alarm_settle(process) && (!own_open() || !alarm_settle(process)))
        return false;
    timer.fd = own_timer();
    if (!exchange_state(process, number, THREAD_AWAKE, THREAD_ASLEEP))
        return false;
    syscall(SYS_ppoll, &timer, 1, NULL, NULL, 0);
    return exchange_state(process, number, THREAD_ASLEEP, THREAD_AWAKE);
}

static void *run(void *argument)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    struct process *process = argument;
    uint64_t number = THREAD_NUMBER(atomic_load_explicit(&process->thread, memory_order_acquire));

    prctl(PR_SET_NAME, "shakeout");
    exchange_state(process, number, THREAD_STARTING, THREAD_AWAKE);
    do {
        /* Who stood in for the thread before there was one may still be at it. */
        while (!round_work(process))
            syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &moment, NULL);
    } while (sleep_until_due(process, number));
    exchange_state(process, number, THREAD_AWAKE, THREAD_NONE);
    return NULL;
}

static int start_thread(struct process *process)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all;
    sigset_t before;
    int error;

    if (!own_open())
        return errno;
    error = pthread_attr_init(&attributes);
    if (error != 0)
        return error;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    /* The thread inherits the mask: no signal of the program is ever delivered to it. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&thread, &attributes, run, process);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

static void start(struct process *process, uint64_t value)
{
    static atomic_bool complained;
    uint64_t number = THREAD_NUMBER(value) + 1;
    int error;

    if (clock_now_ns() < atomic_load_explicit(&process->retry_ns, memory_order_relaxed) ||
        !atomic_compare_exchange_strong_explicit(&process->thread, &value,
                                                 THREAD(number, THREAD_STARTING),
                                                 memory_order_acq_rel, memory_order_relaxed))
        return;
    error = start_thread(process);
    atomic_store_explicit(&process->threadless, error != 0, memory_order_relaxed);
    if (error == 0)
        return;
    counters_add(COUNTER_NO_THREAD);
    /* Inside a handshake the thread that waits for the client stands in, see standin.h. */
    if (session_inside == NULL &&
        !atomic_exchange_explicit(&complained, true, memory_order_relaxed))
        log_unprotected(
            "no thread can be had, deadlines are kept only where the program itself waits", error);
    atomic_store_explicit(&process->retry_ns, clock_after_ns(clock_now_ns(), RETRY_NS),
                          memory_order_relaxed);
    exchange_state(process, number, THREAD_STARTING, THREAD_NONE);
}

static bool timer_was_lost(struct process *process)
{
    uint64_t armed = atomic_load_explicit(&process->armed_ns, memory_order_seq_cst);

    return armed != 0 && clock_now_ns() > clock_after_ns(armed, OVERDUE_NS) && !own_is(own_timer());
}

void reaper_by(struct process *process, uint64_t when_ns)
{
    uint64_t value = atomic_load_explicit(&process->thread, memory_order_acquire);
    bool armed;

    if (THREAD_STATE(value) == THREAD_NONE)
        start(process, value);
    armed = alarm_by(process, when_ns);
    if (THREAD_STATE(value) == THREAD_ASLEEP && (!armed || timer_was_lost(process)))
        start(process, value);
}

void reaper_dismiss(struct process *process)
{
    uint64_t value = atomic_load_explicit(&process->thread, memory_order_acquire);

    if (THREAD_STATE(value) == THREAD_ASLEEP &&
        exchange_state(process, THREAD_NUMBER(value), THREAD_ASLEEP, THREAD_NONE))
        own_timer_set(clock_now_ns());
}

void reaper_resume(struct process *process)
{
    uint64_t armed = atomic_load_explicit(&process->armed_ns, memory_order_seq_cst);

    if (armed != 0)
        reaper_by(process, armed);
}

void reaper_watch(struct process *process, conn_handle handle)
{
    struct conn *conn = conn_get(handle);
    uint16_t epoch = process_epoch();

    if (conn != NULL &&
        atomic_exchange_explicit(&conn->watched, epoch, memory_order_relaxed) != epoch) {
        atomic_fetch_add_explicit(&process->watched, 1, memory_order_seq_cst);
        reaper_by(process, pressure_first_look_ns(clock_now_ns()));
    }
    report_protects();
}

static bool nothing_pending(struct process *process)
{
    return atomic_load_explicit(&process->watched, memory_order_seq_cst) == 0 &&
           atomic_load_explicit(&process->waiting_sessions, memory_order_seq_cst) == 0 &&
           !atomic_load_explicit(&process->look_again, memory_order_seq_cst) &&
           !atomic_load_explicit(&process->reporting, memory_order_seq_cst);
}

void reaper_unwatch(struct process *process, struct conn *conn)
{
    if (conn != NULL) {
        if (atomic_exchange_explicit(&conn->watched, 0, memory_order_relaxed) != process_epoch())
            return;
        atomic_fetch_sub_explicit(&process->watched, 1, memory_order_seq_cst);
    }
    if (!nothing_pending(process) ||
        atomic_load_explicit(&process->armed_ns, memory_order_seq_cst) == 0)
        return;
    alarm_off(process);
    /* Somebody came between: better one wake-up too many. */
    if (!nothing_pending(process))
        alarm_by(process, clock_now_ns());
}

static void look_again_now(struct process *process)
{
    atomic_store_explicit(&process->look_again, true, memory_order_seq_cst);
    reaper_by(process, clock_now_ns());
}

void reaper_reconsider(struct process *process)
{
    if (atomic_load_explicit(&process->parked, memory_order_seq_cst) && session_pigeonhole(process))
        look_again_now(process);
}

/* What waits in the queues was not armed for: nothing said that it would ever be shut. */
static void arm_for_queues(struct process *process)
{
    uint64_t first = pending_first_ns(process);
    uint64_t queued = atomic_load_explicit(&process->queue_first_ns, memory_order_relaxed);

    if (queued != 0 && queued < first)
        first = queued;
    if (first != CLOCK_NEVER)
        reaper_by(process, first);
}

void reaper_waiting(struct process *process)
{
    arm_for_queues(process);
    reaper_reconsider(process);
}

/* Who came before is not watched yet, whether it is due or not. */
void reaper_learned(struct process *process)
{
    look_again_now(process);
}
