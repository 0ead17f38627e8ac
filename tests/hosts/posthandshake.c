/* What looks like a handshake long after the handshake: the client lets the server wait for 2.5
 * deadlines and answers then. It plays its own client, in another process.
 *
 *   posthandshake WHAT   renegotiate  TLS 1.2: the server asks for a renegotiation
 *                        client-renegotiate  TLS 1.2: the client begins one and stops halfway
 *                        keyupdate    TLS 1.3: the server asks for new keys
 *                        certificate  TLS 1.3: the server asks for a client certificate
 *
 * The server waits 1.5 deadlines first. At the end both sides have talked: "WHAT ok". */
#include "lib/host.h"
#include "lib/tls.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *what;

static bool is(const char *other)
{
    return strcmp(what, other) == 0;
}

static void move_bytes(BIO *from, int to)
{
    char buffer[65536];
    int got;

    while ((got = BIO_read(from, buffer, sizeof buffer)) > 0)
        if (!host_write_all(to, buffer, (size_t)got))
            host_die("the server ended the connection");
}

static void take_bytes(int from, BIO *to)
{
    char buffer[65536];
    const ssize_t got = read(from, buffer, sizeof buffer);

    if (got <= 0)
        host_die("the server ended the connection");
    if (BIO_write(to, buffer, (int)got) != got)
        host_die("BIO_write");
}

/* Begins a renegotiation and sends half of what it wants to send; the rest is the caller's. */
static void renegotiate_half(SSL *ssl, int fd)
{
    char buffer[4096];

    if (SSL_renegotiate(ssl) != 1 || SSL_do_handshake(ssl) == 1)
        host_die("client's renegotiation");
    const int got = BIO_read(SSL_get_wbio(ssl), buffer, sizeof buffer);
    if (got < 2 || !host_write_all(fd, buffer, (size_t)got / 2))
        host_die("half of a hello");
    host_sleep(2.5);
    if (!host_write_all(fd, buffer + got / 2, (size_t)(got - got / 2)))
        host_die("the other half");
}

/* A client on memory BIOs, so that it decides when an answer leaves. */
static _Noreturn void be_client(uint16_t port)
{
    SSL_CTX *context = tls_client();
    SSL *ssl = SSL_new(context);
    BIO *in = BIO_new(BIO_s_mem());
    BIO *out = BIO_new(BIO_s_mem());
    const int fd = host_connect(port);
    char word[16];

    if (strstr(what, "renegotiate"))
        SSL_set_max_proto_version(ssl, TLS1_2_VERSION);
    SSL_set_post_handshake_auth(ssl, 1);
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    while (SSL_do_handshake(ssl) != 1) {
        move_bytes(out, fd);
        take_bytes(fd, in);
    }
    move_bytes(out, fd);
    if (is("client-renegotiate")) {
        host_sleep(1.5);
        renegotiate_half(ssl, fd);
    } else {
        host_sleep(4); /* the server's request came after 1.5 s; it has waited for 2.5 s */
        take_bytes(fd, in);
    }
    do {
        const int got = SSL_read(ssl, word, sizeof word);

        if (SSL_get_error(ssl, got) != SSL_ERROR_WANT_READ)
            host_die("client's SSL_read");
        move_bytes(out, fd);
        if (SSL_in_init(ssl))
            take_bytes(fd, in);
    } while (SSL_in_init(ssl));
    if (SSL_write(ssl, "word\n", 5) != 5)
        host_die("client's SSL_write");
    move_bytes(out, fd);
    while (SSL_read(ssl, word, sizeof word) != 5)
        take_bytes(fd, in);
    _exit(0);
}

static void ask_client(SSL *ssl)
{
    if (is("renegotiate") && (SSL_renegotiate(ssl) != 1 || SSL_do_handshake(ssl) != 1))
        host_die("SSL_renegotiate");
    if (is("keyupdate") &&
        (SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) != 1 || SSL_do_handshake(ssl) != 1))
        host_die("SSL_key_update");
    if (is("certificate")) {
        SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
        if (SSL_verify_client_post_handshake(ssl) != 1 || SSL_do_handshake(ssl) != 1)
            host_die("SSL_verify_client_post_handshake");
    }
}

int main(int argc, char **argv)
{
    host_init();
    what = argc > 1 ? argv[1] : "renegotiate";
    SSL_CTX *context = tls_server();
    const unsigned char name[] = "posthandshake";
    SSL_CTX_set_session_id_context(context, name, sizeof name);
    SSL_CTX_set_options(context, SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
    int listener = host_listen(0);
    host_announce("port", listener);
    const pid_t pid = fork();
    if (pid < 0)
        host_die("fork");
    if (pid == 0) {
        host_init_child();
        be_client(host_port(listener));
    }
    const int fd = host_accept(listener);
    const double begun = host_now();
    SSL *ssl = tls_session(context, fd);
    if (SSL_accept(ssl) != 1)
        host_die("SSL_accept");
    host_sleep(1.5);
    ask_client(ssl);
    char word[16];
    if (SSL_read(ssl, word, sizeof word) != 5 || SSL_write(ssl, word, 5) != 5)
        host_die("%s: SSL_read", what);
    host_say("%s ok after %.1f s", what, host_now() - begun);
    SSL_free(ssl);
    close(fd);
    for (;;)
        tls_serve_in_thread(context, host_accept(listener));
}
