/* The third witness: what the kernel says of a socket.
 *
 * One or two system calls each, no state. Any thread, signal handler or vfork child. errno is not
 * kept: the hooks do that. */
#ifndef SHAKEOUT_CORE_KERNEL_H
#define SHAKEOUT_CORE_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

/* SO_COOKIE (Linux 4.12): a number that no other socket ever gets. False: no socket. */
bool kernel_cookie(int fd, uint64_t *cookie);

bool kernel_is_tcp(int fd); /* or MPTCP */

/* Local port of a TCP or MPTCP socket over IPv4 or IPv6; 0: something else. */
uint16_t kernel_local_port(int fd);

struct kernel_facts {
    bool known;           /* false: no TCP_INFO with byte counts (before Linux 4.19) */
    bool connected;       /* there is, or was, somebody at the other end; not a listening socket */
    bool left;            /* the client has closed its side */
    uint64_t received;    /* bytes that the client sent, tcpi_bytes_received */
    uint64_t sent;        /* bytes that the server sent, or wrote and could not yet send */
    uint32_t segments;    /* ... in so many pieces, tcpi_data_segs_in */
    uint32_t unread;      /* client's bytes that the program has not read, SIOCINQ */
    uint64_t answered_ns; /* since the server last sent something, tcpi_last_data_sent */
    uint64_t quiet_ns;    /* since the client's last byte came, tcpi_last_data_recv */
};

/* TCP_INFO and SIOCINQ: tcp(7), include/uapi/linux/tcp.h. */
void kernel_look(int fd, struct kernel_facts *facts);

/* Whether there is something to read, SIOCINQ alone. */
bool kernel_has_unread(int fd);

/* How many clients wait in the queue of a listening socket, tcpi_unacked; 0 for others. */
uint32_t kernel_accept_queue(int fd);

#endif
