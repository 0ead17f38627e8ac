/* A thread for each connection.
 *
 *   --acceptors N  N threads, each accepts and serves by itself, one connection at a time
 *   --lazy         nothing of TLS is made before the client's first byte has come
 *   --pool N       instead: one thread accepts, N others serve, one connection at a time each
 *   --slow-name A  whoever comes from this address is looked up for three seconds before that
 *   --at-the-door  ... by the thread that accepts
 *   --at PORT      listens there
 *   --lower N      RLIMIT_NOFILE becomes N soon after the first connection was accepted */
#include "lib/host.h"
#include "lib/tls.h"

#include <arpa/inet.h>
#include <netinet/in.h>
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

static in_addr_t slow_name = INADDR_NONE;
static bool at_the_door;

static void look_up(int fd)
{
    struct sockaddr_in client = {.sin_family = AF_UNSPEC};
    socklen_t length = sizeof client;

    if (getpeername(fd, (struct sockaddr *)&client, &length) == 0 &&
        client.sin_addr.s_addr == slow_name)
        host_sleep(3);
}

static _Noreturn void serve_each(const struct door *door, void *(*serve)(void *))
{
    for (;;) {
        struct door *connection = malloc(sizeof *connection);

        if (!connection)
            host_die("malloc");
        *connection = (struct door){door->context, host_accept(door->listener)};
        if (at_the_door)
            look_up(connection->listener);
        host_thread(serve, connection);
    }
}

static int pool[2]; /* a pipe: whom the next free thread serves */

static void *serve_from_pool(void *argument)
{
    int fd;

    while (read(pool[0], &fd, sizeof fd) == sizeof fd)
        tls_serve(argument, fd);
    return NULL;
}

static _Noreturn void serve_by_pool(const struct door *door, int threads)
{
    if (pipe(pool) < 0)
        host_die("pipe");
    for (int i = 0; i < threads; i++)
        host_thread(serve_from_pool, door->context);
    for (;;) {
        int fd = host_accept(door->listener);

        if (write(pool[1], &fd, sizeof fd) != sizeof fd)
            host_die("pipe");
    }
}

static void *look_up_and_serve(void *argument)
{
    const struct door connection = *(struct door *)argument;

    free(argument);
    if (!at_the_door)
        look_up(connection.listener);
    tls_serve(connection.context, connection.listener);
    return NULL;
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
        serve_each(&door, wait_and_serve);
    slow_name = inet_addr(host_value(argc, argv, "--slow-name", ""));
    at_the_door = host_option(argc, argv, "--at-the-door");
    if (slow_name != INADDR_NONE)
        serve_each(&door, look_up_and_serve);
    if (host_option(argc, argv, "--pool"))
        serve_by_pool(&door, atoi(host_value(argc, argv, "--pool", "")));
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
