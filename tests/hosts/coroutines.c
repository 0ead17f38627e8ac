/* Stackful coroutines: the program's own BIO leaves its coroutine where there is nothing to read,
 * in the middle of SSL_accept, and another one goes on in the same thread.
 *
 * Two handshakes begin, and fail in the order in which they began. Their sessions are freed, and
 * the program takes memory of the same size for its own: "own memory ok". From then on its port
 * speaks plaintext, an echo, one connection after the other. */
#include "lib/host.h"
#include "lib/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

enum { STACK = 1 << 18, PIECES = 64, LONGEST = 16 };

/* What the program keeps: 16 bytes, most of them zero. */
struct own {
    long first;
    int second, count;
};

struct coroutine {
    ucontext_t context;
    SSL *ssl;
    int client, fd;
    bool ended;
};

static ucontext_t outside;
static struct coroutine coroutines[2];
static struct coroutine *running;
static struct own *pieces[LONGEST][PIECES];

static void leave(void)
{
    swapcontext(&running->context, &outside);
}

static void resume(struct coroutine *coroutine)
{
    running = coroutine;
    swapcontext(&outside, &coroutine->context);
}

static int bio_read(BIO *bio, char *data, int size)
{
    const struct coroutine *coroutine = BIO_get_data(bio);

    for (;;) {
        const ssize_t got = recv(coroutine->fd, data, (size_t)size, MSG_DONTWAIT);

        if (got >= 0 || errno != EAGAIN)
            return (int)got;
        leave();
    }
}

static int bio_write(BIO *bio, const char *data, int size)
{
    const struct coroutine *coroutine = BIO_get_data(bio);

    return (int)send(coroutine->fd, data, (size_t)size, MSG_NOSIGNAL);
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static void shake_hands(void)
{
    if (SSL_accept(running->ssl) == 1)
        host_die("a handshake without a client finished");
    ERR_clear_error();
    running->ended = true;
    leave();
}

static void begin(struct coroutine *coroutine, SSL_CTX *context, BIO_METHOD *method, int listener)
{
    BIO *bio = BIO_new(method);

    coroutine->client = host_connect(host_port(listener));
    coroutine->fd = host_accept(listener);
    BIO_set_data(bio, coroutine);
    BIO_set_init(bio, 1);
    coroutine->ssl = SSL_new(context);
    SSL_set_bio(coroutine->ssl, bio, bio);
    getcontext(&coroutine->context);
    coroutine->context.uc_stack.ss_sp = malloc(STACK);
    coroutine->context.uc_stack.ss_size = STACK;
    makecontext(&coroutine->context, shake_hands, 0);
    resume(coroutine);
}

static void end(struct coroutine *coroutine)
{
    close(coroutine->client);
    resume(coroutine);
    if (!coroutine->ended)
        host_die("a handshake goes on without its client");
    SSL_free(coroutine->ssl);
    close(coroutine->fd);
}

/* Memory of each size that a session's record may have had. By malloc(): glibc's calloc() does not
 * take what was freed just now. */
static void take_memory(void)
{
    for (size_t length = 1; length <= LONGEST; length++)
        for (size_t i = 0; i < PIECES; i++) {
            struct own *piece = malloc(length * sizeof *piece);

            if (!piece)
                host_die("malloc");
            for (size_t at = 0; at < length; at++)
                piece[at] = (struct own){.count = 1};
            pieces[length - 1][i] = piece;
        }
}

static void look_at_memory(void)
{
    const struct own untouched = {.count = 1};

    for (size_t length = 1; length <= LONGEST; length++)
        for (size_t i = 0; i < PIECES; i++)
            for (size_t at = 0; at < length; at++)
                if (memcmp(&pieces[length - 1][i][at], &untouched, sizeof untouched) != 0)
                    host_die("own memory was changed: %zu of %zu", at, length);
    host_say("own memory ok");
}

int main(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "coroutine");

    host_init();
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_ctrl(method, bio_ctrl);
    SSL_CTX *context = tls_server();
    const int lost = host_listen(0);
    const int listener = host_listen(0);
    for (int i = 0; i < 2; i++)
        begin(&coroutines[i], context, method, lost);
    for (int i = 0; i < 2; i++)
        end(&coroutines[i]);
    take_memory();
    host_announce("port", listener);
    for (;;) {
        host_echo(host_accept(listener));
        look_at_memory();
    }
}
