/* A TLS server that is a TLS client as well: its outgoing connections go to a server that never
 * answers, for longer than the deadline, and must be left alone. So must a connection that it
 * accepted and on which it plays the TLS client, and those that go out and on which it plays the
 * TLS server (FTP's active mode). A listening socket that was taken for a session's own (cheroot)
 * goes on listening. After 2.5 deadlines: "outgoing ok". */
#include "lib/host.h"
#include "lib/tls.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CLIENTS = 6, SERVERS = 2, OUTGOING = CLIENTS + SERVERS };

struct outgoing {
    SSL *ssl;
    int fd;
};

/* Another process: accepts everything, answers nothing; reads, so that the kernel has nothing left.
 */
static uint16_t start_deaf_server(uint16_t connect_back)
{
    const int listener = host_listen(0);
    const uint16_t port = host_port(listener);
    const pid_t pid = fork();
    char buffer[4096];

    if (pid < 0)
        host_die("fork");
    if (pid > 0) {
        close(listener);
        return port;
    }
    host_init_child();
    host_connect(connect_back);
    for (int i = 0; i < OUTGOING; i++) {
        const int fd = host_accept(listener);

        fcntl(fd, F_SETFL, O_NONBLOCK);
        host_sleep(0.05);
        (void)!read(fd, buffer, sizeof buffer);
    }
    for (;;)
        pause();
}

/* One step of a client's handshake; by i: SSL_connect or SSL_do_handshake, socket or memory BIO. */
static struct outgoing begin(SSL_CTX *context, int fd, int i)
{
    struct outgoing outgoing = {.ssl = SSL_new(context), .fd = fd};

    if (!outgoing.ssl || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        host_die("SSL_new");
    if (i % 3 == 2)
        SSL_set_bio(outgoing.ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    else
        SSL_set_fd(outgoing.ssl, fd);
    SSL_set_connect_state(outgoing.ssl);
    const int result = i % 2 ? SSL_connect(outgoing.ssl) : SSL_do_handshake(outgoing.ssl);
    if (SSL_get_error(outgoing.ssl, result) != SSL_ERROR_WANT_READ)
        host_die("client handshake");
    return outgoing;
}

/* The same of a server's handshake. */
static struct outgoing begin_server(SSL_CTX *context, int fd)
{
    struct outgoing outgoing = {.ssl = tls_session(context, fd), .fd = fd};

    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ||
        SSL_get_error(outgoing.ssl, SSL_accept(outgoing.ssl)) != SSL_ERROR_WANT_READ)
        host_die("server handshake");
    return outgoing;
}

static void *watch_outgoing(void *argument)
{
    const uint16_t *ports = argument;
    struct outgoing all[OUTGOING + 1];
    SSL_CTX *context = tls_client();
    SSL_CTX *server = tls_server();

    for (int i = 0; i < CLIENTS; i++)
        all[i] = begin(context, host_connect(ports[0]), i);
    all[CLIENTS] = begin_server(server, host_connect(ports[0]));
    all[CLIENTS + 1] = begin_server(server, dup(host_connect(ports[0])));
    const int listener = host_listen(0);
    tls_session(server, listener);
    /* Turned round: the connection was accepted, but this side is the TLS client. */
    all[OUTGOING] = begin(context, ports[1], 0);
    host_sleep(2.5);
    for (int i = 0; i <= OUTGOING; i++) {
        char byte;

        if (!host_alive(all[i].fd))
            host_die("outgoing connection %d was shut", i);
        if (SSL_get_error(all[i].ssl, SSL_read(all[i].ssl, &byte, 1)) != SSL_ERROR_WANT_READ)
            host_die("outgoing session %d ended", i);
        if (write(all[i].fd, "x", 1) != 1)
            host_die("outgoing connection %d cannot write", i);
    }
    close(host_connect(host_port(listener)));
    host_say("outgoing ok");
    return NULL;
}

int main(void)
{
    static uint16_t ports[2];

    host_init();
    SSL_CTX *context = tls_server();
    const int back = host_listen(0);
    int listener = host_listen(0);
    ports[0] = start_deaf_server(host_port(back));
    ports[1] = (uint16_t)host_accept(back);
    host_announce("port", listener);
    host_thread(watch_outgoing, ports);
    for (;;)
        tls_serve_in_thread(context, host_accept(listener));
}
