/* A process that never does TLS and has no TLS library: an echo server on TCP and on a Unix socket,
 * which also holds files and pipes. There is nothing here for anybody to do.
 *
 *   --at PORT  listens there
 *   --unix     talks to itself over the Unix socket after 2.5 s: "unix ok" */
#include "lib/host.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MOST = 256 };

static int listen_unix(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    /* The family alone: the kernel picks an abstract name (unix(7), autobind). */
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address.sun_family) < 0 ||
        listen(fd, 16) < 0)
        host_die("Unix socket");
    return fd;
}

static void *talk_to_itself(void *argument)
{
    const int *unix_listener = argument;
    struct sockaddr_un address;
    socklen_t length = sizeof address;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char byte;

    if (getsockname(*unix_listener, (struct sockaddr *)&address, &length) < 0 ||
        connect(fd, (struct sockaddr *)&address, length) < 0)
        host_die("Unix client");
    host_sleep(2.5);
    if (write(fd, "u", 1) != 1 || read(fd, &byte, 1) != 1 || byte != 'u')
        host_die("the Unix connection was shut");
    host_say("unix ok");
    close(fd);
    return NULL;
}

int main(int argc, char **argv)
{
    struct pollfd polled[MOST] = {{0}};
    nfds_t count = 2;
    const uint16_t at = (uint16_t)atoi(host_value(argc, argv, "--at", "0"));
    int channel[2];

    host_init();
    polled[0] = (struct pollfd){.fd = host_listen(at), .events = POLLIN};
    polled[1] = (struct pollfd){.fd = listen_unix(), .events = POLLIN};
    if (pipe(channel) < 0 || open("/dev/null", O_RDWR) < 0)
        host_die("files");
    host_announce("port", polled[0].fd);
    if (host_option(argc, argv, "--unix"))
        host_thread(talk_to_itself, &polled[1].fd);
    for (;;) {
        if (poll(polled, count, -1) < 0 && errno != EINTR)
            host_die("poll");
        for (nfds_t i = count; i-- > 0;) {
            char buffer[4096];
            ssize_t got;

            if (polled[i].revents == 0)
                continue;
            if (i < 2) {
                if (count < MOST)
                    polled[count++] =
                        (struct pollfd){.fd = host_accept(polled[i].fd), .events = POLLIN};
                continue;
            }
            got = read(polled[i].fd, buffer, sizeof buffer);
            if (got <= 0 || !host_write_all(polled[i].fd, buffer, (size_t)got)) {
                close(polled[i].fd);
                polled[i] = polled[--count];
            }
        }
    }
}
