/* What a read() costs, by the program's way and around the library, side by side in one process.
 *
 *   reads                 for each kind of descriptor a line "KIND BARE HOOKED": the medians of
 *                         nanoseconds for one read, taken in turns
 *   reads KIND TIMES      so many times 1000 reads (bulk: 3) and nothing else, to count
 * instructions
 *
 * Kinds: file (never a socket), finished (its TLS handshake is over), plain (accepted, no TLS
 * seen), data and bulk (the same, and each read brings 64 bytes or 16 KiB). The others read
 * nothing: EAGAIN, or the end of /dev/null. Without the library both ways are one. */
#include "lib/host.h"
#include "lib/tls.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CALLS = 1000, ROUNDS = 301, PIECE = 64, BULK = 16384, IN_FLIGHT = CALLS * PIECE };

typedef ssize_t reader(int, void *, size_t);

static reader *bare;
static int here, there; /* the accepted socket and its client */

static void accept_one(void)
{
    const int listener = host_listen(0);

    there = host_connect(host_port(listener));
    here = host_accept(listener);
    close(listener);
    if (fcntl(here, F_SETFL, O_NONBLOCK) < 0 || fcntl(there, F_SETFL, O_NONBLOCK) < 0)
        host_die("O_NONBLOCK");
}

static void finish_handshake(void)
{
    SSL_CTX *server = tls_server();
    SSL *one = SSL_new(tls_client());
    SSL *other;

    SSL_CTX_set_num_tickets(server, 0);
    other = tls_session(server, here);
    if (!one || SSL_set_fd(one, there) != 1)
        host_die("SSL_new");
    SSL_set_connect_state(one);
    while (!SSL_is_init_finished(one) || !SSL_is_init_finished(other)) {
        SSL_do_handshake(one);
        SSL_do_handshake(other);
    }
}

static int prepare(const char *kind)
{
    if (strcmp(kind, "file") == 0)
        return open("/dev/null", O_RDONLY | O_CLOEXEC);
    accept_one();
    if (strcmp(kind, "finished") == 0)
        finish_handshake();
    return here;
}

/* How much each read brings; 0: nothing. */
static size_t piece(const char *kind)
{
    if (strcmp(kind, "bulk") == 0)
        return BULK;
    return strcmp(kind, "data") == 0 ? PIECE : 0;
}

/* How many reads are made of what is in flight at once. */
static int calls(const char *kind)
{
    return piece(kind) == BULK ? IN_FLIGHT / BULK : CALLS;
}

/* Something to read for calls(kind) reads: text, as a plaintext protocol would bring it. */
static void supply(const char *kind)
{
    static char text[IN_FLIGHT];
    size_t length = piece(kind) * (size_t)calls(kind);

    if (text[0] == 0)
        for (size_t i = 0; i < sizeof text; i++)
            text[i] = (char)(' ' + i * 7 % 90);
    for (size_t sent = 0; sent < length;) {
        ssize_t part = write(there, text, length - sent);

        if (part < 0)
            host_die("write");
        sent += (size_t)part;
    }
}

static void read_all(reader *way, const char *kind, int fd)
{
    static char buffer[BULK];
    const size_t size = piece(kind) ? piece(kind) : PIECE;

    for (int i = calls(kind); i > 0; i--)
        way(fd, buffer, size);
}

static double measure(reader *way, const char *kind, int fd)
{
    double start;

    supply(kind);
    start = host_now();
    read_all(way, kind, fd);
    return (host_now() - start) * 1e9 / calls(kind);
}

static int ascending(const void *one, const void *other)
{
    const double a = *(const double *)one;
    const double b = *(const double *)other;

    return (a > b) - (a < b);
}

static void compare(const char *kind)
{
    static double times[2][ROUNDS];
    const int fd = prepare(kind);

    for (int round = 0; round < ROUNDS; round++) {
        times[0][round] = measure(bare, kind, fd);
        times[1][round] = measure(read, kind, fd);
    }
    for (int way = 0; way < 2; way++)
        qsort(times[way], ROUNDS, sizeof(double), ascending);
    host_say("%s %.1f %.1f", kind, times[0][ROUNDS / 2], times[1][ROUNDS / 2]);
}

/* So many times calls(kind) reads. */
static void only_read(const char *kind, int times)
{
    const int fd = prepare(kind);

    while (times-- > 0) {
        supply(kind);
        read_all(read, kind, fd);
    }
}

int main(int argc, char **argv)
{
    void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    void *symbol = libc ? dlsym(libc, "read") : NULL;

    host_init();
    if (!symbol)
        host_die("no read in libc");
    /* ISO C has no cast from an object pointer to a function. */
    memcpy(&bare, &symbol, sizeof bare);
    if (argc == 3) {
        only_read(argv[1], atoi(argv[2]));
        return 0;
    }
    compare("file");
    compare("finished");
    compare("plain");
    compare("data");
    compare("bulk");
    return 0;
}
