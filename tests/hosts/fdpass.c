/* Two processes: one accepts and passes the descriptor over a Unix socket (SCM_RIGHTS), the other
 * does TLS in a thread for each connection.
 *
 *   --keep  the first process never closes its copy */
#include "lib/host.h"
#include "lib/tls.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
};

static void pass(int channel, int fd)
{
    char byte = 'x';
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    union control control = {.space = {0}};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};

    control.header = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    if (sendmsg(channel, &message, 0) != 1)
        host_die("sendmsg");
}

static int take(int channel)
{
    char byte;
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    union control control;
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    int fd;

    if (recvmsg(channel, &message, 0) != 1 || message.msg_controllen == 0 ||
        control.header.cmsg_type != SCM_RIGHTS)
        host_die("recvmsg");
    memcpy(&fd, CMSG_DATA(&control.header), sizeof fd);
    return fd;
}

int main(int argc, char **argv)
{
    const bool keep = host_option(argc, argv, "--keep");
    int channel[2];

    host_init();
    SSL_CTX *context = tls_server();
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, channel) < 0)
        host_die("socketpair");
    const pid_t pid = fork();
    if (pid < 0)
        host_die("fork");
    if (pid == 0) {
        host_init_child();
        close(channel[0]);
        for (;;)
            tls_serve_in_thread(context, take(channel[1]));
    }
    close(channel[1]);
    int listener = host_listen(0);
    host_announce("port", listener);
    for (;;) {
        const int fd = host_accept(listener);

        pass(channel[0], fd);
        if (!keep)
            close(fd);
    }
}
