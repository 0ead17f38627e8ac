/* Descriptors of stalled connections are closed in ways that nobody sees, and their numbers are at
 * once something else. Nothing that carries such a number may be shut.
 *
 *   reuse HOW   raw        the system call close
 *               null       dup2() of /dev/null over it, then dup2() of the new thing
 *               onto       dup2() of the new thing over it
 *               stdio      fclose() of a stream made by fdopen()
 *
 * It plays its own clients. After the first, good one the port is known to speak TLS. Each stalled
 * connection is abandoned, half of them with an SSL object that was begun, half without. What took
 * their numbers is looked at after 2.5 deadlines of a second each: "reuse ok". */
#include "lib/host.h"
#include "lib/tls.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum kind { OUTGOING, ACCEPTED, LISTENING, PAIR, A_FILE, KINDS };

static const char *const names[KINDS] = {"outgoing", "accepted", "listening", "pair", "file"};

struct thing {
    int fd;
    int far; /* the other end, -1 when there is none */
    enum kind kind;
};

static const char *how;
static int plain_listener;

static void *good_client(void *argument)
{
    SSL_CTX *context = tls_client();
    SSL *ssl = SSL_new(context);
    const int fd = host_connect(*(uint16_t *)argument);

    if (SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1)
        host_die("SSL_connect");
    tls_ask(ssl, "hello\n");
    SSL_shutdown(ssl);
    SSL_free(ssl);
    SSL_CTX_free(context);
    close(fd);
    return NULL;
}

/* Accepts by the bare system call: the far end is none of the library's business. */
static int accept_unseen(int listener)
{
    const int fd = (int)syscall(SYS_accept4, listener, NULL, NULL, 0);

    if (fd < 0)
        host_die("accept4");
    return fd;
}

/* The new thing, at whatever number the kernel gives. */
static struct thing make(enum kind kind)
{
    struct thing thing = {.fd = -1, .far = -1, .kind = kind};
    int pair[2];

    switch (kind) {
    case OUTGOING:
        thing.fd = host_connect(host_port(plain_listener));
        thing.far = accept_unseen(plain_listener);
        break;
    case ACCEPTED: {
        const int far = host_connect(host_port(plain_listener));
        thing.far = fcntl(far, F_DUPFD_CLOEXEC, 200);
        close(far);
        thing.fd = host_accept(plain_listener);
        break;
    }
    case LISTENING:
        thing.fd = host_listen(0);
        break;
    case PAIR:
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
            host_die("socketpair");
        thing.fd = pair[0];
        thing.far = pair[1];
        break;
    case A_FILE:
        thing.fd = open(".", O_TMPFILE | O_RDWR, 0600);
        break;
    case KINDS:
        break;
    }
    if (thing.fd < 0)
        host_die("%s", names[kind]);
    return thing;
}

/* Fills the free numbers below fd, which is free as well. There are some where the library made a
 * descriptor of its own, low at first, while the host opened its connection. */
static void fill_below(int fd)
{
    int filler;

    do {
        filler = open("/dev/null", O_RDONLY | O_CLOEXEC);
    } while (filler >= 0 && filler < fd);
    if (filler != fd || syscall(SYS_close, filler) != 0)
        host_die("the number %d is not free, %d is", fd, filler);
}

/* Closes fd in the way that is tested and gives its number to a new thing. */
static struct thing replace(int fd, enum kind kind)
{
    struct thing thing;
    FILE *stream;
    int nothing;

    if (strcmp(how, "raw") == 0 || strcmp(how, "stdio") == 0) {
        if (strcmp(how, "raw") == 0) {
            syscall(SYS_close, fd);
        } else {
            stream = fdopen(fd, "r+");
            if (!stream || fclose(stream) != 0)
                host_die("fclose");
        }
        fill_below(fd);
        thing = make(kind);
        if (thing.fd != fd)
            host_die("the number %d was not given again, but %d", fd, thing.fd);
        return thing;
    }
    thing = make(kind);
    if (strcmp(how, "null") == 0) {
        nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (dup2(nothing, fd) != fd || close(nothing) < 0)
            host_die("dup2 of /dev/null");
        host_sleep(0.01);
    }
    if (dup2(thing.fd, fd) != fd || close(thing.fd) < 0)
        host_die("dup2");
    thing.fd = fd;
    return thing;
}

static void check(const struct thing *thing)
{
    char byte = 0;
    int client;

    if (thing->kind == LISTENING) {
        client = host_connect(host_port(thing->fd));
        close(host_accept(thing->fd));
        close(client);
    } else if (thing->kind == A_FILE) {
        if (write(thing->fd, "x", 1) != 1)
            host_die("file at %d", thing->fd);
    } else if (!host_alive(thing->fd) || !host_alive(thing->far) || write(thing->fd, "a", 1) != 1 ||
               read(thing->far, &byte, 1) != 1 || byte != 'a' || write(thing->far, "b", 1) != 1 ||
               read(thing->fd, &byte, 1) != 1 || byte != 'b') {
        host_die("%s at %d was shut", names[thing->kind], thing->fd);
    }
    host_say("%s at %d ok", names[thing->kind], thing->fd);
}

int main(int argc, char **argv)
{
    struct thing things[2 * KINDS];

    host_init();
    how = argc > 1 ? argv[1] : "raw";
    SSL_CTX *context = tls_server();
    int listener = host_listen(0);
    uint16_t port = host_port(listener);
    plain_listener = host_listen(0);

    host_thread(good_client, &port);
    if (!tls_serve(context, host_accept(listener)))
        host_die("the good client");
    for (int i = 0; i < 2 * KINDS; i++) {
        const int client = host_connect(port);
        if (fcntl(client, F_DUPFD_CLOEXEC, 200) < 0 || close(client) < 0)
            host_die("F_DUPFD");
        const int fd = host_accept(listener);
        if (i % 2 == 0) {
            SSL *ssl = tls_session(context, fd); /* never freed, as in a runtime with a collector */
            fcntl(fd, F_SETFL, O_NONBLOCK);
            if (SSL_accept(ssl) == 1)
                host_die("handshake of a silent client");
            ERR_clear_error();
        }
        things[i] = replace(fd, (enum kind)(i / 2));
    }
    host_announce("port", listener);
    host_sleep(2.5);
    for (int i = 0; i < 2 * KINDS; i++)
        check(&things[i]);
    host_say("reuse ok");
    for (;;)
        tls_serve_in_thread(context, host_accept(listener));
}
