/* Good clients for a server on 127.0.0.1: each connects, finishes its handshake, asks for something
 * and goes when the first byte of an answer has come.
 *
 *   genuine PORT SECONDS [OPTION VALUE]...
 *     --every SECONDS     a new one so often (0.1)
 *     --at-once NUMBER    instead: so many at any moment, each followed by the next one
 *     --delay SECONDS     each waits so long before its ClientHello (0)
 *     --again SECONDS     and so long before its last flight (0)
 *     --patience SECONDS  after that, from its connect(), it goes away unserved (2)
 *     --from ADDRESS      the first of their addresses, in 127.0.0.0/8 (127.0.0.2)
 *     --sources NUMBER    how many addresses, in turn (1)
 *     --ask TEXT          what it asks for, as printf(1) would read it with \r and \n ("")
 *
 * Prints at the end one line of JSON: how many were served, were cut (the server ended the
 * connection first), were late (went away), where the latter two stood, and times from connect() to
 * the answer's first byte. One thread, nothing is resumed, nothing is verified. */
#include "lib/host.h"
#include "lib/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

#define MOST       1024    /* at one time */
#define MOST_TIMES 4000000 /* of one run */
#define CUTS_SHOWN 1000
#define NEVER      1e18

enum stage { UNUSED, CONNECTING, BEFORE_HELLO, HANDSHAKE, BEFORE_LAST, ASKED, STAGES };

static const char *const stage_names[STAGES] = {"",          "connecting",  "before hello",
                                                "handshake", "before last", "asked"};

struct client {
    enum stage stage;
    bool paused; /* it has waited before its last flight */
    int fd;
    SSL *ssl;
    BIO *in, *out; /* what came, what is to be sent */
    double began;
    double wake; /* the end of its own delay */
};

static struct sockaddr_in server;
static uint32_t first_source, sources;
static double delay, again, patience;
static char ask[256];
static SSL_CTX *context;
static int events_fd;
static struct client clients[MOST];
static size_t running;
static unsigned long tried, served, cut, late;
static unsigned long cut_at[STAGES], late_at[STAGES];
static float *times;
static char cut_ports[CUTS_SHOWN * 8];
static size_t cut_ports_length;
static double cut_life; /* how long they had been there, seconds, together */

static void end(struct client *client)
{
    if (client->ssl)
        SSL_free(client->ssl);
    close(client->fd);
    client->stage = UNUSED;
    running--;
}

/* For a comparison with the library's log. */
static void note_port(const struct client *client)
{
    struct sockaddr_in own = {.sin_family = AF_UNSPEC};
    socklen_t length = sizeof own;

    if (cut > CUTS_SHOWN || getsockname(client->fd, (struct sockaddr *)&own, &length) < 0)
        return;
    cut_ports_length +=
        (size_t)snprintf(cut_ports + cut_ports_length, sizeof cut_ports - cut_ports_length, "%s%u",
                         cut > 1 ? ", " : "", ntohs(own.sin_port));
}

static void was_cut(struct client *client)
{
    cut++;
    cut_life += host_now() - client->began;
    cut_at[client->stage]++;
    note_port(client);
    end(client);
}

static void was_served(struct client *client)
{
    if (served < MOST_TIMES)
        times[served] = (float)(host_now() - client->began);
    served++;
    end(client);
}

/* False: the connection is gone. */
static bool flush(struct client *client)
{
    char bytes[16384];
    const int length = BIO_read(client->out, bytes, sizeof bytes);

    if (length <= 0)
        return true;
    return send(client->fd, bytes, (size_t)length, MSG_NOSIGNAL) == length;
}

/* Takes the TLS session as far as it goes with what has come. */
static void advance(struct client *client)
{
    char answer[4096];

    if (client->stage == HANDSHAKE && SSL_do_handshake(client->ssl) == 1) {
        client->stage = ASKED;
        if (ask[0] != '\0' && SSL_write(client->ssl, ask, (int)strlen(ask)) <= 0)
            host_die("SSL_write");
        if (again > 0 && !client->paused) {
            client->paused = true;
            client->stage = BEFORE_LAST;
            client->wake = host_now() + again;
            return;
        }
    }
    if (!flush(client))
        was_cut(client);
    else if (client->stage == ASKED && SSL_read(client->ssl, answer, sizeof answer) > 0)
        was_served(client);
}

static void came(struct client *client)
{
    char bytes[16384];
    const ssize_t length = recv(client->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    const int on = 1;

    /* Else a server that writes twice waits 40 ms for our delayed acknowledgement (tcp(7)). */
    setsockopt(client->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
    if (length < 0 && errno == EAGAIN)
        return;
    if (length <= 0) {
        was_cut(client);
        return;
    }
    /* Before its hello there is nothing that a TLS server could say. */
    if (client->stage == BEFORE_HELLO)
        return;
    BIO_write(client->in, bytes, (int)length);
    if (client->stage != BEFORE_LAST)
        advance(client);
}

static void hello(struct client *client)
{
    client->ssl = SSL_new(context);
    client->in = BIO_new(BIO_s_mem());
    client->out = BIO_new(BIO_s_mem());
    if (!client->ssl || !client->in || !client->out)
        host_die("SSL_new");
    SSL_set_bio(client->ssl, client->in, client->out);
    SSL_set_connect_state(client->ssl);
    client->stage = HANDSHAKE;
    client->wake = NEVER;
    advance(client);
}

static void connected(struct client *client)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};

    if (epoll_ctl(events_fd, EPOLL_CTL_MOD, client->fd, &event) < 0)
        host_die("epoll_ctl");
    client->stage = BEFORE_HELLO;
    client->wake = host_now() + delay;
    if (delay <= 0)
        hello(client);
}

static void on_event(struct client *client, uint32_t events)
{
    if (client->stage != CONNECTING)
        came(client);
    else if ((events & (EPOLLERR | EPOLLHUP)) != 0)
        was_cut(client);
    else
        connected(client);
}

static struct client *unused_client(void)
{
    for (size_t i = 0; i < MOST; i++)
        if (clients[i].stage == UNUSED)
            return &clients[i];
    host_die("more than %d clients at once", MOST);
}

static void begin(void)
{
    const uint32_t source = first_source + (uint32_t)(tried % sources);
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(source)};
    struct client *client = unused_client();
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = client};
    const int on = 1;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    tried++;
    running++;
    *client = (struct client){.stage = CONNECTING, .fd = fd, .began = host_now(), .wake = NEVER};
    if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ||
        bind(fd, (struct sockaddr *)&from, sizeof from) < 0 ||
        (connect(fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS) ||
        epoll_ctl(events_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        host_die("connect from %s", inet_ntoa(from.sin_addr));
}

static void look_at_clocks(void)
{
    const double now = host_now();

    for (size_t i = 0; i < MOST; i++) {
        struct client *client = &clients[i];

        if (client->stage == UNUSED)
            continue;
        if (now >= client->began + patience) {
            late++;
            late_at[client->stage]++;
            end(client);
        } else if (client->stage == BEFORE_HELLO && now >= client->wake) {
            hello(client);
        } else if (client->stage == BEFORE_LAST && now >= client->wake) {
            client->stage = ASKED;
            advance(client);
        }
    }
}

static void run(double seconds, double every, size_t at_once)
{
    struct epoll_event events[64];
    double next = host_now();
    const double until = next + seconds;

    while (host_now() < until || running > 0) {
        const int number = epoll_wait(events_fd, events, 64, at_once > 0 ? 10 : 1);

        for (int i = 0; i < number; i++)
            on_event(events[i].data.ptr, events[i].events);
        look_at_clocks();
        while (at_once > 0 && running < at_once && host_now() < until)
            begin();
        for (; at_once == 0 && host_now() >= next && next < until; next += every)
            begin();
    }
}

static int by_time(const void *one, const void *other)
{
    const float a = *(const float *)one;
    const float b = *(const float *)other;

    return (a > b) - (a < b);
}

/* The smallest time that so large a share of the served clients did not exceed. */
static double percentile(double share)
{
    const unsigned long count = served < MOST_TIMES ? served : MOST_TIMES;

    return count == 0 ? 0.0 : (double)times[(unsigned long)(share * (double)(count - 1) + 0.5)];
}

static void print_stages(const char *name, const unsigned long *counts)
{
    const char *comma = "";

    printf(", \"%s\": {", name);
    for (int i = CONNECTING; i < STAGES; i++) {
        if (counts[i] == 0)
            continue;
        printf("%s\"%s\": %lu", comma, stage_names[i], counts[i]);
        comma = ", ";
    }
    printf("}");
}

static void print_result(void)
{
    qsort(times, served < MOST_TIMES ? served : MOST_TIMES, sizeof *times, by_time);
    printf("{\"tried\": %lu, \"served\": %lu, \"cut\": %lu, \"late\": %lu", tried, served, cut,
           late);
    print_stages("cut_at", cut_at);
    print_stages("late_at", late_at);
    printf(", \"cut_after\": %.4f, \"p50\": %.4f, \"p99\": %.4f, \"longest\": %.4f, "
           "\"cut_ports\": [%s]}\n",
           cut > 0 ? cut_life / (double)cut : 0.0, percentile(0.5), percentile(0.99),
           percentile(1.0), cut_ports);
}

/* TEXT with \r and \n in it. */
static void set_ask(const char *text)
{
    size_t length = 0;

    for (; *text != '\0' && length + 1 < sizeof ask; text++) {
        if (text[0] == '\\' && (text[1] == 'r' || text[1] == 'n'))
            ask[length++] = *++text == 'r' ? '\r' : '\n';
        else
            ask[length++] = *text;
    }
}

int main(int argc, char **argv)
{
    struct in_addr from;
    long at_once;
    double every, seconds;

    errno = EINVAL;
    if (argc < 3)
        host_die("PORT SECONDS [OPTION VALUE]...");
    host_init();
    seconds = strtod(argv[2], NULL);
    every = strtod(host_value(argc, argv, "--every", "0.1"), NULL);
    at_once = atol(host_value(argc, argv, "--at-once", "0"));
    delay = strtod(host_value(argc, argv, "--delay", "0"), NULL);
    again = strtod(host_value(argc, argv, "--again", "0"), NULL);
    patience = strtod(host_value(argc, argv, "--patience", "2"), NULL);
    sources = (uint32_t)atoi(host_value(argc, argv, "--sources", "1"));
    set_ask(host_value(argc, argv, "--ask", ""));
    if (inet_pton(AF_INET, host_value(argc, argv, "--from", "127.0.0.2"), &from) != 1 ||
        ntohl(from.s_addr) >> 24 != 127 || sources < 1 || sources > 65536 || every <= 0 ||
        at_once < 0 || at_once > MOST || patience <= 0 || patience > 60 || seconds > 3600)
        host_die("a value is out of range");
    first_source = ntohl(from.s_addr);
    server = (struct sockaddr_in){.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(argv[1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    context = tls_client();
    times = calloc(MOST_TIMES, sizeof *times);
    events_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!times || events_fd < 0)
        host_die("epoll_create1");
    run(seconds, every, (size_t)at_once);
    print_result();
    return 0;
}
