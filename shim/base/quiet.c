#include "base/quiet.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static bool is_ready(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    struct timespec at_once = {0};

    return syscall(SYS_ppoll, &ready, 1, &at_once, NULL, 0) == 1 && (ready.revents & POLLOUT) != 0;
}

/* Takes a signal of this thread back that the write has sent, unless it was pending before. */
static void take_back(int number, const sigset_t *pending)
{
    const struct timespec at_once = {0};
    sigset_t one;

    if (sigismember(pending, number))
        return;
    sigemptyset(&one);
    sigaddset(&one, number);
    syscall(SYS_rt_sigtimedwait, &one, NULL, &at_once, _NSIG / 8);
}

void quiet_write(int fd, const char *bytes, size_t length)
{
    sigset_t held;
    sigset_t before;
    sigset_t pending;

    if (!is_ready(fd))
        return;
    /* SIGPIPE and SIGXFSZ are aimed at the writing thread (pipe(7), setrlimit(2)): held back, and
     * taken off again. SIGTTOU is not even sent while it is held back (termios(3)). */
    sigemptyset(&held);
    sigaddset(&held, SIGPIPE);
    sigaddset(&held, SIGXFSZ);
    sigaddset(&held, SIGTTOU);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &held, &before);
    if (syscall(SYS_write, fd, bytes, length) < 0) {
        if (errno == EPIPE)
            take_back(SIGPIPE, &pending);
        else if (errno == EFBIG)
            take_back(SIGXFSZ, &pending);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
