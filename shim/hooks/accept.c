/* Where connections come from. */
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

HOOK int accept(int fd, struct sockaddr *address, socklen_t *length)
{
    return accepted(fd, next_libc()->accept(fd, address, length));
}

HOOK int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    return accepted(fd, next_libc()->accept4(fd, address, length, flags));
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
