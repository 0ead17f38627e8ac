#include "core/standin.h"

#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <sys/syscall.h>
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

void standin_wait(struct process *process, conn_handle handle, int fd)
{
    uint64_t again = 0;

    while (examine_at(process, handle, fd, &again) == EXAMINED_AGAIN && blocks(fd))
        if (readable_by(fd, again))
            return;
}

uint64_t standin_due_ns(void)
{
    struct process *process = process_known();
    uint64_t armed;

    if (process == NULL || !atomic_load_explicit(&process->threadless, memory_order_relaxed))
        return CLOCK_NEVER;
    armed = atomic_load_explicit(&process->armed_ns, memory_order_seq_cst);
    return armed != 0 ? armed : CLOCK_NEVER;
}

void standin_work(void)
{
    static atomic_flag busy = ATOMIC_FLAG_INIT;
    struct process *process = process_here();

    /* One thread is enough; the queue is one thread's at a time. */
    if (process == NULL || atomic_flag_test_and_set_explicit(&busy, memory_order_acquire))
        return;
    round_work(process);
    atomic_flag_clear_explicit(&busy, memory_order_release);
}
