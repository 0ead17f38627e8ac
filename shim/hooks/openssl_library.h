/* Which OpenSSL a call was meant for, and that library's functions.
 *
 * Several versions of libssl can live in one process (libssl.so.1.1 and libssl.so.3), so everything
 * is kept for each. OpenSSL's headers give the prototypes; the functions are found at run time, so
 * that preloading never drags a libssl into a process. Works with OpenSSL 1.1.0 and later.
 * Any thread; not for signal handlers (the first call from a place takes the loader's lock). */
#ifndef SHAKEOUT_HOOKS_OPENSSL_LIBRARY_H
#define SHAKEOUT_HOOKS_OPENSSL_LIBRARY_H

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef void openssl_callback(const SSL *ssl, int where, int value);

#define OPENSSL_FUNCTIONS(X)                                                                       \
    X(SSL_accept, int, (SSL *))                                                                    \
    X(SSL_do_handshake, int, (SSL *))                                                              \
    X(SSL_set_accept_state, void, (SSL *))                                                         \
    X(SSL_clear, int, (SSL *))                                                                     \
    X(SSL_set_info_callback, void, (SSL *, openssl_callback *))                                    \
    X(SSL_get_info_callback, openssl_callback *, (const SSL *))                                    \
    X(SSL_CTX_get_info_callback, openssl_callback *, (SSL_CTX *))                                  \
    X(SSL_get_SSL_CTX, SSL_CTX *, (const SSL *))                                                   \
    X(SSL_is_server, int, (const SSL *))                                                           \
    X(SSL_is_dtls, int, (const SSL *))                                                             \
    X(SSL_in_init, int, (const SSL *))                                                             \
    X(SSL_in_before, int, (const SSL *))                                                           \
    X(SSL_ctrl, long, (SSL *, int, long, void *))                                                  \
    X(SSL_get_rbio, BIO *, (const SSL *))                                                          \
    X(SSL_get_rfd, int, (const SSL *))                                                             \
    X(SSL_get_peer_finished, size_t, (const SSL *, void *, size_t))                                \
    X(SSL_get_client_random, size_t, (const SSL *, unsigned char *, size_t))                       \
    X(SSL_get_server_random, size_t, (const SSL *, unsigned char *, size_t))                       \
    X(SSL_get_ex_data, void *, (const SSL *, int))                                                 \
    X(SSL_set_ex_data, int, (SSL *, int, void *))                                                  \
    X(CRYPTO_get_ex_new_index, int,                                                                \
      (int, long, void *, CRYPTO_EX_new *, CRYPTO_EX_dup *, CRYPTO_EX_free *))                     \
    X(ERR_set_mark, int, (void))                                                                   \
    X(ERR_pop_to_mark, int, (void))

enum { OPENSSL_LIBRARIES = 4 };

struct openssl {
    _Atomic(void *) identity; /* the address of its SSL_do_handshake; NULL: place not taken */
    atomic_bool ready;
    atomic_bool failed;         /* it lacks something: its calls go through, and are not followed */
    int ex_index;               /* where our record hangs on its SSL objects */
    openssl_callback *callback; /* our info callback for this library's objects */
#define X(name, result, parameters) result(*name) parameters;
    OPENSSL_FUNCTIONS(X)
#undef X
};

/* The library that a call from this return address was meant for. NULL: it is just being taken in
 * by another thread, it lacks a function, or there are too many of them. The call then goes on to
 * the function that openssl_behind() finds, and the session is not followed. */
struct openssl *openssl_for(const void *caller);

/* Stores the pointer to the function behind ours in *function; NULL where there is none. */
void openssl_behind(const char *name, const void *caller, void *function);

/* Defined by the hooks: completes a library that was just found (ex_index, callback). */
bool openssl_prepare(struct openssl *library, int number);

#endif
