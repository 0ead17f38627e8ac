/* One thread that is busy elsewhere for 2.5 deadlines while the clients' bytes wait in its sockets.
 *
 *   busy before COUNT   between accept and SSL_accept
 *   busy between COUNT  between the server's answer to the ClientHello and the rest of the
 * handshake
 *   busy last           with the client's last words, inside the handshake call
 *
 * The first client is served at once, so that the port is known to speak TLS. Then COUNT clients
 * are accepted, then it is busy, then each of them is served by a thread of its own. */
#include "lib/host.h"
#include "lib/tls.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 64 };

struct connection {
    SSL_CTX *context;
    SSL *ssl;
    int fd;
};

static void *finish(void *argument)
{
    struct connection *connection = argument;

    if (!connection->ssl)
        connection->ssl = tls_session(connection->context, connection->fd);
    fcntl(connection->fd, F_SETFL, 0);
    if (SSL_accept(connection->ssl) == 1)
        tls_echo(connection->ssl);
    ERR_clear_error();
    SSL_free(connection->ssl);
    close(connection->fd);
    return NULL;
}

/* As a callback that asks somebody about the client would be. */
static void on_message(int written, int version, int type, const void *bytes, size_t length,
                       SSL *ssl, void *argument)
{
    (void)version, (void)length, (void)ssl, (void)argument;
    if (!written && type == SSL3_RT_HANDSHAKE && *(const unsigned char *)bytes == SSL3_MT_FINISHED)
        host_sleep(2.5);
}

/* One step of the handshake, with the hello that has come by now. True when it is not finished, as
 * a client with a processor of its own might manage within the step. */
static bool begin(struct connection *connection)
{
    connection->ssl = tls_session(connection->context, connection->fd);
    fcntl(connection->fd, F_SETFL, O_NONBLOCK);
    const bool unfinished = SSL_accept(connection->ssl) != 1;
    ERR_clear_error();
    return unfinished;
}

int main(int argc, char **argv)
{
    static struct connection connections[MOST];
    const bool between = argc > 1 && strcmp(argv[1], "between") == 0;
    const bool last = argc > 1 && strcmp(argv[1], "last") == 0;
    const int count = argc > 2 ? atoi(argv[2]) : (last ? 0 : 1);

    if (count > MOST)
        host_die("at most %d", MOST);
    host_init();
    SSL_CTX *context = tls_server();
    int listener = host_listen(0);
    host_announce("port", listener);
    if (!tls_serve(context, host_accept(listener)))
        host_die("the first client");
    for (int i = 0; i < count; i++)
        connections[i] = (struct connection){context, NULL, host_accept(listener)};
    if (between) {
        int unfinished = 0;

        host_sleep(0.2);
        for (int i = 0; i < count; i++)
            unfinished += begin(&connections[i]);
        host_say("busy with %d in the middle of the handshake", unfinished);
    }
    if (last)
        SSL_CTX_set_msg_callback(context, on_message);
    else
        host_sleep(2.5);
    for (int i = 0; i < count; i++)
        host_thread(finish, &connections[i]);
    for (;;)
        tls_serve_in_thread(context, host_accept(listener));
}
