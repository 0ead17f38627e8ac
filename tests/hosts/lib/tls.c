#include "tls.h"

#include "host.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

SSL_CTX *tls_server(void)
{
    const char *cert = getenv("HOST_CERT");
    const char *key = getenv("HOST_KEY");
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    if (!cert || !key || !context || SSL_CTX_use_certificate_chain_file(context, cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
        ERR_print_errors_fp(stderr);
        host_die("certificate (HOST_CERT, HOST_KEY)");
    }
    return context;
}

SSL_CTX *tls_client(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    if (!context)
        host_die("SSL_CTX_new");
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    return context;
}

SSL *tls_session(SSL_CTX *context, int fd)
{
    SSL *ssl = SSL_new(context);

    if (!ssl || SSL_set_fd(ssl, fd) != 1) {
        ERR_print_errors_fp(stderr);
        host_die("SSL_new and SSL_set_fd gave %p", (void *)ssl);
    }
    SSL_set_accept_state(ssl);
    return ssl;
}

void tls_echo(SSL *ssl)
{
    char buffer[4096];
    int got;

    do
        got = SSL_read(ssl, buffer, sizeof buffer);
    while (got > 0 && SSL_write(ssl, buffer, got) == got);
}

bool tls_serve(SSL_CTX *context, int fd)
{
    SSL *ssl = tls_session(context, fd);
    const bool finished = SSL_accept(ssl) == 1;

    if (finished) {
        tls_echo(ssl);
        SSL_shutdown(ssl);
    }
    ERR_clear_error();
    SSL_free(ssl);
    close(fd);
    return finished;
}

struct job {
    SSL_CTX *context;
    int fd;
};

static void *serve(void *argument)
{
    const struct job job = *(struct job *)argument;

    free(argument);
    tls_serve(job.context, job.fd);
    return NULL;
}

void tls_serve_in_thread(SSL_CTX *context, int fd)
{
    struct job *job = malloc(sizeof *job);

    if (!job)
        host_die("malloc");
    *job = (struct job){.context = context, .fd = fd};
    host_thread(serve, job);
}

void tls_ask(SSL *ssl, const char *line)
{
    char answer[256];
    const size_t length = strlen(line);
    size_t have = 0;

    if (SSL_write(ssl, line, (int)length) != (int)length)
        host_die("question \"%s\"", line);
    while (have < length) {
        int got = SSL_read(ssl, answer + have, (int)(sizeof answer - have));

        if (got <= 0)
            host_die("no answer to \"%s\": SSL error %d", line, SSL_get_error(ssl, got));
        have += (size_t)got;
    }
    if (have != length || memcmp(answer, line, length) != 0)
        host_die("wrong answer to \"%s\"", line);
}
