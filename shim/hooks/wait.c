/* Where event loops wait. With a reaper thread these only say so, for who asks why a server takes
 * nobody (core/waits.h); without, the deadlines are kept from here, see core/standin.h. */
#undef _FORTIFY_SOURCE
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>

#include "base/clock.h"
#include "core/process.h"
#include "core/standin.h"
#include "core/stream.h"
#include "core/waits.h"
#include "hooks/hook.h"

int __poll_chk(struct pollfd *fds, nfds_t count, int milliseconds, size_t room);
int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                const sigset_t *mask, size_t room);

/* The program's wait, cut into pieces that end at our deadlines. */
struct wait {
    uint64_t
        end_ns; /* when the program wants to be back; CLOCK_NEVER: not before something happens */
    bool last;  /* this piece goes to the end */
    struct timespec piece;
};

static uint64_t from_milliseconds(int milliseconds)
{
    return milliseconds < 0
               ? CLOCK_NEVER
               : clock_after_ns(clock_now_ns(), (uint64_t)milliseconds * CLOCK_MILLISECOND);
}

/* Some programs mean "for ever" by a time_t as high as it goes. */
static uint64_t from_seconds(time_t seconds, long nanoseconds)
{
    if ((uint64_t)seconds >= CLOCK_NEVER / CLOCK_SECOND)
        return CLOCK_NEVER;
    return clock_after_ns(clock_now_ns(), (uint64_t)seconds * CLOCK_SECOND + (uint64_t)nanoseconds);
}

static uint64_t from_timespec(const struct timespec *timeout)
{
    return timeout == NULL ? CLOCK_NEVER : from_seconds(timeout->tv_sec, timeout->tv_nsec);
}

static void next_piece(struct wait *wait)
{
    uint64_t due = standin_due_ns();
    uint64_t now = clock_now_ns();
    uint64_t until = due < wait->end_ns ? due : wait->end_ns;
    uint64_t span = until > now ? until - now : 0;

    wait->last = wait->end_ns <= due;
    wait->piece.tv_sec = (time_t)(span / CLOCK_SECOND);
    wait->piece.tv_nsec = (long)(span % CLOCK_SECOND);
}

/* Whether to wait on, after a piece that ended with this result. */
static bool goes_on(const struct wait *wait, int result)
{
    int saved = errno;

    if (result != 0 || wait->last)
        return false;
    standin_work();
    errno = saved;
    return true;
}

static bool alone(void)
{
    return standin_due_ns() == CLOCK_NEVER;
}

/* The kernel says EINVAL. */
static bool invalid(const struct timespec *timeout)
{
    return timeout != NULL &&
           (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= (long)CLOCK_SECOND);
}

/* For what the calling thread waits from here to the end of the block; WAITS_NOT: for nothing that
 * anybody asks about. */
#define WAITS(what) __attribute__((cleanup(waits_over))) const uint64_t waiting = waits_now(what)

static uint64_t waits_now(uint64_t what)
{
    if (what != WAITS_NOT)
        waits_begin(what);
    return what;
}

static void waits_over(const uint64_t *what)
{
    if (*what != WAITS_NOT)
        waits_end();
}

/* Who waits for one descriptor alone waits for a client, or for something else of its own (another
 * server's answer, a lock). A child that serves one connection often does so before it calls
 * anything else of ours (nrpe). */
static uint64_t waits_for_one(int fd)
{
    int saved = errno;
    conn_handle client = fd >= 0 && hook_active() ? stream_waited(fd) : 0;

    errno = saved;
    return client != 0 ? client : WAITS_NOT;
}

static bool serves(void)
{
    return process_known() != NULL || process_is_new();
}

/* The arguments of larger calls, and of programs that serve nobody, are not looked at: the kernel
 * has not checked them yet. */
static uint64_t waits_of_poll(const struct pollfd *fds, nfds_t count)
{
    if (count == 1 && fds != NULL)
        return waits_for_one(fds->fd);
    return count != 0 ? WAITS_FOR_EVENTS : WAITS_NOT;
}

static int piece_milliseconds(const struct wait *wait)
{
    /* Rounded up: not back before the time. */
    return (int)(wait->piece.tv_sec * 1000 + (wait->piece.tv_nsec + 999999) / 1000000);
}

static const struct timespec *piece_timespec(const struct wait *wait)
{
    return wait->last && wait->end_ns == CLOCK_NEVER ? NULL : &wait->piece;
}

/* A wait for ever in its last piece. */
static int piece_or_ever(const struct wait *wait)
{
    return piece_timespec(wait) == NULL ? -1 : piece_milliseconds(wait);
}

HOOK int epoll_wait(int epoll, struct epoll_event *events, int count, int milliseconds)
{
    WAITS(WAITS_FOR_EVENTS);
    struct wait wait;
    int result;

    if (alone())
        return next_libc()->epoll_wait(epoll, events, count, milliseconds);
    wait.end_ns = from_milliseconds(milliseconds);
    do {
        next_piece(&wait);
        result = next_libc()->epoll_wait(epoll, events, count, piece_or_ever(&wait));
    } while (goes_on(&wait, result));
    return result;
}

HOOK int epoll_pwait(int epoll, struct epoll_event *events, int count, int milliseconds,
                     const sigset_t *mask)
{
    WAITS(WAITS_FOR_EVENTS);
    struct wait wait;
    int result;

    if (alone())
        return next_libc()->epoll_pwait(epoll, events, count, milliseconds, mask);
    wait.end_ns = from_milliseconds(milliseconds);
    do {
        next_piece(&wait);
        result = next_libc()->epoll_pwait(epoll, events, count, piece_or_ever(&wait), mask);
    } while (goes_on(&wait, result));
    return result;
}

HOOK int poll(struct pollfd *fds, nfds_t count, int milliseconds)
{
    WAITS(serves() ? waits_of_poll(fds, count) : WAITS_NOT);
    struct wait wait;
    int result;

    if (alone())
        return next_libc()->poll(fds, count, milliseconds);
    wait.end_ns = from_milliseconds(milliseconds);
    do {
        next_piece(&wait);
        result = next_libc()->poll(fds, count, piece_or_ever(&wait));
    } while (goes_on(&wait, result));
    return result;
}

HOOK int __poll_chk(struct pollfd *fds, nfds_t count, int milliseconds, size_t room)
{
    return room / sizeof(*fds) < count ? next_libc()->__poll_chk(fds, count, milliseconds, room)
                                       : poll(fds, count, milliseconds);
}

HOOK int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
               const sigset_t *mask)
{
    WAITS(serves() ? waits_of_poll(fds, count) : WAITS_NOT);
    struct wait wait;
    int result;

    if (alone() || invalid(timeout))
        return next_libc()->ppoll(fds, count, timeout, mask);
    wait.end_ns = from_timespec(timeout);
    do {
        next_piece(&wait);
        result = next_libc()->ppoll(fds, count, piece_timespec(&wait), mask);
    } while (goes_on(&wait, result));
    return result;
}

HOOK int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                     const sigset_t *mask, size_t room)
{
    return room / sizeof(*fds) < count ? next_libc()->__ppoll_chk(fds, count, timeout, mask, room)
                                       : ppoll(fds, count, timeout, mask);
}

/* select() leaves its sets empty when a piece ends without an event: keep what was asked. A program
 * may have allocated no more of a set than the kernel looks at: whole words, up to `count`. */
struct sets {
    fd_set read;
    fd_set write;
    fd_set except;
};

static void copy_set(fd_set *to, const fd_set *from, int count)
{
    size_t words = ((size_t)count + NFDBITS - 1) / NFDBITS;

    if (to != NULL && from != NULL)
        memcpy(to, from, words * sizeof(fd_mask));
}

static int pieces_of_select(int count, fd_set *read, fd_set *write, fd_set *except,
                            struct wait *wait, const sigset_t *mask)
{
    struct sets asked;
    int result;

    copy_set(&asked.read, read, count);
    copy_set(&asked.write, write, count);
    copy_set(&asked.except, except, count);
    for (;;) {
        next_piece(wait);
        result = next_libc()->pselect(count, read, write, except, piece_timespec(wait), mask);
        if (!goes_on(wait, result))
            return result;
        copy_set(read, &asked.read, count);
        copy_set(write, &asked.write, count);
        copy_set(except, &asked.except, count);
    }
}

/* One descriptor alone is the highest; the sets are looked at in a new child only. */
static uint64_t waits_of_select(int count, const fd_set *read)
{
    if (read != NULL && count > 0 && count <= FD_SETSIZE && process_is_new() &&
        FD_ISSET(count - 1, read))
        return waits_for_one(count - 1);
    return count != 0 ? WAITS_FOR_EVENTS : WAITS_NOT;
}

/* Sets of more than FD_SETSIZE descriptors are longer than fd_set: left alone, and so is what the
 * kernel refuses. */
static bool select_alone(int count)
{
    return alone() || count < 0 || count > FD_SETSIZE;
}

HOOK int select(int count, fd_set *restrict read, fd_set *restrict write, fd_set *restrict except,
                struct timeval *restrict timeout)
{
    WAITS(waits_of_select(count, read));
    struct wait wait = {.end_ns = CLOCK_NEVER};
    uint64_t now;
    int result;

    if (select_alone(count) || (timeout != NULL && (timeout->tv_sec < 0 || timeout->tv_usec < 0)))
        return next_libc()->select(count, read, write, except, timeout);
    if (timeout != NULL)
        wait.end_ns = from_seconds(timeout->tv_sec, (long)timeout->tv_usec * 1000);
    result = pieces_of_select(count, read, write, except, &wait, NULL);
    /* Linux leaves there what is left of the time, select(2). */
    now = clock_now_ns();
    if (timeout != NULL) {
        uint64_t left = wait.end_ns > now ? wait.end_ns - now : 0;

        timeout->tv_sec = (time_t)(left / CLOCK_SECOND);
        timeout->tv_usec = (suseconds_t)(left % CLOCK_SECOND / 1000);
    }
    return result;
}

HOOK int pselect(int count, fd_set *restrict read, fd_set *restrict write, fd_set *restrict except,
                 const struct timespec *restrict timeout, const sigset_t *restrict mask)
{
    WAITS(waits_of_select(count, read));
    struct wait wait;

    if (select_alone(count) || invalid(timeout))
        return next_libc()->pselect(count, read, write, except, timeout, mask);
    wait.end_ns = from_timespec(timeout);
    return pieces_of_select(count, read, write, except, &wait, mask);
}
