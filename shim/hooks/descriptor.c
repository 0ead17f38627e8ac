/* Descriptors that end, move and multiply; and the guard that keeps the program's hands off ours.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/fdmap.h"
#include "core/own.h"
#include "core/reaper.h"
#include "core/track.h"
#include "hooks/hook.h"

/* Older headers of glibc (close_range and closefrom came with 2.34) and of Linux (5.9, 5.11). */
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE (1U << 1)
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif
#if !__GLIBC_PREREQ(2, 34)
int close_range(unsigned int first, unsigned int last, int flags);
void closefrom(int low);
#endif

/* The hooks below must come before the kernel acts: as soon as a number is free, another thread may
 * get it for a new connection. */
static void closing(int fd)
{
    int saved = errno;

    track_closing(fd);
    errno = saved;
}

static bool is_ours(int fd)
{
    int saved = errno;
    bool ours = own_is(fd);

    errno = saved;
    return ours;
}

static int copied(int from, int to)
{
    int saved = errno;

    if (to >= 0 && from != to)
        track_copied(from, to);
    errno = saved;
    return to;
}

HOOK int close(int fd)
{
    if (is_ours(fd)) {
        errno = EBADF; /* as far as the program knows, it is not open */
        return -1;
    }
    closing(fd);
    return next_libc()->close(fd);
}

/* A libc before 2.34 has none, and a program finds ours all the same. */
static int next_close_range(unsigned int first, unsigned int last, int flags)
{
    if (next_libc()->close_range == NULL)
        return (int)syscall(SYS_close_range, first, last, flags);
    return next_libc()->close_range(first, last, flags);
}

/* [first, last] without the descriptors in it that are ours. */
static int close_around_ours(unsigned int first, unsigned int last, int flags)
{
    int ours = own_next(first, last);

    while (ours >= 0) {
        unsigned int number = (unsigned int)ours;

        if (number > first && next_close_range(first, number - 1, flags) != 0)
            return -1;
        if (number == last)
            return 0;
        first = number + 1;
        ours = own_next(first, last);
    }
    return next_close_range(first, last, flags);
}

/* The thread would stay behind in the old table of descriptors, and keep all of its sockets open.
 */
static int close_and_unshare(unsigned int first, unsigned int last, int flags)
{
    int saved = errno;
    struct process *process = process_here();
    int result;

    if (process != NULL)
        reaper_dismiss(process);
    errno = saved;
    result = close_around_ours(first, last, flags);
    saved = errno;
    if (process != NULL)
        reaper_resume(process);
    errno = saved;
    return result;
}

HOOK int close_range(unsigned int first, unsigned int last, int flags)
{
    int saved = errno;

    if (first > last || (flags & (int)CLOSE_RANGE_CLOEXEC) != 0)
        return next_close_range(first, last, flags);
    track_closing_range(first, last);
    errno = saved;
    if ((flags & (int)CLOSE_RANGE_UNSHARE) != 0)
        return close_and_unshare(first, last, flags);
    return close_around_ours(first, last, flags);
}

HOOK void closefrom(int low)
{
    unsigned int first = low < 0 ? 0 : (unsigned int)low;
    int saved = errno;
    int ours;

    track_closing_range(first, ~0U);
    /* libc falls back on /proc/self/fd where there is no close_range(): not around ours. */
    while ((ours = own_next(first, ~0U)) >= 0) {
        for (; first < (unsigned int)ours; first++)
            next_libc()->close((int)first);
        first++;
    }
    errno = saved;
    if (next_libc()->closefrom != NULL)
        next_libc()->closefrom((int)first);
}

HOOK int dup(int fd)
{
    return is_ours(fd) ? next_libc()->dup(-1) : copied(fd, next_libc()->dup(fd));
}

/* The program takes one of our numbers: ours move. */
static void make_room(int number)
{
    struct process *process = process_here();

    if (process == NULL)
        return;
    reaper_dismiss(process);
    own_vacate(number);
    reaper_resume(process);
}

/* The number that the program wants is freed of what it was. */
static void replacing(int from, int to)
{
    int saved = errno;

    if (own_is(to))
        make_room(to);
    if (from != to && fdmap_entry(to) != 0 && fcntl(from, F_GETFD) >= 0)
        track_closing(to);
    errno = saved;
}

HOOK int dup2(int from, int to)
{
    replacing(from, to);
    return copied(from, next_libc()->dup2(from, to));
}

HOOK int dup3(int from, int to, int flags)
{
    replacing(from, to);
    return copied(from, next_libc()->dup3(from, to, flags));
}

static int fcntl_done(int fd, int command, int result)
{
    return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? copied(fd, result) : result;
}

/* Variadic, but the one argument is an int or a pointer and travels in the same register. */
HOOK int fcntl(int fd, int command, ...)
{
    va_list arguments;
    void *argument;

    va_start(arguments, command);
    argument = va_arg(arguments, void *);
    va_end(arguments);
    return fcntl_done(fd, command, next_libc()->fcntl(fd, command, argument));
}

HOOK int fcntl64(int fd, int command, ...)
{
    va_list arguments;
    void *argument;

    va_start(arguments, command);
    argument = va_arg(arguments, void *);
    va_end(arguments);
    return fcntl_done(fd, command, next_libc()->fcntl64(fd, command, argument));
}
