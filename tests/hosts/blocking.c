/* One thread, one connection at a time, everything blocking: the server that one stalled client
 * stops for everybody.
 *
 *   --sigpipe-default  SIGPIPE kills, and after a failed handshake the server goes on writing to
 * the connection with every function that writes
 *   --long-answer      the server's first flight is longer than the socket buffers, so that a
 * client that does not read leaves the server in the middle of a write
 *   --no-threads       an unprivileged process that may not start a thread */
#include "lib/host.h"
#include "lib/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static void complain(int fd)
{
    char text[] = "sorry\n";
    struct iovec part = {.iov_base = text, .iov_len = sizeof text - 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    struct {
        const char *name;
        ssize_t result;
    } attempts[] = {
        {"write", write(fd, text, sizeof text - 1)},
        {"writev", writev(fd, &part, 1)},
        {"send", send(fd, text, sizeof text - 1, 0)},
        {"sendto", sendto(fd, text, sizeof text - 1, 0, NULL, 0)},
        {"sendmsg", sendmsg(fd, &message, 0)},
    };
    const int error = errno;

    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++)
        host_say("%s %zd", attempts[i].name, attempts[i].result);
    host_say("then %s", strerror(error));
}

static void add_long_chain(SSL_CTX *context)
{
    for (int i = 0; i < 2000; i++)
        if (SSL_CTX_add1_chain_cert(context, SSL_CTX_get0_certificate(context)) != 1)
            host_die("chain");
}

int main(int argc, char **argv)
{
    const bool stubborn = host_option(argc, argv, "--sigpipe-default");
    const bool wordy = host_option(argc, argv, "--long-answer");

    host_init();
    if (stubborn)
        signal(SIGPIPE, SIG_DFL);
    SSL_CTX *context = tls_server();
    if (wordy)
        add_long_chain(context);
    if (host_option(argc, argv, "--no-threads"))
        host_forbid_threads();
    int listener = host_listen(0);
    host_announce("port", listener);
    for (;;) {
        const int fd = host_accept(listener);
        const int small = 4096;

        if (wordy && setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small) < 0)
            host_die("SO_SNDBUF");
        const double begun = host_now();
        SSL *ssl = tls_session(context, fd);
        if (SSL_accept(ssl) == 1) {
            tls_echo(ssl);
        } else {
            host_say("handshake failed after %.3f s", host_now() - begun);
            if (stubborn)
                complain(fd);
        }
        SSL_shutdown(ssl);
        ERR_clear_error();
        SSL_free(ssl);
        close(fd);
    }
}
