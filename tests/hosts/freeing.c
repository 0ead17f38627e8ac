/* An event loop that has done with a connection when it has closed its descriptor: it does not take
 * it out of epoll, since the kernel does (epoll(7)), and frees what belongs to it. An event for a
 * connection that is closed would be a crash; here it is a loud end. */
#include "lib/host.h"
#include "lib/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct connection {
    SSL *ssl;
    int fd; /* -1: closed */
};

static void watch(int epoll, int fd, void *what)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        host_die("epoll_ctl");
}

static void take(int epoll, int listener, SSL_CTX *context)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    struct connection *connection;

    if (fd < 0)
        return;
    connection = malloc(sizeof(*connection));
    if (connection == NULL)
        host_die("malloc");
    *connection = (struct connection){.ssl = tls_session(context, fd), .fd = fd};
    watch(epoll, fd, connection);
}

/* SSL_read() drives the handshake, too. False: it has ended. */
static bool go_on(SSL *ssl)
{
    char bytes[1024];
    int got = SSL_read(ssl, bytes, sizeof(bytes));

    return got > 0 ? SSL_write(ssl, bytes, got) == got
                   : SSL_get_error(ssl, got) == SSL_ERROR_WANT_READ;
}

/* Its memory is kept, to see what comes after the close. */
static void serve(struct connection *connection)
{
    if (connection->fd < 0) {
        errno = 0;
        host_die("an event for a connection that is closed");
    }
    if (go_on(connection->ssl))
        return;
    SSL_free(connection->ssl);
    close(connection->fd);
    connection->fd = -1;
}

int main(void)
{
    SSL_CTX *context;
    int listener;
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    host_init();
    context = tls_server();
    listener = host_listen(0);
    watch(epoll, listener, NULL);
    host_announce("port", listener);
    for (;;) {
        struct epoll_event event;

        if (epoll_wait(epoll, &event, 1, -1) != 1)
            continue;
        if (event.data.ptr == NULL)
            take(epoll, listener, context);
        else
            serve(event.data.ptr);
    }
}
