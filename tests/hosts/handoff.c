/* The handshake begins in one thread with SSL_accept and ends in another one inside SSL_read, as in
 * memcached. Descriptors do not block.
 *
 *   --blocking  the second thread finishes inside a blocking SSL_read_ex that goes on waiting for
 *               data in the same call, as in gunicorn */
#include "lib/host.h"
#include "lib/tls.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <poll.h>
#include <unistd.h>

static void wait_for(int fd, int error)
{
    struct pollfd wanted = {.fd = fd, .events = error == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN};

    if (poll(&wanted, 1, -1) < 0)
        host_die("poll");
}

static void *finish(void *argument)
{
    SSL *ssl = argument;
    const int fd = SSL_get_fd(ssl);
    char buffer[4096];
    size_t got;

    for (;;) {
        if (SSL_read_ex(ssl, buffer, sizeof buffer, &got) == 1) {
            size_t sent;
            if (SSL_write_ex(ssl, buffer, got, &sent) != 1)
                break;
            continue;
        }
        const int error = SSL_get_error(ssl, 0);
        ERR_clear_error();
        if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
            break;
        wait_for(fd, error);
    }
    SSL_free(ssl);
    close(fd);
    return NULL;
}

int main(int argc, char **argv)
{
    const bool blocking = host_option(argc, argv, "--blocking");

    host_init();
    SSL_CTX *context = tls_server();
    int listener = host_listen(0);
    host_announce("port", listener);
    for (;;) {
        const int fd = host_accept(listener);
        SSL *ssl = tls_session(context, fd);

        if (!blocking) {
            if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
                host_die("O_NONBLOCK");
            (void)SSL_accept(ssl);
            ERR_clear_error();
        }
        host_thread(finish, ssl);
    }
}
