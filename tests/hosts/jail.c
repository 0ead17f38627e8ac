/* Listens as root, then locks itself up: chroot(2) into DIR, and nobody's uid. A thread for each
 * connection.
 *
 *   jail DIR */
#include "lib/host.h"
#include "lib/tls.h"

#include <grp.h>
#include <unistd.h>

enum { NOBODY = 65534 };

int main(int argc, char **argv)
{
    host_init();
    if (argc != 2)
        host_die("jail DIR");
    SSL_CTX *context = tls_server();
    const int listener = host_listen(0);

    if (chroot(argv[1]) != 0 || chdir("/") != 0)
        host_die("chroot %s", argv[1]);
    if (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
        host_die("setuid");
    host_announce("port", listener);
    for (;;)
        tls_serve_in_thread(context, host_accept(listener));
}
