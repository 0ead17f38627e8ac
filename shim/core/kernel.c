#include "core/kernel.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/clock.h"

/* Numbers that older headers lack: include/uapi/asm-generic/socket.h, include/net/tcp_states.h. */
#ifndef SO_COOKIE
#define SO_COOKIE 57
#endif
#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
enum { STATE_CLOSE = 7, STATE_CLOSE_WAIT = 8, STATE_LISTEN = 10 };

bool kernel_cookie(int fd, uint64_t *cookie)
{
    socklen_t length = sizeof(*cookie);

    return getsockopt(fd, SOL_SOCKET, SO_COOKIE, cookie, &length) == 0;
}

bool kernel_is_tcp(int fd)
{
    int protocol = 0;
    socklen_t length = sizeof(protocol);

    return getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) == 0 &&
           (protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP);
}

uint16_t kernel_local_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_storage storage;
    } address;
    socklen_t length = sizeof(address);

    memset(&address, 0, sizeof(address));
    if (!kernel_is_tcp(fd) || getsockname(fd, &address.any, &length) != 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.in6.sin6_port : address.in.sin_port);
}

void kernel_look(int fd, struct kernel_facts *facts)
{
    struct tcp_info info;
    socklen_t length = sizeof(info);
    int unread = 0;

    memset(facts, 0, sizeof(*facts));
    memset(&info, 0, sizeof(info));
    if (ioctl(fd, SIOCINQ, &unread) == 0 && unread > 0)
        facts->unread = (uint32_t)unread;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
        return;
    facts->connected = info.tcpi_state != STATE_LISTEN && info.tcpi_state != STATE_CLOSE;
    facts->quiet_ns = info.tcpi_last_data_recv * CLOCK_MILLISECOND;
    facts->answered_ns = info.tcpi_last_data_sent * CLOCK_MILLISECOND;
    facts->segments = info.tcpi_data_segs_in;
    facts->received = info.tcpi_bytes_received;
    facts->left = info.tcpi_state >= STATE_CLOSE_WAIT && info.tcpi_state != STATE_LISTEN;
    /* The client's FIN counts as a byte there. */
    if (facts->left && facts->received > 0)
        facts->received--;
    facts->sent = info.tcpi_bytes_sent + info.tcpi_notsent_bytes;
    facts->known =
        length >= offsetof(struct tcp_info, tcpi_bytes_sent) + sizeof(info.tcpi_bytes_sent);
}

bool kernel_has_unread(int fd)
{
    int unread = 0;

    return ioctl(fd, SIOCINQ, &unread) == 0 && unread > 0;
}

uint32_t kernel_accept_queue(int fd)
{
    struct tcp_info info;
    socklen_t length = sizeof(info);

    memset(&info, 0, sizeof(info));
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0 ||
        info.tcpi_state != STATE_LISTEN)
        return 0;
    return info.tcpi_unacked;
}
