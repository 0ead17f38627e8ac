#include "core/standin.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/examine.h"
#include "core/round.h"

static bool blocks(int fd)
{
    long flags = syscall(SYS_fcntl, fd, F_GETFL);

    return flags >= 0 && (flags & O_NONBLOCK) == 0;
}

static uint64_t span_after_ns(uint64_t now, const struct timeval *span)
{
    uint64_t ns = (uint64_t)span->tv_sec * CLOCK_SECOND + (uint64_t)span->tv_usec * 1000;

    return ns != 0 ? clock_after_ns(now, ns) : CLOCK_NEVER;
}

/* Whether there is something to read by then. A signal does not end the wait: the read that follows
 * would have been restarted, too, by most handlers (SA_RESTART). */
static bool readable_by(int fd, uint64_t when_ns)
{
    struct pollfd client = {.fd = fd, .events = POLLIN};
    uint64_t now = clock_now_ns();
    uint64_t span = when_ns > now ? when_ns - now : 0;
    struct timespec wait = {
        .tv_sec = (time_t)(span / CLOCK_SECOND),
        .tv_nsec = (long)(span % CLOCK_SECOND),
    };

    return syscall(SYS_ppoll, &client, 1, &wait, NULL, 0) > 0;
}

/* When the program's own read would give up: SO_RCVTIMEO, or an alarm whose handler interrupts. */
static uint64_t gives_up_ns(int fd)
{
    struct timeval timeout = {0};
    socklen_t length = sizeof(timeout);
    struct itimerval alarm = {0};
    struct sigaction action = {0};
    uint64_t first = CLOCK_NEVER;
    uint64_t now = clock_now_ns();

    if (getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, &length) == 0)
        first = span_after_ns(now, &timeout);
    if (getitimer(ITIMER_REAL, &alarm) == 0 && sigaction(SIGALRM, NULL, &action) == 0 &&
        (action.sa_flags & SA_RESTART) == 0) {
        uint64_t when = span_after_ns(now, &alarm.it_value);

        first = when < first ? when : first;
    }
    return first;
}

void standin_wait(struct process *process, conn_handle handle, int fd, bool may_wait)
{
    uint64_t again = 0;

    while (examine_at(process, handle, fd, &again) == EXAMINED_AGAIN && may_wait && blocks(fd))
        if (gives_up_ns(fd) <= again || readable_by(fd, again))
            return;
}

uint64_t standin_due_ns(void)
{
    struct process *process = process_known();
    uint64_t armed;

    if (process == NULL || !atomic_load_explicit(&process->threadless, memory_order_relaxed))
        return CLOCK_NEVER;
    /* Not in a vfork child: the work is its parent's. */
    if (process_here() == NULL)
        return CLOCK_NEVER;
    armed = atomic_load_explicit(&process->armed_ns, memory_order_seq_cst);
    return armed != 0 ? armed : CLOCK_NEVER;
}

void standin_work(void)
{
    struct process *process = process_here();

    /* If another thread is at it, that is enough. */
    if (process != NULL)
        round_work(process);
}
