/* One thread that waits with poll() and calls a blocking accept(), as many event loops do, and has
 * its own idea of whom it takes and when. It compares what accept() tells of the client with what
 * getpeername() tells, and looks whether it is ever kept from its own timer: "held up for S s".
 *
 *   --most N        takes no more than N connections at a time; the others wait in the queue
 *   --full N        closes who comes when it has N connections
 *   --limit N       RLIMIT_NOFILE; where accept() fails for it, it is called again and again
 *   --busy S        computes for S seconds, and then goes on for a quarter of one
 *   --sleep S       sleeps for S seconds, and then goes on for a quarter of one
 *   --ask S         the same, but it polls for an answer that comes from somewhere else
 *   --lazy          makes a client's session when it has said something (nginx)
 *   --later S       reads what a client says S seconds after its handshake
 *   --deny ADDRESS  closes who comes from there as soon as it is accepted
 *   --accept4       accepts with accept4()
 *   --drain         accepts without blocking until nobody is there; tells whom it "took"
 *   --raw-close     closes by the raw system call, which no library sees
 *   --cancelled     before all that, a thread is cancelled that waits for a client's handshake
 *   --processes N   so many of it, forked after listen(), accept from one queue */
#include "lib/host.h"
#include "lib/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST = 2000, ROOM = 8 }; /* an address is longer than ROOM */

struct peer {
    SSL *ssl;
    double ready; /* nothing is read before; after the handshake */
    bool finished;
};

static SSL_CTX *context;
static struct pollfd polled[MOST + 1];
static struct peer peers[MOST + 1];
static size_t count = 1; /* the first is the listener */
static double later;
static in_addr_t denied;
static size_t full;
static bool by_accept4;
static bool by_raw_close;
static bool lazy;

/* The whole address by getpeername(); what accept() told in a room that is too small for it must be
 * its beginning, and its whole length. */
static void compare_addresses(int fd, const char *told, socklen_t told_length)
{
    struct sockaddr_in peer = {.sin_family = AF_UNSPEC};
    socklen_t length = sizeof peer;

    if (getpeername(fd, (struct sockaddr *)&peer, &length) < 0)
        return; /* it has left */
    errno = EINVAL;
    if (told_length != sizeof peer || memcmp(told, &peer, ROOM) != 0)
        host_die("accept() told another address, of %u bytes", told_length);
    for (size_t i = ROOM; i < 2 * sizeof peer; i++)
        if (told[i] != '#')
            host_die("accept() wrote byte %zu of %d", i, ROOM);
}

static bool take_one(void)
{
    char address[2 * sizeof(struct sockaddr_in)];
    socklen_t length = ROOM;
    struct sockaddr_in beginning;
    int fd;

    memset(address, '#', sizeof address);
    fd = by_accept4 ? accept4(polled[0].fd, (struct sockaddr *)address, &length, SOCK_CLOEXEC)
                    : accept(polled[0].fd, (struct sockaddr *)address, &length);
    if (fd < 0 && (errno == EAGAIN || errno == EMFILE))
        return false; /* another process was faster; there is no room */
    if (fd < 0)
        host_die("accept");
    compare_addresses(fd, address, length);
    memcpy(&beginning, address, ROOM);
    if (beginning.sin_addr.s_addr == denied || count - 1 == full) {
        close(fd);
        return true;
    }
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        host_die("O_NONBLOCK");
    polled[count] = (struct pollfd){.fd = fd, .events = POLLIN};
    peers[count++] = (struct peer){.ssl = lazy ? NULL : tls_session(context, fd)};
    return true;
}

/* False: it is over. */
static bool advance(struct peer *peer, int fd)
{
    char buffer[4096];
    int got = 1;

    if (!peer->ssl)
        peer->ssl = tls_session(context, fd);
    if (!peer->finished) {
        got = SSL_accept(peer->ssl);
        peer->finished = got == 1;
        peer->ready = host_now() + later;
    }
    while (peer->finished && host_now() >= peer->ready && got > 0) {
        got = SSL_read(peer->ssl, buffer, sizeof buffer);
        if (got > 0 && SSL_write(peer->ssl, buffer, got) != got)
            return false;
    }
    return got > 0 || SSL_get_error(peer->ssl, got) == SSL_ERROR_WANT_READ;
}

static void drop(size_t which)
{
    ERR_clear_error();
    SSL_free(peers[which].ssl);
    if (by_raw_close)
        syscall(SYS_close, polled[which].fd);
    else
        close(polled[which].fd);
    polled[which] = polled[--count];
    peers[which] = peers[count];
}

static void multiply(int processes)
{
    for (int i = 1; i < processes; i++) {
        const pid_t pid = fork();

        if (pid < 0)
            host_die("fork");
        if (pid == 0) {
            host_init_child();
            return;
        }
    }
}

static void compute(double seconds)
{
    const double until = host_now() + seconds;

    while (host_now() < until)
        ;
}

/* Something that is no client, and does not answer. */
static void ask(double seconds)
{
    static int answer[2];

    if (answer[1] == 0 && pipe(answer) < 0)
        host_die("pipe");
    if (poll(&(struct pollfd){.fd = answer[0], .events = POLLIN}, 1, (int)(1000 * seconds)) < 0 &&
        errno != EINTR)
        host_die("poll");
}

static void *serve_one(void *argument)
{
    tls_serve(context, *(int *)argument);
    return NULL;
}

static void cancel_one(void)
{
    const int client = host_connect(host_port(polled[0].fd));
    int fd = host_accept(polled[0].fd);
    pthread_t thread;

    if (pthread_create(&thread, NULL, serve_one, &fd) != 0)
        host_die("thread");
    host_sleep(0.1);
    if (pthread_cancel(thread) != 0 || pthread_join(thread, NULL) != 0)
        host_die("pthread_cancel");
    close(fd);
    close(client);
}

int main(int argc, char **argv)
{
    const size_t most = strtoul(host_value(argc, argv, "--most", "2000"), NULL, 10);
    const rlim_t limit = strtoul(host_value(argc, argv, "--limit", "0"), NULL, 10);
    const double busy = strtod(host_value(argc, argv, "--busy", "0"), NULL);
    const double asleep = strtod(host_value(argc, argv, "--sleep", "0"), NULL);
    const int processes = atoi(host_value(argc, argv, "--processes", "1"));
    const bool drains = host_option(argc, argv, "--drain");
    const double asking = strtod(host_value(argc, argv, "--ask", "0"), NULL);
    double next = host_now();
    double before;

    host_init();
    later = strtod(host_value(argc, argv, "--later", "0"), NULL);
    full = strtoul(host_value(argc, argv, "--full", "2000"), NULL, 10);
    denied = inet_addr(host_value(argc, argv, "--deny", "255.255.255.255"));
    by_accept4 = host_option(argc, argv, "--accept4");
    lazy = host_option(argc, argv, "--lazy");
    by_raw_close = host_option(argc, argv, "--raw-close");
    context = tls_server();
    polled[0].fd = host_listen(0);
    if (limit > 0 && setrlimit(RLIMIT_NOFILE, &(struct rlimit){limit, limit}) < 0)
        host_die("RLIMIT_NOFILE");
    if (host_option(argc, argv, "--cancelled"))
        cancel_one();
    host_announce("port", polled[0].fd);
    if ((processes > 1 || drains) && fcntl(polled[0].fd, F_SETFL, O_NONBLOCK) < 0)
        host_die("O_NONBLOCK");
    multiply(processes);
    for (;;) {
        polled[0].events = count - 1 < most ? POLLIN : 0;
        for (size_t i = 1; i < count; i++)
            polled[i].events = host_now() >= peers[i].ready ? POLLIN : 0;
        if (poll(polled, count, 50) < 0 && errno != EINTR)
            host_die("poll");
        before = host_now();
        if (busy + asleep + asking > 0 && before >= next) {
            compute(busy);
            host_sleep(asleep);
            if (asking > 0)
                ask(asking);
            next = host_now() + 0.25;
        }
        for (size_t i = count; i-- > 1;)
            if (polled[i].revents != 0 && !advance(&peers[i], polled[i].fd))
                drop(i);
        if ((polled[0].revents & POLLIN) != 0)
            while (take_one() && drains) {
                host_say("took");
                if (count - 1 == most)
                    break;
            }
        if (host_now() > before + busy + asleep + asking + 0.7)
            host_say("held up for %.3f s", host_now() - before);
    }
}
