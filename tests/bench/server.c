/* A small event-loop server to measure the library by.
 *
 *   --close        closes every connection as soon as it is accepted
 *   --hold         keeps every connection and never looks at it
 *   --begin        the same, after SSL_accept() has been called once
 *   (otherwise)    does the handshake and sends back what comes
 *   --at PORT      listens there
 *   --count N      ends when N connections have been closed
 *   --high         moves every connection to the highest descriptors that there can be */
#include "lib/host.h"
#include "lib/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 64 };

static SSL_CTX *context;
static bool close_at_once, hold, begin, high;
static long left;
static int loop;

struct peer {
    int fd;
    SSL *ssl;
};

static struct peer listening;

static void ended(void)
{
    if (left > 0 && --left == 0)
        exit(0);
}

static void drop(struct peer *peer)
{
    SSL_free(peer->ssl);
    close(peer->fd);
    free(peer);
    ended();
}

/* Goes on as far as the bytes reach; false at the end. */
static bool advance(struct peer *peer)
{
    char buffer[4096];
    int result = SSL_is_init_finished(peer->ssl) ? 1 : SSL_do_handshake(peer->ssl);

    while (result > 0) {
        result = SSL_read(peer->ssl, buffer, sizeof buffer);
        if (result > 0 && SSL_write(peer->ssl, buffer, result) != result)
            return false;
    }
    return SSL_get_error(peer->ssl, result) == SSL_ERROR_WANT_READ;
}

static int to_the_top(int fd)
{
    static int top = -1;
    struct rlimit limit;

    if (top < 0) {
        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
            host_die("getrlimit");
        top = (int)limit.rlim_cur;
    }
    if (dup2(fd, --top) < 0)
        host_die("dup2");
    close(fd);
    return top;
}

static void welcome(int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    struct peer *peer;

    if (close_at_once) {
        close(fd);
        ended();
        return;
    }
    if (high)
        fd = to_the_top(fd);
    if (hold)
        return;
    peer = malloc(sizeof *peer);
    if (!peer)
        host_die("malloc");
    *peer = (struct peer){.fd = fd, .ssl = tls_session(context, fd)};
    event.data.ptr = peer;
    if (!advance(peer))
        drop(peer);
    else if (!begin && epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event) < 0)
        host_die("epoll_ctl");
    /* With --begin a handshake stays where it is. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
}

static void accept_all(void)
{
    int fd;

    while ((fd = accept4(listening.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        welcome(fd);
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
        host_die("accept4");
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS] = {{.events = EPOLLIN}};

    host_init();
    context = tls_server();
    SSL_CTX_set_num_tickets(context, 0);
    close_at_once = host_option(argc, argv, "--close");
    hold = host_option(argc, argv, "--hold");
    begin = host_option(argc, argv, "--begin");
    high = host_option(argc, argv, "--high");
    left = atol(host_value(argc, argv, "--count", "0"));
    listening.fd = host_listen((uint16_t)atoi(host_value(argc, argv, "--at", "0")));
    loop = epoll_create1(EPOLL_CLOEXEC);
    events[0].data.ptr = &listening;
    if (fcntl(listening.fd, F_SETFL, O_NONBLOCK) < 0 || loop < 0 ||
        epoll_ctl(loop, EPOLL_CTL_ADD, listening.fd, &events[0]) < 0)
        host_die("epoll");
    host_announce("port", listening.fd);
    for (;;) {
        int count = epoll_wait(loop, events, EVENTS, -1);

        if (count < 0 && errno != EINTR)
            host_die("epoll_wait");
        for (int i = 0; i < count; i++) {
            struct peer *peer = events[i].data.ptr;

            if (peer == &listening)
                accept_all();
            else if (!advance(peer))
                drop(peer);
        }
    }
}
