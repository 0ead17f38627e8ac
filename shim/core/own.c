#include "core/own.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/high.h"
#include "base/kept.h"
#include "core/fdmap.h"
#include "core/process.h"

/* All calls here are raw system calls: our own hooks stand in front of libc's. */
#define DECADES 1500000000U /* seconds, about 47 years */

/* In process->probed: somebody waits for the end of the probe. */
#define AWAITED (UINT32_C(1) << 31)

static _Atomic int timer_fd = -1;
static _Atomic int probe_fd = -1;
static _Atomic uint16_t opened_in; /* epoch of the process whose timer it is */
static _Atomic bool probing;       /* the probe holds a socket at this moment */
static _Atomic uint32_t tag_seconds;
static _Atomic uint32_t tag_nanoseconds;

static struct timespec tag_interval(void)
{
    return (struct timespec){
        .tv_sec = (time_t)atomic_load_explicit(&tag_seconds, memory_order_relaxed),
        .tv_nsec = (long)atomic_load_explicit(&tag_nanoseconds, memory_order_relaxed),
    };
}

static bool has_tag(int fd)
{
    struct timespec tag = tag_interval();
    struct itimerspec setting;

    return fd >= 0 && syscall(SYS_timerfd_gettime, fd, &setting) == 0 &&
           setting.it_interval.tv_sec == tag.tv_sec && setting.it_interval.tv_nsec == tag.tv_nsec;
}

static void choose_tag(void)
{
    uint64_t seed = clock_now_ns() * UINT64_C(6364136223846793005) + (uint64_t)getpid();
    uint32_t none = 0;

    atomic_store_explicit(&tag_nanoseconds, (uint32_t)(seed >> 32) % 999999999U + 1,
                          memory_order_relaxed);
    atomic_compare_exchange_strong_explicit(&tag_seconds, &none,
                                            DECADES + (uint32_t)(seed >> 16) % 1000000U,
                                            memory_order_relaxed, memory_order_relaxed);
}

/* A duplicate of fd at the number `wanted`, if that is still a descriptor of ours, else high up. */
static int place(int fd, int wanted)
{
    int high;

    if (!has_tag(wanted))
        return high_copy(fd);
    if (syscall(SYS_dup3, fd, wanted, O_CLOEXEC) >= 0)
        return wanted;
    /* RLIMIT_NOFILE was lowered: nothing can be put on that number any more. */
    high = high_copy(fd);
    if (high >= 0)
        syscall(SYS_close, wanted);
    return high;
}

/* fork() in the moment of a probe: the child has a duplicate of a socket that it knows nothing of.
 */
static void close_probe_in_child(void)
{
    if (atomic_exchange_explicit(&probing, false, memory_order_relaxed))
        syscall(SYS_close, atomic_exchange_explicit(&probe_fd, -1, memory_order_relaxed));
}

static bool open_both(int fresh)
{
    struct itimerspec setting = {
        .it_interval = tag_interval(),
    };
    int timer;
    int probe;

    if (syscall(SYS_timerfd_settime, fresh, 0, &setting, NULL) != 0)
        return false;
    timer = place(fresh, atomic_load_explicit(&timer_fd, memory_order_relaxed));
    if (timer < 0)
        return false;
    atomic_store_explicit(&timer_fd, timer, memory_order_release);
    atomic_store_explicit(&opened_in, process_epoch(), memory_order_release);
    probe = place(fresh, atomic_load_explicit(&probe_fd, memory_order_relaxed));
    if (probe < 0)
        return false;
    atomic_store_explicit(&probe_fd, probe, memory_order_release);
    return true;
}

bool own_open(void)
{
    static atomic_bool prepared;
    int fresh = (int)syscall(SYS_timerfd_create, CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    bool opened;
    int error;

    if (fresh < 0)
        return false;
    if (atomic_load_explicit(&tag_seconds, memory_order_relaxed) == 0)
        choose_tag();
    if (!atomic_exchange_explicit(&prepared, true, memory_order_relaxed))
        pthread_atfork(NULL, NULL, close_probe_in_child);
    opened = open_both(fresh);
    error = errno;
    syscall(SYS_close, fresh);
    errno = error;
    return opened;
}

int own_timer(void)
{
    return atomic_load_explicit(&timer_fd, memory_order_acquire);
}

bool own_timer_set(uint64_t when_ns)
{
    int fd = own_timer();
    struct itimerspec setting = {
        .it_value = {.tv_sec = (time_t)(when_ns / CLOCK_SECOND),
                     .tv_nsec = (long)(when_ns % CLOCK_SECOND)},
        .it_interval = tag_interval(),
    };

    /* A child of fork() that could not open its own has its parent's. */
    return atomic_load_explicit(&opened_in, memory_order_acquire) == process_epoch() &&
           has_tag(fd) && syscall(SYS_timerfd_settime, fd, TFD_TIMER_ABSTIME, &setting, NULL) == 0;
}

/* Whoever closes fd takes it out of the table and then looks here; we look into the table after we
 * have told. Both write here, if only what it is: so one comes after the other, and sees it. */
static void probe_begins(int fd)
{
    struct process *process = process_known();

    atomic_store_explicit(&probing, true, memory_order_relaxed);
    if (process != NULL)
        atomic_exchange_explicit(&process->probed, (uint32_t)fd + 1, memory_order_acq_rel);
}

static void probe_is_over(void)
{
    struct process *process = process_known();

    atomic_store_explicit(&probing, false, memory_order_relaxed);
    if (process != NULL &&
        (atomic_exchange_explicit(&process->probed, 0, memory_order_release) & AWAITED) != 0)
        syscall(SYS_futex, &process->probed, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void own_let_go(int fd)
{
    const struct timespec patience = {.tv_sec = 1};
    struct process *process = process_known();
    uint32_t probed = (uint32_t)fd + 1;
    uint32_t seen;

    if (process == NULL)
        return;
    while (((seen = atomic_fetch_or_explicit(&process->probed, 0, memory_order_acq_rel)) &
            ~AWAITED) == probed) {
        if ((seen & AWAITED) == 0 &&
            !atomic_compare_exchange_strong_explicit(&process->probed, &seen, probed | AWAITED,
                                                     memory_order_relaxed, memory_order_relaxed))
            continue;
        if (syscall(SYS_futex, &process->probed, FUTEX_WAIT_PRIVATE, probed | AWAITED, &patience,
                    NULL, 0) != 0 &&
            errno != EAGAIN && errno != EINTR)
            return;
    }
}

int own_probe(conn_handle handle, int fd)
{
    int probe = atomic_load_explicit(&probe_fd, memory_order_relaxed);
    int error = EBADF;

    if (!has_tag(probe)) {
        errno = ENOENT;
        return -1;
    }
    probe_begins(fd);
    if (fdmap_get(fd) == handle) {
        if (syscall(SYS_dup3, fd, probe, O_CLOEXEC) >= 0)
            return probe;
        /* RLIMIT_NOFILE is below the probe now: EBADF, but fd is not closed. */
        error = errno != EBADF || syscall(SYS_fcntl, fd, F_GETFD) < 0 ? errno : ENOENT;
    }
    probe_is_over();
    errno = error;
    return -1;
}

void own_probe_end(void)
{
    int probe = atomic_load_explicit(&probe_fd, memory_order_relaxed);

    /* The timer can be gone (a raw close), and its number a file's: then there is nothing to put
     * back. */
    if (!has_tag(own_timer()) || syscall(SYS_dup3, own_timer(), probe, O_CLOEXEC) < 0)
        syscall(SYS_close, probe);
    probe_is_over();
}

bool own_is(int fd)
{
    if (fd < 0 || process_is_let_go())
        return false;
    if (fd == atomic_load_explicit(&probe_fd, memory_order_relaxed))
        return atomic_load_explicit(&probing, memory_order_relaxed) || has_tag(fd);
    return (fd == own_timer() && has_tag(fd)) || kept_is(fd);
}

int own_next(unsigned int first, unsigned int last)
{
    const int all[] = {own_timer(), atomic_load_explicit(&probe_fd, memory_order_relaxed),
                       kept_number()};
    int found = -1;

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (all[i] >= 0 && (unsigned int)all[i] >= first && (unsigned int)all[i] <= last &&
            (found < 0 || all[i] < found) && own_is(all[i]))
            found = all[i];
    return found;
}

void own_vacate(int fd)
{
    bool probe = fd == atomic_load_explicit(&probe_fd, memory_order_relaxed);
    int number;

    if (kept_is(fd)) {
        kept_vacate(fd);
        return;
    }
    if (!own_is(fd))
        return;
    number = high_copy(own_timer());
    atomic_store_explicit(probe ? &probe_fd : &timer_fd, number, memory_order_release);
}
