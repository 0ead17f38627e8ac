/* TLS sessions whose bytes come another way than over a TCP connection, as those of a RADIUS
 * server do (EAP-TLS in datagrams), in a process that has a plaintext port as well.
 *
 * With each connection to the port such a session begins: it gets a whole ClientHello, answers, and
 * waits for ever; and one of DTLS, which gets nothing. The connection itself speaks plaintext, an
 * echo, one after the other. */
#include "lib/host.h"
#include "lib/tls.h"

#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DATAGRAM = 4096 };

static void send_hello(SSL_CTX *context, int fd)
{
    char hello[DATAGRAM];
    SSL *ssl = SSL_new(context);

    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl);
    (void)SSL_do_handshake(ssl);
    const int length = BIO_read(SSL_get_wbio(ssl), hello, sizeof hello);
    if (length <= 0 || write(fd, hello, (size_t)length) != length)
        host_die("hello");
    SSL_free(ssl);
}

static void begin_session(SSL_CTX *context, int fd)
{
    char hello[DATAGRAM];
    SSL *ssl = SSL_new(context);

    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(ssl);
    const ssize_t got = read(fd, hello, sizeof hello);
    if (got <= 0 || BIO_write(SSL_get_rbio(ssl), hello, (int)got) != got)
        host_die("no hello");
    if (SSL_do_handshake(ssl) == 1 || BIO_pending(SSL_get_wbio(ssl)) == 0)
        host_die("no answer to the hello");
    ERR_clear_error();
}

static void begin_dtls(void)
{
    static SSL_CTX *context;

    if (!context)
        context = SSL_CTX_new(DTLS_server_method());
    SSL *ssl = SSL_new(context);

    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(ssl);
}

int main(void)
{
    int datagrams[2];

    host_init();
    SSL_CTX *server = tls_server();
    SSL_CTX *client = tls_client();
    const int listener = host_listen(0);
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, datagrams) < 0)
        host_die("socketpair");
    host_announce("port", listener);
    for (;;) {
        const int fd = host_accept(listener);

        send_hello(client, datagrams[0]);
        begin_session(server, datagrams[1]);
        begin_dtls();
        host_echo(fd);
    }
}
