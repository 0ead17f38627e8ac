#include "base/log_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/kept.h"

/* Raw system calls, all of them: connect() and sendmsg() are hooked, and are cancellation points.
 */
static int make_socket(void)
{
    return (int)syscall(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static bool connect_to(int fd, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    return syscall(SYS_connect, fd, &address, sizeof(address)) == 0;
}

void log_socket_open(const char *path)
{
    int fd = make_socket();

    if (fd < 0)
        return;
    connect_to(fd, path);
    kept_put(fd);
}

static void send_over(int fd, const char *path, struct iovec *parts, size_t count)
{
    const struct msghdr datagram = {.msg_iov = parts, .msg_iovlen = count};
    const int flags = MSG_NOSIGNAL | MSG_DONTWAIT;

    if (syscall(SYS_sendmsg, fd, &datagram, flags) >= 0)
        return;
    /* Not connected yet, or the other end was started anew. */
    if (errno == ENOTCONN || errno == ECONNREFUSED || errno == ECONNRESET)
        if (connect_to(fd, path))
            syscall(SYS_sendmsg, fd, &datagram, flags);
}

void log_socket_send(const char *path, struct iovec *parts, size_t count, bool keep)
{
    int fd;

    if (keep) {
        if (kept_get() < 0)
            log_socket_open(path);
        fd = kept_get();
        if (fd >= 0)
            send_over(fd, path, parts, count);
        return;
    }
    fd = make_socket();
    if (fd < 0)
        return;
    send_over(fd, path, parts, count);
    syscall(SYS_close, fd);
}

unsigned int log_priority(enum log_message message)
{
    enum { WARNING = 4, NOTICE = 5, INFORMATIONAL = 6 };

    switch (message) {
    case LOG_SETTING:
    case LOG_UNPROTECTED:
        return WARNING;
    case LOG_SHUT:
    case LOG_EVICTED:
    case LOG_SHUT_MORE:
        return NOTICE;
    default:
        return INFORMATIONAL;
    }
}
