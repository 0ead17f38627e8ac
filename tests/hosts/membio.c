/* An event loop whose TLS sessions never see a socket: the bytes go through memory BIOs, as in
 * asyncio. The session is made and its handshake begun at accept, before the client said anything.
 *
 *   --plain-port      a second port that echoes plaintext, in the same process
 *   --starttls-port   a port that echoes plaintext until the line STARTTLS, then speaks TLS
 *   --chunk N         reads at most N bytes at a time
 *   --read HOW        read, recv, recvfrom, recvmsg or readv; read_chk, recv_chk, recvfrom_chk: as
 *                     a program that was built with _FORTIFY_SOURCE
 *   --socket-bio      the same loop with SSL_set_fd
 *   --late-free       the session outlives its connection, as where a garbage collector frees it
 *   --strays          it has sessions that belong to none of its connections, as for EAP-TLS: one
 *                     has got its ClientHello, another waits for ever
 *   --think S         has read a client's last words for S seconds before it looks at them
 *   --most N          takes no more than N connections at the TLS port; the others wait
 *   --most-plain N    the same at the plaintext port
 *   --no-threads      an unprivileged process that may not start a thread */
#include "lib/host.h"
#include "lib/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MOST = 1024, CHUNK = 4096 };
enum role { TLS_PORT, PLAIN_PORT, STARTTLS_PORT, CONNECTION };

struct peer {
    enum role role;
    enum role port; /* of a connection: the kind of its port */
    SSL *ssl;       /* NULL while it speaks plaintext */
};

static struct pollfd polled[MOST];
static struct peer peers[MOST];
static nfds_t count;
static SSL_CTX *context;
static size_t chunk = CHUNK;
static const char *how = "read";
static bool socket_bio;
static bool late_free;
static double thinks;
static nfds_t most[CONNECTION]; /* at each kind of port */

/* libc has no header for them. */
/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
ssize_t __read_chk(int fd, void *buffer, size_t count, size_t size);
ssize_t __recv_chk(int fd, void *buffer, size_t count, size_t size, int flags);
ssize_t __recvfrom_chk(int fd, void *buffer, size_t count, size_t size, int flags,
                       struct sockaddr *from, socklen_t *length);
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

static ssize_t read_some(int fd, char *buffer)
{
    struct sockaddr_storage from;
    socklen_t length = sizeof from;
    struct iovec parts[2] = {{buffer, chunk / 2}, {buffer + chunk / 2, chunk - chunk / 2}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

    if (strcmp(how, "recv") == 0)
        return recv(fd, buffer, chunk, 0);
    if (strcmp(how, "recvfrom") == 0)
        return recvfrom(fd, buffer, chunk, 0, (struct sockaddr *)&from, &length);
    if (strcmp(how, "recvmsg") == 0)
        return recvmsg(fd, &message, 0);
    if (strcmp(how, "readv") == 0)
        return readv(fd, parts, 2);
    if (strcmp(how, "read_chk") == 0)
        return __read_chk(fd, buffer, chunk, CHUNK);
    if (strcmp(how, "recv_chk") == 0)
        return __recv_chk(fd, buffer, chunk, CHUNK, 0);
    if (strcmp(how, "recvfrom_chk") == 0)
        return __recvfrom_chk(fd, buffer, chunk, CHUNK, 0, NULL, NULL);
    return read(fd, buffer, chunk);
}

static void add(int fd, enum role role, enum role port)
{
    if (count == MOST)
        host_die("more than %d connections", MOST);
    polled[count] = (struct pollfd){.fd = fd, .events = POLLIN};
    peers[count] = (struct peer){.role = role, .port = port};
    count++;
}

static void drop(nfds_t i)
{
    if (!late_free)
        SSL_free(peers[i].ssl);
    close(polled[i].fd);
    count--;
    polled[i] = polled[count];
    peers[i] = peers[count];
}

/* What OpenSSL wants to send. */
static bool flush(nfds_t i)
{
    char buffer[CHUNK];
    int got;

    if (socket_bio)
        return true;
    while ((got = BIO_read(SSL_get_wbio(peers[i].ssl), buffer, sizeof buffer)) > 0)
        if (!host_write_all(polled[i].fd, buffer, (size_t)got))
            return false;
    return true;
}

/* Goes on with the handshake or the echo as far as the bytes reach; false at the end. */
static bool advance(nfds_t i)
{
    SSL *ssl = peers[i].ssl;
    char buffer[CHUNK];
    int result;

    ERR_clear_error();
    if (!SSL_is_init_finished(ssl)) {
        result = SSL_do_handshake(ssl);
        if (result != 1)
            return flush(i) && SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ;
    }
    while ((result = SSL_read(ssl, buffer, sizeof buffer)) > 0)
        if (SSL_write(ssl, buffer, result) != result)
            return false;
    return SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ && flush(i);
}

static bool start_tls(nfds_t i)
{
    SSL *ssl = SSL_new(context);

    if (!ssl)
        host_die("SSL_new");
    peers[i].ssl = ssl;
    if (socket_bio)
        SSL_set_fd(ssl, polled[i].fd);
    else
        SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(ssl);
    return advance(i);
}

static bool read_plain(nfds_t i, const char *data, size_t length)
{
    static const char word[] = "STARTTLS\n";

    if (peers[i].port == STARTTLS_PORT && length == sizeof word - 1 &&
        memcmp(data, word, length) == 0)
        return host_write_all(polled[i].fd, "go\n", 3) && start_tls(i);
    return host_write_all(polled[i].fd, data, length);
}

static bool serve(nfds_t i)
{
    char buffer[CHUNK];

    if (socket_bio && peers[i].ssl)
        return advance(i);
    ssize_t got = read_some(polled[i].fd, buffer);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (got <= 0)
        return false;
    if (!peers[i].ssl)
        return read_plain(i, buffer, (size_t)got);
    if (BIO_write(SSL_get_rbio(peers[i].ssl), buffer, (int)got) != got)
        host_die("BIO_write");
    if (!SSL_is_init_finished(peers[i].ssl) && !SSL_in_before(peers[i].ssl))
        host_sleep(thinks);
    return advance(i);
}

static void welcome(nfds_t listener)
{
    const int on = 1;
    const int fd = accept4(polled[listener].fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0) {
        if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
            return;
        host_die("accept4");
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    add(fd, CONNECTION, peers[listener].role);
    if (peers[listener].role == TLS_PORT && !start_tls(count - 1))
        drop(count - 1);
}

/* A port at its limit is not asked for events, and starts again when there is room. */
static void limit(void)
{
    nfds_t taken[CONNECTION] = {0};

    for (nfds_t i = 0; i < count; i++)
        if (peers[i].role == CONNECTION)
            taken[peers[i].port]++;
    for (nfds_t i = 0; i < count; i++)
        if (peers[i].role != CONNECTION)
            polled[i].events = taken[peers[i].role] < most[peers[i].role] ? POLLIN : 0;
}

/* A session on memory, with its first step done. */
static SSL *on_memory(SSL *ssl, void (*set_state)(SSL *))
{
    if (!ssl)
        host_die("SSL_new");
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    set_state(ssl);
    SSL_do_handshake(ssl);
    return ssl;
}

static void begin_strays(void)
{
    SSL *client = on_memory(SSL_new(tls_client()), SSL_set_connect_state);
    SSL *server = on_memory(SSL_new(context), SSL_set_accept_state);
    char hello[CHUNK];
    const int length = BIO_read(SSL_get_wbio(client), hello, sizeof hello);

    if (BIO_write(SSL_get_rbio(server), hello, length) != length)
        host_die("BIO_write");
    SSL_do_handshake(server);
    on_memory(SSL_new(context), SSL_set_accept_state);
}

static void open_port(const char *name, enum role role)
{
    const int listener = host_listen(0);

    if (fcntl(listener, F_SETFL, O_NONBLOCK) < 0)
        host_die("O_NONBLOCK");
    host_announce(name, listener);
    add(listener, role, role);
}

int main(int argc, char **argv)
{
    host_init();
    context = tls_server();
    chunk = (size_t)atoi(host_value(argc, argv, "--chunk", "4096"));
    how = host_value(argc, argv, "--read", "read");
    socket_bio = host_option(argc, argv, "--socket-bio");
    thinks = strtod(host_value(argc, argv, "--think", "0"), NULL);
    late_free = host_option(argc, argv, "--late-free");
    most[TLS_PORT] = (nfds_t)atoi(host_value(argc, argv, "--most", "1024"));
    most[PLAIN_PORT] = (nfds_t)atoi(host_value(argc, argv, "--most-plain", "1024"));
    most[STARTTLS_PORT] = MOST;
    if (chunk < 1 || chunk > CHUNK)
        host_die("--chunk");
    if (host_option(argc, argv, "--no-threads"))
        host_forbid_threads();
    if (host_option(argc, argv, "--plain-port"))
        open_port("plain", PLAIN_PORT);
    if (host_option(argc, argv, "--starttls-port"))
        open_port("starttls", STARTTLS_PORT);
    open_port("port", TLS_PORT);
    if (host_option(argc, argv, "--strays"))
        begin_strays();
    for (;;) {
        limit();
        if (poll(polled, count, -1) < 0 && errno != EINTR)
            host_die("poll");
        for (nfds_t i = count; i-- > 0;) {
            if (polled[i].revents == 0)
                continue;
            if (peers[i].role != CONNECTION)
                welcome(i);
            else if (!serve(i))
                drop(i);
        }
    }
}
