/* A write to a connection that we have shut, or shut in the middle of it, fails with EPIPE and must
 * not raise SIGPIPE: a server that leaves that signal at its default would die of our doing. While
 * a handshake is unfinished its writes are made with MSG_NOSIGNAL; if it was not us, the signal
 * that the program would have got is raised here. */
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/stream.h"
#include "core/track.h"
#include "core/waits.h"
#include "hooks/hook.h"

/* The connection to look after; 0: none, the program's write is left as it is. */
static conn_handle guarded(int fd)
{
    const unsigned int states = CONN_UNFINISHED | CONN_IN(CONN_SHUT);
    const struct conn *conn;
    conn_handle handle;
    int saved = errno;

    if (session_inside != NULL) {
        session_nested(fd);
        errno = saved;
    }
    handle = fdmap_get(fd);
    conn = conn_get(handle);
    /* Only TCP is ever shut, and not every socket that fails with EPIPE sends a signal, too. */
    if (conn == NULL || atomic_load_explicit(&conn->port, memory_order_relaxed) == 0 ||
        (CONN_IN(conn_state(handle)) & states) == 0)
        return 0;
    waits_work_end();
    return handle;
}

/* After the call: its first bytes were good to read, the kernel has read them. */
static ssize_t ended(conn_handle handle, const void *bytes, size_t length, int flags,
                     ssize_t result)
{
    int saved = errno;

    if (result > 0)
        stream_written(handle, bytes, length < (size_t)result ? length : (size_t)result);
    errno = saved;
    if (result < 0 && errno == EPIPE && (flags & MSG_NOSIGNAL) == 0 &&
        conn_state(handle) != CONN_SHUT) {
        pthread_kill(pthread_self(), SIGPIPE);
        errno = EPIPE;
    }
    return result;
}

static ssize_t ended_vector(conn_handle handle, const struct iovec *vector, int flags,
                            ssize_t result)
{
    return result > 0 ? ended(handle, vector[0].iov_base, vector[0].iov_len, flags, result)
                      : ended(handle, NULL, 0, flags, result);
}

HOOK ssize_t write(int fd, const void *buffer, size_t size)
{
    conn_handle handle = guarded(fd);
    ssize_t result;

    if (handle == 0)
        return next_libc()->write(fd, buffer, size);
    result = next_libc()->send(fd, buffer, size, MSG_NOSIGNAL);
    /* The socket was closed behind our back, and its number now is a file. */
    if (result < 0 && errno == ENOTSOCK)
        return next_libc()->write(fd, buffer, size);
    return ended(handle, buffer, size, 0, result);
}

HOOK ssize_t writev(int fd, const struct iovec *vector, int count)
{
    conn_handle handle = guarded(fd);
    struct msghdr message = {0};
    ssize_t result;

    if (handle == 0 || count <= 0 || count > IOV_MAX)
        return next_libc()->writev(fd, vector, count);
    message.msg_iov = (struct iovec *)(uintptr_t)vector;
    message.msg_iovlen = (size_t)count;
    result = next_libc()->sendmsg(fd, &message, MSG_NOSIGNAL);
    if (result < 0 && errno == ENOTSOCK)
        return next_libc()->writev(fd, vector, count);
    return ended_vector(handle, vector, 0, result);
}

HOOK ssize_t send(int fd, const void *buffer, size_t size, int flags)
{
    conn_handle handle = guarded(fd);

    if (handle == 0)
        return next_libc()->send(fd, buffer, size, flags);
    return ended(handle, buffer, size, flags,
                 next_libc()->send(fd, buffer, size, flags | MSG_NOSIGNAL));
}

HOOK ssize_t sendto(int fd, const void *buffer, size_t size, int flags,
                    const struct sockaddr *address, socklen_t length)
{
    conn_handle handle = guarded(fd);

    if (handle == 0)
        return next_libc()->sendto(fd, buffer, size, flags, address, length);
    return ended(handle, buffer, size, flags,
                 next_libc()->sendto(fd, buffer, size, flags | MSG_NOSIGNAL, address, length));
}

/* Descriptors may travel along, unix(7). */
static ssize_t sent_message(const struct msghdr *message, ssize_t result)
{
    if (result >= 0 && message->msg_controllen != 0)
        track_handed_on();
    return result;
}

HOOK ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    conn_handle handle = guarded(fd);
    ssize_t result;

    if (handle == 0)
        return sent_message(message, next_libc()->sendmsg(fd, message, flags));
    result = next_libc()->sendmsg(fd, message, flags | MSG_NOSIGNAL);
    return result > 0 ? ended_vector(handle, message->msg_iov, flags, result)
                      : ended(handle, NULL, 0, flags, result);
}
