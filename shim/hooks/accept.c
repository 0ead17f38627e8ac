/* Where connections come from. */
#include "core/pressure.h"
#include "core/track.h"
#include "hooks/hook.h"

static int accepted(int listener, int fd)
{
    int saved = errno;

    if (fd >= 0 && hook_active())
        track_accepted(listener, fd);
    else if (fd < 0)
        track_refused(saved);
    errno = saved;
    return fd;
}

HOOK int listen(int fd, int backlog)
{
    int result = next_libc()->listen(fd, backlog);
    int saved = errno;

    if (result == 0 && hook_active())
        track_listening(fd);
    errno = saved;
    return result;
}

/* How many a call may turn away at the door before it gives the program what there is. */
#define REFUSALS 64

static bool refused(int listener, int fd)
{
    int saved = errno;
    bool refuse = fd >= 0 && hook_active() && pressure_refuses(listener, fd);

    if (refuse)
        next_libc()->close(fd);
    errno = saved;
    return refuse;
}

HOOK int accept(int fd, struct sockaddr *address, socklen_t *length)
{
    socklen_t room = length != NULL ? *length : 0;
    int result = next_libc()->accept(fd, address, length);

    for (int i = 0; i < REFUSALS && refused(fd, result); i++) {
        if (address != NULL && length != NULL)
            *length = room;
        result = next_libc()->accept(fd, address, length);
    }
    return accepted(fd, result);
}

HOOK int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    socklen_t room = length != NULL ? *length : 0;
    int result = next_libc()->accept4(fd, address, length, flags);

    for (int i = 0; i < REFUSALS && refused(fd, result); i++) {
        if (address != NULL && length != NULL)
            *length = room;
        result = next_libc()->accept4(fd, address, length, flags);
    }
    return accepted(fd, result);
}

/* Before the call: a connection that is being made is outgoing already. */
HOOK int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    int saved = errno;

    if (hook_active())
        track_connecting(fd);
    errno = saved;
    return next_libc()->connect(fd, address, length);
}
