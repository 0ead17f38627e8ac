/* Where connections come from. */
#include <sys/syscall.h>
#include <unistd.h>

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

/* Whether the call goes on to the next one. Of a client that is turned away nothing is left in its
 * result. */
static bool takes_next(struct pressure_door *door, int listener, int *fd, socklen_t *length,
                       socklen_t room)
{
    enum pressure_answer answer = PRESSURE_LET_IN;
    int saved = errno;

    if (*fd >= 0 && hook_active())
        answer = pressure_at_the_door(door, listener, *fd);
    if (answer != PRESSURE_LET_IN) {
        syscall(SYS_close, *fd); /* libc's may be cancelled before it closes */
        *fd = -1;
        if (length != NULL)
            *length = room;
    }
    errno = answer == PRESSURE_NOBODY ? EAGAIN : saved;
    return answer == PRESSURE_TAKE_NEXT;
}

/* Without an address the kernel looks at no length either, wherever it points to: nor do we. */
static socklen_t room_for(const struct sockaddr *address, socklen_t **length)
{
    if (address == NULL)
        *length = NULL;
    return *length != NULL ? **length : 0;
}

HOOK int accept(int fd, struct sockaddr *address, socklen_t *length)
{
    socklen_t room = room_for(address, &length);
    struct pressure_door door = {0};
    int result = next_libc()->accept(fd, address, length);

    while (takes_next(&door, fd, &result, length, room))
        result = next_libc()->accept(fd, address, length);
    return accepted(fd, result);
}

HOOK int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    socklen_t room = room_for(address, &length);
    struct pressure_door door = {0};
    int result = next_libc()->accept4(fd, address, length, flags);

    while (takes_next(&door, fd, &result, length, room))
        result = next_libc()->accept4(fd, address, length, flags);
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
