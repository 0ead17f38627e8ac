/* Clients that connect and never finish a handshake, for a server on 127.0.0.1.
 *
 *   flooders PORT KIND COUNT SECONDS FROM SOURCES
 *
 * COUNT of them, from SOURCES addresses of 127.0.0.0/8 that begin with FROM. Each one holds its
 * connection until the server ends it, and then connects again at once. KIND:
 *
 *   silent    sends nothing
 *   one-byte  the first byte of a ClientHello
 *   drip      a ClientHello, byte by byte, one in DRIP_SECONDS
 *   halfway   a whole ClientHello (its random differs each time), and ignores the answer
 *
 * Prints "flooding" when each has tried to connect, and at the end, or when it is asked to end
 * (SIGTERM), one line of JSON. One thread; a
 * flooder costs about ten system calls for each connection. */
#include "lib/host.h"
#include "lib/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

#define DRIP_SECONDS 0.2
#define TICKS        20 /* in DRIP_SECONDS; at each, every TICKSth flooder has its turn */
#define MOST         4096
#define MOST_SECONDS 3600.0

/* RFC 8446, sections 4.1.2 and 5.1: record header 5, handshake header 4, version 2. */
#define RANDOM_OFFSET 11
#define RANDOM_LENGTH 32

struct flooder {
    int fd;        /* -1: could not even connect, tries again at its turn */
    bool open;     /* the connection is there */
    size_t sent;   /* bytes of the hello */
    double opened; /* host_now() */
};

static struct sockaddr_in server;
static uint32_t first_source;
static uint32_t sources;
static bool drips;
static size_t greeting; /* how many bytes of the hello are sent at once */
static unsigned char hello[2048];
static size_t hello_length;
static struct flooder flooders[MOST];
static int events_fd;
static volatile sig_atomic_t asked_to_end;
static unsigned long attempts, opened, ended, failed;
static double life; /* of the connections that the server ended, seconds */

/* What OpenSSL's client would say first. */
static void make_hello(void)
{
    SSL *ssl = SSL_new(tls_client());
    BIO *in = BIO_new(BIO_s_mem());
    BIO *out = BIO_new(BIO_s_mem());
    int length;

    if (!ssl || !in || !out)
        host_die("SSL_new");
    SSL_set_bio(ssl, in, out);
    SSL_connect(ssl);
    length = BIO_read(out, hello, sizeof hello);
    if (length < RANDOM_OFFSET + RANDOM_LENGTH)
        host_die("no ClientHello");
    hello_length = (size_t)length;
    SSL_free(ssl);
}

static void new_random(void)
{
    static uint64_t number;

    number += UINT64_C(0x9e3779b97f4a7c15);
    memcpy(hello + RANDOM_OFFSET, &number, sizeof number);
}

static void give_up(struct flooder *flooder)
{
    close(flooder->fd);
    flooder->fd = -1;
    failed++;
}

/* Whatever cannot be done now is tried again at the flooder's next turn. */
static void begin(struct flooder *flooder)
{
    const uint32_t source = first_source + (uint32_t)(flooder - flooders) % sources;
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(source)};
    struct epoll_event event = {.events = EPOLLOUT | EPOLLRDHUP, .data.ptr = flooder};
    const int on = 1;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        host_die("socket");
    attempts++;
    *flooder = (struct flooder){.fd = fd, .opened = host_now()};
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ||
        bind(fd, (struct sockaddr *)&from, sizeof from) < 0)
        host_die("a socket of %s", inet_ntoa(from.sin_addr));
    if ((connect(fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS) ||
        epoll_ctl(events_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        give_up(flooder);
}

static void say(struct flooder *flooder, size_t length)
{
    if (length > hello_length - flooder->sent)
        length = hello_length - flooder->sent;
    if (length == 0)
        return;
    if (flooder->sent == 0)
        new_random();
    /* What is lost because the server has just ended it: the next event says so. */
    if (send(flooder->fd, hello + flooder->sent, length, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
        flooder->sent += length;
}

static void connected(struct flooder *flooder)
{
    struct epoll_event event = {.events = EPOLLRDHUP, .data.ptr = flooder};

    flooder->open = true;
    opened++;
    if (epoll_ctl(events_fd, EPOLL_CTL_MOD, flooder->fd, &event) < 0)
        host_die("epoll_ctl");
    say(flooder, greeting);
}

static void on_event(struct flooder *flooder, uint32_t events)
{
    if (!flooder->open && (events & (EPOLLERR | EPOLLHUP)) != 0) {
        give_up(flooder);
        begin(flooder);
        return;
    }
    if (!flooder->open)
        connected(flooder);
    if ((events & (EPOLLRDHUP | EPOLLERR | EPOLLHUP)) != 0) {
        ended++;
        life += host_now() - flooder->opened;
        close(flooder->fd);
        begin(flooder);
    }
}

static void turn(struct flooder *flooder)
{
    if (flooder->fd < 0)
        begin(flooder);
    else if (flooder->open && drips)
        say(flooder, 1);
}

static void on_signal(int number)
{
    asked_to_end = number;
}

static void flood(size_t count, double until)
{
    struct epoll_event events[256];
    double next = host_now();
    unsigned int tick = 0;

    while (host_now() < until && !asked_to_end) {
        const int number = epoll_wait(events_fd, events, 256, 5);

        for (int i = 0; i < number; i++)
            on_event(events[i].data.ptr, events[i].events);
        if (host_now() < next)
            continue;
        next += DRIP_SECONDS / TICKS;
        for (size_t i = tick++ % TICKS; i < count; i += TICKS)
            turn(&flooders[i]);
    }
}

/* How many bytes each sends when its connection is there. */
static void choose(const char *kind)
{
    drips = strcmp(kind, "drip") == 0;
    if (strcmp(kind, "silent") == 0)
        greeting = 0;
    else if (drips || strcmp(kind, "one-byte") == 0)
        greeting = 1;
    else if (strcmp(kind, "halfway") == 0)
        greeting = hello_length;
    else
        host_die("no kind of flooder: %s", kind);
}

int main(int argc, char **argv)
{
    struct in_addr from;
    long count;
    double seconds;

    errno = EINVAL;
    if (argc != 7)
        host_die("PORT silent|one-byte|drip|halfway COUNT SECONDS FROM SOURCES");
    host_init();
    make_hello();
    choose(argv[2]);
    count = atol(argv[3]);
    seconds = strtod(argv[4], NULL);
    sources = (uint32_t)atoi(argv[6]);
    if (inet_pton(AF_INET, argv[5], &from) != 1 || ntohl(from.s_addr) >> 24 != 127 || sources < 1 ||
        sources > 65536 || count < 1 || count > MOST || seconds > MOST_SECONDS)
        host_die("1 to %d flooders from 127.0.0.0/8 for at most %.0f s", MOST, MOST_SECONDS);
    first_source = ntohl(from.s_addr);
    server = (struct sockaddr_in){.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(argv[1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    events_fd = epoll_create1(EPOLL_CLOEXEC);
    if (events_fd < 0 || sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_signal}, NULL) < 0)
        host_die("epoll_create1");
    for (long i = 0; i < count; i++)
        begin(&flooders[i]);
    host_say("flooding");
    flood((size_t)count, host_now() + seconds);
    host_say("{\"attempts\": %lu, \"opened\": %lu, \"ended\": %lu, \"failed\": %lu, "
             "\"life\": %.4f}",
             attempts, opened, ended, failed, ended > 0 ? life / (double)ended : 0.0);
    return 0;
}
