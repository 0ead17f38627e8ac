/* A thread for each connection.
 *
 *   --acceptors N  N threads, each accepts and serves by itself, one connection at a time
 *   --lazy         nothing of TLS is made before the client's first byte has come
 *   --at PORT      listens there
 *   --lower N      RLIMIT_NOFILE becomes N soon after the first connection was accepted */
#include "lib/host.h"
#include "lib/tls.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct door {
    SSL_CTX *context;
    int listener; /* or a connection */
};

static void *accept_and_serve(void *argument)
{
    const struct door *door = argument;

    for (;;)
        tls_serve(door->context, host_accept(door->listener));
    return NULL;
}

static void *wait_and_serve(void *argument)
{
    const struct door connection = *(struct door *)argument;
    char first;

    free(argument);
    if (recv(connection.listener, &first, 1, MSG_PEEK) == 1)
        tls_serve(connection.context, connection.listener);
    else
        close(connection.listener);
    return NULL;
}

static _Noreturn void serve_lazily(const struct door *door)
{
    for (;;) {
        struct door *connection = malloc(sizeof *connection);

        if (!connection)
            host_die("malloc");
        *connection = (struct door){door->context, host_accept(door->listener)};
        host_thread(wait_and_serve, connection);
    }
}

static void lower_limit(rlim_t limit)
{
    host_sleep(0.1); /* whatever the first connection makes anybody open is open */
    if (setrlimit(RLIMIT_NOFILE, &(struct rlimit){limit, limit}) < 0)
        host_die("RLIMIT_NOFILE");
}

int main(int argc, char **argv)
{
    const rlim_t lower = strtoul(host_value(argc, argv, "--lower", "0"), NULL, 10);
    const int acceptors = atoi(host_value(argc, argv, "--acceptors", "0"));

    host_init();
    struct door door = {.context = tls_server(), .listener = -1};
    door.listener = host_listen((uint16_t)atoi(host_value(argc, argv, "--at", "0")));
    host_announce("port", door.listener);
    if (host_option(argc, argv, "--lazy"))
        serve_lazily(&door);
    for (int i = 1; i < acceptors; i++)
        host_thread(accept_and_serve, &door);
    if (acceptors > 0)
        accept_and_serve(&door);
    for (bool first = true;; first = false) {
        tls_serve_in_thread(door.context, host_accept(door.listener));
        if (first && lower > 0)
            lower_limit(lower);
    }
}
