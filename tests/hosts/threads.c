/* A thread for each connection.
 *
 *   --acceptors N  N threads, each accepts and serves by itself, one connection at a time */
#include "lib/host.h"
#include "lib/tls.h"

#include <stdlib.h>

struct door {
    SSL_CTX *context;
    int listener;
};

static void *accept_and_serve(void *argument)
{
    const struct door *door = argument;

    for (;;)
        tls_serve(door->context, host_accept(door->listener));
    return NULL;
}

int main(int argc, char **argv)
{
    const int acceptors = atoi(host_value(argc, argv, "--acceptors", "0"));

    host_init();
    struct door door = {.context = tls_server(), .listener = host_listen(0)};
    host_announce("port", door.listener);
    for (int i = 1; i < acceptors; i++)
        host_thread(accept_and_serve, &door);
    if (acceptors > 0)
        accept_and_serve(&door);
    for (;;)
        tls_serve_in_thread(door.context, host_accept(door.listener));
}
