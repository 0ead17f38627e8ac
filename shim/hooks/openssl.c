/* OpenSSL: the server's sessions, from their first step to the end of the handshake.
 *
 * The authority is the info callback, SSL_CTX_set_info_callback(3): HANDSHAKE_START and
 * HANDSHAKE_DONE come whichever call drives the handshake (SSL_accept, SSL_read, BIO_f_ssl …), and
 * ACCEPT_EXIT when that call stops to wait. So all that is hooked is what a server calls before its
 * handshake, to hang our callback in front of the program's. */
#include <stdlib.h>
#include <string.h>

#include "core/session.h"
#include "hooks/hook.h"
#include "hooks/openssl_library.h"

/* Hangs on each SSL object of a server, and dies with it. */
struct record {
    struct session session;
    _Atomic(openssl_callback *) program; /* the callback that the program has set on this SSL */
};

/* The session starts from the beginning: what it did before is over. */
static void restart(struct record *record)
{
    int saved = errno;

    if (record != NULL)
        session_end(&record->session);
    errno = saved;
}

static void on_free(void *parent, void *data, CRYPTO_EX_DATA *all, int index, long number,
                    void *pointer)
{
    struct record *record = data;

    (void)parent, (void)all, (void)index, (void)number, (void)pointer;
    if (record == NULL)
        return;
    restart(record);
    free(record);
}

/* Before OpenSSL 3 CRYPTO_EX_dup declares this as void *, and passes a void ** all the same. */
#if OPENSSL_VERSION_NUMBER < 0x30000000L
typedef void *ex_data_from;
#else
typedef void **ex_data_from;
#endif

/* SSL_dup(): the copy is a session of its own. */
static int on_dup(CRYPTO_EX_DATA *to, const CRYPTO_EX_DATA *all, ex_data_from from, int index,
                  long number, void *pointer)
{
    void **copy = from;

    (void)to, (void)all, (void)index, (void)number, (void)pointer;
    *copy = NULL;
    return 1;
}

static struct record *record_of(const struct openssl *library, const SSL *ssl)
{
    return library->SSL_get_ex_data(ssl, library->ex_index);
}

/* The descriptor that the SSL object reads from, or why there is none. */
static int transport(const struct openssl *library, const SSL *ssl)
{
    int fd;

    /* Without a BIO it is QUIC; DTLS has no connection to shut. */
    if (library->SSL_get_rbio(ssl) == NULL || library->SSL_is_dtls(ssl))
        return SESSION_ELSEWHERE;
    /* A BIO of the program's own that knows no descriptor may leave an error behind. */
    library->ERR_set_mark();
    fd = library->SSL_get_rfd(ssl);
    library->ERR_pop_to_mark();
    return fd >= 0 ? fd : SESSION_MEMORY;
}

static bool is_async(const struct openssl *library, const SSL *ssl)
{
    /* SSL_get_mode() is this macro; the object is not changed. */
    return (library->SSL_ctrl((SSL *)(uintptr_t)ssl, SSL_CTRL_MODE, 0, NULL) & SSL_MODE_ASYNC) != 0;
}

static void begin(const struct openssl *library, const SSL *ssl, struct record *record)
{
    session_begin(&record->session, transport(library, ssl));
    /* An asynchronous handshake may leave this thread in the middle of a step (ASYNC_start_job(3)),
     * and reads of others would be taken for its own. */
    if (!is_async(library, ssl) && session_inside != &record->session)
        session_enter(&record->session);
}

/* Zeros until there is one: and a client may send zeros, but the server's own is made then. */
static bool is_there(size_t length, const unsigned char random[SSL3_RANDOM_SIZE])
{
    static const unsigned char nothing[SSL3_RANDOM_SIZE];

    return length == sizeof(nothing) && memcmp(random, nothing, sizeof(nothing)) != 0;
}

static void look_at_random(const struct openssl *library, const SSL *ssl, struct record *record)
{
    unsigned char client[SSL3_RANDOM_SIZE];
    unsigned char server[SSL3_RANDOM_SIZE];
    size_t length;

    if (!session_wants_random(&record->session))
        return;
    length = library->SSL_get_client_random(ssl, client, sizeof(client));
    if (is_there(length, client) ||
        (length == sizeof(client) &&
         is_there(library->SSL_get_server_random(ssl, server, sizeof(server)), server)))
        session_hello(&record->session, client);
}

/* A server that accepts early data (SSL_read_early_data(3)) is told HANDSHAKE_DONE twice: when it
 * may read that, with its own flight sent and nothing come back, and at the end. */
static bool client_has_finished(const struct openssl *library, const SSL *ssl)
{
    unsigned char nothing[1];

    return library->SSL_get_peer_finished(ssl, nothing, 0) != 0;
}

static void observe(const struct openssl *library, const SSL *ssl, struct record *record, int where)
{
    if ((where & SSL_CB_HANDSHAKE_START) != 0) {
        begin(library, ssl, record);
    } else if ((where & SSL_CB_HANDSHAKE_DONE) != 0) {
        look_at_random(library, ssl, record);
        if (client_has_finished(library, ssl))
            session_finish(&record->session);
    } else if ((where & SSL_ST_ACCEPT) != 0) {
        look_at_random(library, ssl, record);
        if ((where & SSL_CB_EXIT) == 0)
            return;
        session_stepped(&record->session);
        if (session_inside == &record->session)
            session_leave(&record->session, NULL);
    }
}

/* Our callback, in front of the program's: on the object, else on its context, as OpenSSL does. */
static void on_info(const struct openssl *library, const SSL *ssl, int where, int value)
{
    struct record *record = record_of(library, ssl);
    openssl_callback *program = NULL;
    int saved = errno;

    if (record != NULL) {
        program = atomic_load_explicit(&record->program, memory_order_acquire);
        if (library->SSL_is_server(ssl))
            observe(library, ssl, record, where);
    }
    if (program == NULL)
        program = library->SSL_CTX_get_info_callback(library->SSL_get_SSL_CTX(ssl));
    errno = saved;
    if (program != NULL)
        program(ssl, where, value);
}

/* A callback is told neither which library calls it nor anything of ours: one for each library. */
static struct openssl *prepared[OPENSSL_LIBRARIES];

#define CALLBACK(number)                                                                           \
    static void on_info_##number(const SSL *ssl, int where, int value)                             \
    {                                                                                              \
        on_info(prepared[number], ssl, where, value);                                              \
    }
CALLBACK(0)
CALLBACK(1)
CALLBACK(2)
CALLBACK(3)

bool openssl_prepare(struct openssl *library, int number)
{
    static openssl_callback *const callbacks[OPENSSL_LIBRARIES] = {on_info_0, on_info_1, on_info_2,
                                                                   on_info_3};

    prepared[number] = library;
    library->callback = callbacks[number];
    /* One index is left out: Qt 5 asks for one and uses the next one as well, which would be ours
     * (qsslsocket_openssl.cpp: s_indexForSSLExtraData + 1). */
    if (library->CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_SSL, 0, NULL, NULL, NULL, NULL) < 0)
        return false;
    library->ex_index =
        library->CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_SSL, 0, NULL, NULL, on_dup, on_free);
    return library->ex_index >= 0;
}

/* The record of a server's SSL object, made if it has none yet. */
static struct record *attach(struct openssl *library, SSL *ssl)
{
    struct record *record = record_of(library, ssl);
    openssl_callback *program;

    if (record != NULL)
        return record;
    record = calloc(1, sizeof(*record));
    if (record == NULL)
        return NULL;
    if (!library->SSL_set_ex_data(ssl, library->ex_index, record)) {
        free(record);
        return NULL;
    }
    program = library->SSL_get_info_callback(ssl);
    /* Ours, where SSL_dup() has copied it and libssl does not see our hooks: never behind itself.
     */
    if (program != library->callback)
        atomic_store_explicit(&record->program, program, memory_order_release);
    library->SSL_set_info_callback(ssl, library->callback);
    /* Its handshake began before we knew it. */
    if (library->SSL_in_init(ssl) && !library->SSL_in_before(ssl))
        session_begin(&record->session, transport(library, ssl));
    return record;
}

static struct openssl *library_for(const void *caller)
{
    int saved = errno;
    struct openssl *library = openssl_for(caller);

    errno = saved;
    return library;
}

/* A step of the handshake, by SSL_accept() or SSL_do_handshake(). */
static int step(struct openssl *library, SSL *ssl, int (*next)(SSL *))
{
    struct record *record = NULL;
    struct session *before = NULL;
    int saved = errno;
    int result;

    if (hook_active() && ssl != NULL && library->SSL_is_server(ssl)) {
        record = attach(library, ssl);
        if (record != NULL && !is_async(library, ssl))
            before = session_enter(&record->session);
        else
            record = NULL;
    }
    errno = saved;
    result = next(ssl);
    if (record != NULL)
        session_leave(&record->session, before);
    return result;
}

/* The library of this call, and the function behind the hook: the library's, or where there is none
 * (yet) whatever the call would have reached without us. Without that either, nothing could have
 * called us, and the hook returns the value that says failure. */
#define BEHIND(name, failure)                                                                      \
    struct openssl *library = library_for(__builtin_return_address(0));                            \
    __typeof__(library->name) next = NULL;                                                         \
    if (library != NULL)                                                                           \
        next = library->name;                                                                      \
    else                                                                                           \
        openssl_behind(#name, __builtin_return_address(0), &next);                                 \
    if (next == NULL)                                                                              \
    return failure

HOOK int SSL_accept(SSL *ssl)
{
    BEHIND(SSL_accept, -1);
    return library != NULL ? step(library, ssl, next) : next(ssl);
}

HOOK int SSL_do_handshake(SSL *ssl)
{
    BEHIND(SSL_do_handshake, -1);
    return library != NULL ? step(library, ssl, next) : next(ssl);
}

/* A server's session from now on. With its transport in place it waits for a ClientHello, even if
 * the program makes the first step only when there is one (openssl s_server, Puma). */
HOOK void SSL_set_accept_state(SSL *ssl)
{
    struct record *record;
    int saved;

    BEHIND(SSL_set_accept_state, );
    next(ssl);
    if (library == NULL || !hook_active())
        return;
    saved = errno;
    record = attach(library, ssl);
    restart(record);
    if (record != NULL)
        session_begin(&record->session, transport(library, ssl));
    errno = saved;
}

/* libssl calls it, too, at the first step of each handshake: there is nothing to clear then. */
HOOK int SSL_clear(SSL *ssl)
{
    BEHIND(SSL_clear, 0);
    if (library != NULL && ssl != NULL && hook_active() && !library->SSL_in_before(ssl))
        restart(record_of(library, ssl));
    return next(ssl);
}

HOOK void SSL_set_info_callback(SSL *ssl, openssl_callback *callback)
{
    struct record *record;

    BEHIND(SSL_set_info_callback, );
    record = library != NULL ? record_of(library, ssl) : NULL;
    if (record != NULL)
        atomic_store_explicit(&record->program, callback, memory_order_release);
    else
        next(ssl, callback);
}

HOOK openssl_callback *SSL_get_info_callback(const SSL *ssl)
{
    openssl_callback *callback;

    BEHIND(SSL_get_info_callback, NULL);
    callback = next(ssl);
    if (library != NULL && callback == library->callback) {
        const struct record *record = record_of(library, ssl);

        callback =
            record != NULL ? atomic_load_explicit(&record->program, memory_order_acquire) : NULL;
    }
    return callback;
}
