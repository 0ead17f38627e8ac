/*
 * The TLS half of a test host: contexts, and an echo over a finished session. The certificate and
 * its key come from the files named by HOST_CERT and HOST_KEY. Any thread may call these.
 */
#ifndef TESTS_HOSTS_TLS_H
#define TESTS_HOSTS_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>

/* Ends the host when the certificate cannot be had. */
SSL_CTX *tls_server(void);

/* A client that trusts anybody. */
SSL_CTX *tls_client(void);

/* A server-side session on a socket BIO. */
SSL *tls_session(SSL_CTX *context, int fd);

/* Sends back what comes, by SSL_read and SSL_write on blocking descriptors, until the peer ends. */
void tls_echo(SSL *ssl);

/* The whole life of an accepted, blocking connection: SSL_accept, echo, SSL_shutdown, close. False
 * when the handshake failed. */
bool tls_serve(SSL_CTX *context, int fd);

/* The same in a detached thread of its own. */
void tls_serve_in_thread(SSL_CTX *context, int fd);

/* Writes the line and wants to read the same line; ends the host when anything else comes. */
void tls_ask(SSL *ssl, const char *line);

#endif
