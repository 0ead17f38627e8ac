/* A plugin that has a GnuTLS of its own inside: as much of it as the library asks for. */
#include <stddef.h>

typedef struct gnutls_session_int *gnutls_session_t;

int gnutls_init(gnutls_session_t *session, unsigned int flags);
void gnutls_deinit(gnutls_session_t session);
int gnutls_handshake(gnutls_session_t session);
void gnutls_transport_get_ptr2(gnutls_session_t session, void **receive, void **send);
void gnutls_session_get_random(gnutls_session_t session, void *client, void *server);
int plugin_try(void);

struct gnutls_session_int {
    unsigned int flags;
};

static struct gnutls_session_int only;

int gnutls_init(gnutls_session_t *session, unsigned int flags)
{
    only.flags = flags;
    *session = &only;
    return 0;
}

void gnutls_deinit(gnutls_session_t session)
{
    if (session != NULL)
        session->flags = 0;
}

int gnutls_handshake(gnutls_session_t session)
{
    return -(int)session->flags;
}

void gnutls_transport_get_ptr2(gnutls_session_t session, void **receive, void **send)
{
    *receive = session;
    *send = session;
}

void gnutls_session_get_random(gnutls_session_t session, void *client, void *server)
{
    (void)session;
    (void)client;
    (void)server;
}

/* 0: all went as it should. */
int plugin_try(void)
{
    gnutls_session_t session = NULL;
    int result = gnutls_init(&session, 1);

    if (result != 0 || session != &only || only.flags != 1)
        return 1;
    result = gnutls_handshake(session);
    gnutls_deinit(session);
    gnutls_deinit(NULL);
    return result == -1 && only.flags == 0 ? 0 : 2;
}
