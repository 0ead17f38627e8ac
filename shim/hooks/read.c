/* The client's bytes, as the program reads them. */

/* The fortified headers define read() and its kind inline, in terms of what is hooked here. */
#undef _FORTIFY_SOURCE
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/stream.h"
#include "core/track.h"
#include "core/waits.h"
#include "hooks/hook.h"

/* With these the bytes are left where they are, cut off, or no bytes of the stream at all. */
#define NOT_THE_STREAM (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE | MSG_TRUNC)

/* What fortified programs call; libc's headers do not declare them to others. */
ssize_t __read_chk(int fd, void *buffer, size_t size, size_t room);
ssize_t __recv_chk(int fd, void *buffer, size_t size, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *buffer, size_t size, size_t room, int flags,
                       struct sockaddr *address, socklen_t *length);

/* Nearly every read of a program has nothing to tell: it does not even look at errno. */
static inline conn_handle begin(int fd, int flags)
{
    conn_handle handle;
    int saved;

    if (!stream_read_matters(fd))
        return 0;
    saved = errno;
    handle = stream_read_begin(fd, (flags & MSG_DONTWAIT) == 0);
    errno = saved;
    if (handle == 0 || (flags & NOT_THE_STREAM) != 0)
        return 0;
    waits_begin(handle);
    return handle;
}

static void tell(int fd, conn_handle handle, const void *bytes, size_t length)
{
    int saved = errno;

    stream_read_end(fd, handle, bytes, length);
    errno = saved;
}

static inline ssize_t end(int fd, conn_handle handle, const void *bytes, ssize_t result)
{
    if (handle == 0)
        return result;
    waits_end();
    if (result > 0)
        tell(fd, handle, bytes, (size_t)result);
    return result;
}

static ssize_t end_vector(int fd, conn_handle handle, const struct iovec *vector, size_t count,
                          ssize_t result)
{
    size_t left = result > 0 ? (size_t)result : 0;

    if (handle == 0)
        return result;
    waits_end();
    for (size_t i = 0; i < count && left > 0; i++) {
        size_t length = vector[i].iov_len < left ? vector[i].iov_len : left;

        tell(fd, handle, vector[i].iov_base, length);
        left -= length;
    }
    return result;
}

HOOK ssize_t read(int fd, void *buffer, size_t size)
{
    conn_handle handle = begin(fd, 0);

    return end(fd, handle, buffer, next_libc()->read(fd, buffer, size));
}

HOOK ssize_t __read_chk(int fd, void *buffer, size_t size, size_t room)
{
    conn_handle handle = begin(fd, 0);

    return end(fd, handle, buffer, next_libc()->__read_chk(fd, buffer, size, room));
}

HOOK ssize_t readv(int fd, const struct iovec *vector, int count)
{
    conn_handle handle = begin(fd, 0);

    return end_vector(fd, handle, vector, count > 0 ? (size_t)count : 0,
                      next_libc()->readv(fd, vector, count));
}

HOOK ssize_t recv(int fd, void *buffer, size_t size, int flags)
{
    conn_handle handle = begin(fd, flags);

    return end(fd, handle, buffer, next_libc()->recv(fd, buffer, size, flags));
}

HOOK ssize_t __recv_chk(int fd, void *buffer, size_t size, size_t room, int flags)
{
    conn_handle handle = begin(fd, flags);

    return end(fd, handle, buffer, next_libc()->__recv_chk(fd, buffer, size, room, flags));
}

HOOK ssize_t recvfrom(int fd, void *restrict buffer, size_t size, int flags,
                      struct sockaddr *restrict address, socklen_t *restrict length)
{
    conn_handle handle = begin(fd, flags);

    return end(fd, handle, buffer, next_libc()->recvfrom(fd, buffer, size, flags, address, length));
}

HOOK ssize_t __recvfrom_chk(int fd, void *restrict buffer, size_t size, size_t room, int flags,
                            struct sockaddr *restrict address, socklen_t *restrict length)
{
    conn_handle handle = begin(fd, flags);

    return end(fd, handle, buffer,
               next_libc()->__recvfrom_chk(fd, buffer, size, room, flags, address, length));
}

static void take_in(const struct cmsghdr *part)
{
    size_t size = part->cmsg_len - CMSG_LEN(0);
    int fd;

    for (size_t at = 0; at + sizeof(fd) <= size; at += sizeof(fd)) {
        memcpy(&fd, CMSG_DATA(part) + at, sizeof(fd));
        track_received(fd);
    }
}

static void received(struct msghdr *message)
{
    int saved = errno;

    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL;
         part = CMSG_NXTHDR(message, part))
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS)
            take_in(part);
    errno = saved;
}

HOOK ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    conn_handle handle = begin(fd, flags);
    ssize_t result = next_libc()->recvmsg(fd, message, flags);

    if (result > 0 && message->msg_controllen != 0 && hook_active())
        received(message);
    /* A message that the kernel could not read (EFAULT) is not looked at. */
    return result > 0 ? end_vector(fd, handle, message->msg_iov, message->msg_iovlen, result)
                      : end(fd, handle, NULL, result);
}
