/* A thread for each connection, and then not one descriptor left: once COUNT connections were
 * accepted, the host opens /dev/null until the process is at its limit, and goes on calling accept.
 *
 *   exhausted COUNT  after so many connections; 0: at the start, with room for one connection
 *
 * A descriptor that becomes free because a connection ended is taken again at once, so that nobody
 * finds a free one before the last stalled client is gone; then the host lets go. */
#include "lib/host.h"
#include "lib/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LIMIT = 64 };

static SSL_CTX *context;
static atomic_int failed;
static int hoard[LIMIT];
static int hoarded;

static void *serve(void *argument)
{
    const int *fd = argument;

    if (!tls_serve(context, *fd))
        atomic_fetch_add(&failed, 1);
    return NULL;
}

static void fill(void)
{
    int fd;

    while (hoarded < LIMIT && (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        hoard[hoarded++] = fd;
}

static void let_go(void)
{
    while (hoarded > 0)
        close(hoard[--hoarded]);
}

int main(int argc, char **argv)
{
    static int accepted_fds[LIMIT];
    const struct rlimit limit = {LIMIT, LIMIT};
    const int wanted = argc > 1 ? atoi(argv[1]) : 0;
    int accepted = 0;
    bool full = false;
    bool told = false;

    host_init();
    context = tls_server();
    int listener = host_listen(0);
    if (fcntl(listener, F_SETFL, O_NONBLOCK) < 0 || setrlimit(RLIMIT_NOFILE, &limit) < 0)
        host_die("limits");
    if (wanted == 0) {
        fill();
        close(hoard[--hoarded]);
    }
    host_announce("port", listener);
    for (;;) {
        const int fd = accept(listener, NULL, NULL);

        if (fd >= 0) {
            accepted_fds[accepted % LIMIT] = fd;
            host_thread(serve, &accepted_fds[accepted % LIMIT]);
            full = ++accepted == wanted;
            if (full)
                host_sleep(0.2); /* their threads have begun the handshakes */
        } else if (errno == EMFILE && full && !told) {
            host_say("accept: EMFILE");
            told = true;
        }
        if (full && atomic_load(&failed) < wanted) {
            fill();
        } else if (full) {
            host_say("all stalled clients are gone");
            let_go();
            full = false;
        }
        host_sleep(0.005);
    }
}
