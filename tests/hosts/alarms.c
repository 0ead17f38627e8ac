/* A signal every millisecond whose handler does all that a handler may do to descriptors: accept,
 * read, recv, dup, dup2, close, on its own connections and on those that are in a handshake. The
 * program itself is one thread with an event loop and SSL_set_fd.
 *
 * Prints now and then "signals N, M in another thread": M must stay 0. */
#include "lib/host.h"
#include "lib/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { MOST = 256, HIGH = 300 };

static struct pollfd polled[MOST];
static SSL *sessions[MOST];
static nfds_t count = 1;
static int extra_listener;
static pid_t main_thread;
static volatile sig_atomic_t signals;
static volatile sig_atomic_t elsewhere;

static void handler(int number)
{
    const int error = errno;
    char buffer[64];
    const int own = accept(extra_listener, NULL, NULL);

    (void)number;
    signals = signals + 1;
    if (gettid() != main_thread)
        elsewhere = elsewhere + 1;
    if (own >= 0) {
        dup2(own, HIGH);
        (void)!read(HIGH, buffer, sizeof buffer);
        recv(own, buffer, sizeof buffer, MSG_DONTWAIT);
        close(own);
        close(HIGH);
    }
    if (count > 1) {
        const int tracked = polled[1 + (nfds_t)signals % (count - 1)].fd;
        const int copy = dup(tracked);

        recv(tracked, buffer, sizeof buffer, MSG_PEEK | MSG_DONTWAIT);
        if (copy >= 0)
            close(copy);
    }
    errno = error;
}

static pid_t start_visitors(void)
{
    const uint16_t port = host_port(extra_listener);
    const pid_t pid = fork();

    if (pid != 0)
        return pid;
    host_init_child();
    for (;;) {
        const int fd = host_connect(port);

        (void)!write(fd, "x", 1);
        host_sleep(0.004);
        close(fd);
    }
}

static void start_timer(void)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    const struct itimerval each = {{0, 1000}, {0, 1000}};

    if (sigaction(SIGALRM, &action, NULL) < 0 || setitimer(ITIMER_REAL, &each, NULL) < 0)
        host_die("setitimer");
}

/* The handler looks at the table: it must not see half a change. */
static void block(int yes)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    sigprocmask(yes ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

static void welcome(SSL_CTX *context)
{
    const int fd = accept4(polled[0].fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0) {
        if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
            return;
        host_die("accept4");
    }
    if (count == MOST)
        host_die("more than %d connections", MOST);
    block(1);
    polled[count] = (struct pollfd){.fd = fd, .events = POLLIN};
    sessions[count] = tls_session(context, fd);
    count++;
    block(0);
}

static bool serve(nfds_t i)
{
    char buffer[4096];
    int got;

    ERR_clear_error();
    while ((got = SSL_read(sessions[i], buffer, sizeof buffer)) > 0)
        if (SSL_write(sessions[i], buffer, got) != got)
            return false;
    return SSL_get_error(sessions[i], got) == SSL_ERROR_WANT_READ;
}

static void drop(nfds_t i)
{
    SSL_free(sessions[i]);
    block(1);
    close(polled[i].fd);
    count--;
    polled[i] = polled[count];
    sessions[i] = sessions[count];
    block(0);
}

int main(void)
{
    double told = host_now();

    host_init();
    SSL_CTX *context = tls_server();
    extra_listener = host_listen(0);
    polled[0] = (struct pollfd){.fd = host_listen(0), .events = POLLIN};
    if (fcntl(extra_listener, F_SETFL, O_NONBLOCK) < 0 ||
        fcntl(polled[0].fd, F_SETFL, O_NONBLOCK) < 0)
        host_die("O_NONBLOCK");
    main_thread = gettid();
    if (start_visitors() < 0)
        host_die("fork");
    start_timer();
    host_announce("port", polled[0].fd);
    for (;;) {
        if (poll(polled, count, 100) < 0) {
            if (errno != EINTR)
                host_die("poll");
        } else {
            for (nfds_t i = count; i-- > 0;) {
                if (polled[i].revents == 0)
                    continue;
                if (i == 0)
                    welcome(context);
                else if (!serve(i))
                    drop(i);
            }
        }
        if (host_now() - told > 0.5) {
            told = host_now();
            host_say("signals %d, %d in another thread", (int)signals, (int)elsewhere);
        }
    }
}
