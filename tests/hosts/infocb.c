/* The program has its own info callback and prints every event that it gets; a run under the
 * library must print what a bare run prints. One blocking connection at a time.
 *
 *   infocb WHERE   none  no callback
 *                  ctx   on the context
 *                  ssl   on the session, before the handshake
 *                  both  one on the context, another on the session: the session's counts
 *                  late  on the session, between two steps of the handshake
 *                  off   on the context; set on the session and taken away again before the
 * handshake gone  on the session, taken away between two steps of the handshake ctx-late  on the
 * context, after the session was made */
#include "lib/host.h"
#include "lib/tls.h"

#include <openssl/err.h>
#include <string.h>
#include <unistd.h>

typedef void callback(const SSL *, int, int);

static void event(const char *whose, const SSL *ssl, int where, int result)
{
    host_say("%s %#x %d %s", whose, (unsigned int)where, result, SSL_state_string(ssl));
}

static void of_context(const SSL *ssl, int where, int result)
{
    event("context", ssl, where, result);
}

static void of_session(const SSL *ssl, int where, int result)
{
    event("session", ssl, where, result);
}

static const char *name(callback *found)
{
    return found == NULL         ? "none"
           : found == of_context ? "context"
           : found == of_session ? "session"
                                 : "?";
}

static void tell(const char *when, SSL *ssl)
{
    host_say("%s: session's %s, context's %s", when, name(SSL_get_info_callback(ssl)),
             name(SSL_CTX_get_info_callback(SSL_get_SSL_CTX(ssl))));
}

/* Between two steps of the handshake: after the ClientHello was read. */
static void change(const char *where, SSL *ssl)
{
    if (strcmp(where, "late") == 0)
        SSL_set_info_callback(ssl, of_session);
    if (strcmp(where, "gone") == 0)
        SSL_set_info_callback(ssl, NULL);
    tell("between", ssl);
}

/* Stops the handshake once, after the ClientHello was read (SSL_set_cert_cb(3), a negative result):
 * at the same place in every run, whatever the client's speed. */
static int stop_once(SSL *ssl, void *argument)
{
    bool *stopped = argument;
    const bool stop = !*stopped;

    (void)ssl;
    *stopped = true;
    return stop ? -1 : 1;
}

static bool shake(const char *where, SSL *ssl)
{
    bool stopped = false;

    SSL_set_cert_cb(ssl, stop_once, &stopped);
    if (SSL_accept(ssl) != -1 || !stopped)
        return false;
    change(where, ssl);
    return SSL_accept(ssl) == 1;
}

static void serve(const char *where, SSL_CTX *context, int fd)
{
    SSL *ssl = tls_session(context, fd);

    if (strcmp(where, "ctx-late") == 0)
        SSL_CTX_set_info_callback(context, of_context);
    if (strcmp(where, "ssl") == 0 || strcmp(where, "both") == 0 || strcmp(where, "gone") == 0 ||
        strcmp(where, "off") == 0)
        SSL_set_info_callback(ssl, of_session);
    if (strcmp(where, "off") == 0)
        SSL_set_info_callback(ssl, NULL);
    tell("before", ssl);
    const bool finished = shake(where, ssl);
    host_say("handshake %s", finished ? "finished" : "failed");
    tell("after", ssl);
    if (finished) {
        tls_echo(ssl);
        SSL_shutdown(ssl);
    }
    ERR_clear_error();
    SSL_free(ssl);
    close(fd);
    host_say("end");
}

int main(int argc, char **argv)
{
    host_init();
    const char *where = argc > 1 ? argv[1] : "none";
    SSL_CTX *context = tls_server();
    int listener = host_listen(0);
    if (strcmp(where, "ctx") == 0 || strcmp(where, "both") == 0 || strcmp(where, "off") == 0)
        SSL_CTX_set_info_callback(context, of_context);
    host_announce("port", listener);
    for (;;)
        serve(where, context, host_accept(listener));
}
