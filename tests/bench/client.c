/* Many clients for a server on 127.0.0.1.
 *
 *   client PORT connect COUNT              connects and waits to be closed, one after the other
 *   client PORT leave COUNT                connects and goes away, one after the other
 *   client PORT handshake COUNT            whole handshakes, one after the other
 *   client PORT handshakes SECONDS THREADS whole handshakes in so many threads; prints "done N"
 *   client PORT hold COUNT                 prints "held N", ends at the end of its standard input
 *
 * A handshake is never resumed. Source addresses go round, so that no connection waits for the port
 * of an older one. */
#include "lib/host.h"
#include "lib/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

static uint16_t port;
static SSL_CTX *context;
static double until;
static atomic_ulong done;
static atomic_uint connections;

/* 127.1.0.1 to 127.1.199.200 in turn. */
static int connected(void)
{
    const unsigned int turn = atomic_fetch_add_explicit(&connections, 1, memory_order_relaxed);
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    from.sin_addr.s_addr = htonl(0x7f010001U + (turn / 200 % 200 << 8) + turn % 200);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ||
        bind(fd, (struct sockaddr *)&from, sizeof from) < 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        host_die("connect to port %u", port);
    return fd;
}

/* Until the server has closed it. */
static void wait_for_end(int fd)
{
    char buffer[4096];

    while (read(fd, buffer, sizeof buffer) > 0)
        continue;
    close(fd);
}

static void handshake(void)
{
    const int fd = connected();
    SSL *ssl = SSL_new(context);

    if (!ssl || SSL_set_fd(ssl, fd) != 1)
        host_die("SSL_new");
    if (SSL_connect(ssl) != 1)
        host_die("handshake");
    /* What the server reads next is the end, and the handshake is over for it too. */
    shutdown(fd, SHUT_WR);
    SSL_free(ssl);
    wait_for_end(fd);
}

static void *handshakes(void *unused)
{
    while (host_now() < until) {
        handshake();
        atomic_fetch_add_explicit(&done, 1, memory_order_relaxed);
    }
    return unused;
}

static void in_threads(double seconds, int threads)
{
    pthread_t thread[64];

    until = host_now() + seconds;
    if (threads < 1 || threads > 64)
        host_die("1 to 64 threads");
    for (int i = 0; i < threads; i++)
        if (pthread_create(&thread[i], NULL, handshakes, NULL) != 0)
            host_die("pthread_create");
    for (int i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    host_say("done %lu", atomic_load(&done));
}

static void hold(long count)
{
    char end;

    for (long i = 0; i < count; i++)
        connected();
    host_say("held %ld", count);
    while (read(0, &end, 1) > 0)
        continue;
}

int main(int argc, char **argv)
{
    const char *what;
    long count;

    if (argc < 4) {
        errno = EINVAL;
        host_die("PORT connect|leave|handshake|handshakes|hold N");
    }
    host_init();
    context = tls_client();
    port = (uint16_t)atoi(argv[1]);
    what = argv[2];
    count = atol(argv[3]);
    if (strcmp(what, "hold") == 0)
        hold(count);
    else if (strcmp(what, "handshakes") == 0)
        in_threads(strtod(argv[3], NULL), argc > 4 ? atoi(argv[4]) : 1);
    else
        for (long i = 0; i < count; i++) {
            if (strcmp(what, "connect") == 0)
                wait_for_end(connected());
            else if (strcmp(what, "leave") == 0)
                close(connected());
            else
                handshake();
        }
    return 0;
}
