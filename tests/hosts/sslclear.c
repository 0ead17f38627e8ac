/* One SSL object for all connections, one after the other, made fresh by SSL_clear. */
#include "lib/host.h"
#include "lib/tls.h"

#include <openssl/err.h>
#include <unistd.h>

int main(void)
{
    host_init();
    SSL_CTX *context = tls_server();
    SSL *ssl = SSL_new(context);
    int listener = host_listen(0);
    host_announce("port", listener);
    for (;;) {
        const int fd = host_accept(listener);

        if (SSL_clear(ssl) != 1 || SSL_set_fd(ssl, fd) != 1)
            host_die("SSL_clear");
        if (SSL_accept(ssl) == 1) {
            tls_echo(ssl);
            SSL_shutdown(ssl);
        }
        ERR_clear_error();
        close(fd);
    }
}
