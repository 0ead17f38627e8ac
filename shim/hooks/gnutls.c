/* GnuTLS: the server's sessions.
 *
 * gnutls_handshake(3) is the only call that drives a handshake, so it is hooked, with the two that
 * begin and end a session's life. GnuTLS has no place on a session that is free for us, so records
 * are found by the session's address. Its header is not needed to build: what is used of it has
 * been the same since version 3.0 (gnutls/gnutls.h). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/fdmap.h"
#include "core/kernel.h"
#include "core/session.h"
#include "hooks/hook.h"

typedef struct gnutls_session_int *gnutls_session_t;

typedef struct {
    unsigned char *data;
    unsigned int size;
} gnutls_datum_t;

#define GNUTLS_SERVER   (1U)
#define GNUTLS_DATAGRAM (1U << 2)

int gnutls_init(gnutls_session_t *session, unsigned int flags);
void gnutls_deinit(gnutls_session_t session);
int gnutls_handshake(gnutls_session_t session);

#define GNUTLS_FUNCTIONS(X)                                                                        \
    X(gnutls_init, int, (gnutls_session_t *, unsigned int))                                        \
    X(gnutls_deinit, void, (gnutls_session_t))                                                     \
    X(gnutls_handshake, int, (gnutls_session_t))                                                   \
    X(gnutls_transport_get_ptr2, void, (gnutls_session_t, void **, void **))                       \
    X(gnutls_session_get_random, void, (gnutls_session_t, gnutls_datum_t *, gnutls_datum_t *))

/* Atomic: the second of two threads that come first writes what others may be reading. It is the
 * same, and `ready` has the order. */
static struct {
    atomic_bool ready;
#define X(name, result, parameters) result(*_Atomic name) parameters;
    GNUTLS_FUNCTIONS(X)
#undef X
} next;

/* False: there is no GnuTLS behind us. Two threads that come first find the same. */
static bool bind_next(const void *caller)
{
    int saved = errno;
    bool found = true;
    const void *inside = NULL;

    if (atomic_load_explicit(&next.ready, memory_order_acquire))
        return true;
#define X(name, result, parameters)                                                                \
    {                                                                                              \
        void *symbol = next_for_caller(#name, caller, "libgnutls.so");                             \
        result(*function) parameters;                                                              \
        found = found && symbol != NULL;                                                           \
        memcpy(&function, &symbol, sizeof(symbol));                                                \
        inside = symbol;                                                                           \
        if (symbol != NULL)                                                                        \
            atomic_store_explicit(&next.name, function, memory_order_relaxed);                     \
    }
    GNUTLS_FUNCTIONS(X)
#undef X
    if (found) {
        next_keep(inside);
        atomic_store_explicit(&next.ready, true, memory_order_release);
    }
    errno = saved;
    return found;
}

/* Records in chains by the session's address. A record is never freed, only used again, so that a
 * chain can be walked without a lock. */
struct record {
    struct session session;
    _Atomic(gnutls_session_t) owner; /* NULL: free */
    struct record *later;
    bool datagram;
};

#define CHAINS 1024U
static _Atomic(struct record *) chains[CHAINS];

static _Atomic(struct record *) *chain_of(gnutls_session_t session)
{
    return &chains[((uintptr_t)session >> 4) % CHAINS];
}

/* A program may give up a session that it never had (NULL), which is no free record's. */
static struct record *record_of(gnutls_session_t session)
{
    struct record *record =
        session != NULL ? atomic_load_explicit(chain_of(session), memory_order_acquire) : NULL;

    while (record != NULL && atomic_load_explicit(&record->owner, memory_order_acquire) != session)
        record = record->later;
    return record;
}

static struct record *free_record(gnutls_session_t session)
{
    struct record *record = atomic_load_explicit(chain_of(session), memory_order_acquire);

    for (; record != NULL; record = record->later) {
        gnutls_session_t nobody = NULL;

        if (atomic_compare_exchange_strong_explicit(&record->owner, &nobody, session,
                                                    memory_order_acq_rel, memory_order_relaxed))
            return record;
    }
    record = calloc(1, sizeof(*record));
    if (record == NULL)
        return NULL;
    atomic_store_explicit(&record->owner, session, memory_order_relaxed);
    record->later = atomic_load_explicit(chain_of(session), memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(chain_of(session), &record->later, record,
                                                  memory_order_release, memory_order_relaxed))
        continue;
    return record;
}

/* The transport "pointer" is a descriptor where GnuTLS itself calls recv(), and an object where the
 * program brought functions of its own. An address is no open socket's number. */
static int transport(gnutls_session_t session, const struct record *record)
{
    void *receive = NULL;
    void *send = NULL;
    uint64_t cookie = 0;
    intptr_t number;

    if (record->datagram)
        return SESSION_ELSEWHERE;
    next.gnutls_transport_get_ptr2(session, &receive, &send);
    number = (intptr_t)receive;
    if (number >= 0 && number < (intptr_t)(FDMAP_PIECE * FDMAP_PIECES) &&
        kernel_cookie((int)number, &cookie))
        return (int)number;
    return SESSION_MEMORY;
}

/* Zeros until there is one: and a client may send zeros, but the server's own is made then. */
static bool is_there(const gnutls_datum_t *random)
{
    static const unsigned char nothing[32];

    return random->data != NULL && random->size == sizeof(nothing) &&
           memcmp(random->data, nothing, sizeof(nothing)) != 0;
}

static void look_at_random(gnutls_session_t session, struct record *record)
{
    gnutls_datum_t client = {0};
    gnutls_datum_t server = {0};

    if (!session_wants_random(&record->session))
        return;
    next.gnutls_session_get_random(session, &client, &server);
    if (is_there(&client) || (client.data != NULL && is_there(&server)))
        session_hello(&record->session, client.data);
}

HOOK int gnutls_init(gnutls_session_t *session, unsigned int flags)
{
    int result;
    int saved;

    if (!bind_next(__builtin_return_address(0)))
        return -1;
    result = next.gnutls_init(session, flags);
    saved = errno;
    if (result == 0 && (flags & GNUTLS_SERVER) != 0 && hook_active()) {
        struct record *record = free_record(*session);

        if (record != NULL)
            record->datagram = (flags & GNUTLS_DATAGRAM) != 0;
    }
    errno = saved;
    return result;
}

HOOK void gnutls_deinit(gnutls_session_t session)
{
    struct record *record = record_of(session);
    int saved = errno;

    if (record != NULL) {
        session_end(&record->session);
        atomic_store_explicit(&record->owner, NULL, memory_order_release);
    }
    errno = saved;
    if (bind_next(__builtin_return_address(0)))
        next.gnutls_deinit(session);
}

HOOK int gnutls_handshake(gnutls_session_t session)
{
    struct record *record = record_of(session);
    const struct session *before = NULL;
    int saved = errno;
    int result;

    if (!bind_next(__builtin_return_address(0)))
        return -1;
    if (record != NULL) {
        if (session_is_new(&record->session))
            session_begin(&record->session, transport(session, record));
        before = session_enter(&record->session);
    }
    errno = saved;
    result = next.gnutls_handshake(session);
    saved = errno;
    if (record != NULL) {
        look_at_random(session, record);
        session_stepped(&record->session);
        if (result == 0)
            session_finish(&record->session);
        session_leave(&record->session, before);
    }
    errno = saved;
    return result;
}
