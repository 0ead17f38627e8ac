/* The accepted descriptor gets another number before TLS begins; the first one is closed.
 * One connection at a time. A client has 0.7 s to send something before it is moved: its time must
 * come along.
 *
 *   moved HOW   dup2-low  dup2() over descriptor 0, as servers started by inetd do
 *               dup       dup()
 *               dup3      dup3()
 *               dupfd     fcntl(F_DUPFD, 100)
 *               dupfd-cloexec
 *               both      dup(), and the first one stays open until the end
 *               split     dup(), one number to read and the other to write (SSL_set_rfd,
 * SSL_set_wfd) split-bio the same with two BIOs of their own */
#include "lib/host.h"
#include "lib/tls.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static int move(const char *how, int fd)
{
    if (strcmp(how, "dup2-low") == 0)
        return dup2(fd, 0);
    if (strcmp(how, "dup3") == 0)
        return dup3(fd, 77, O_CLOEXEC);
    if (strcmp(how, "dupfd") == 0)
        return fcntl(fd, F_DUPFD, 100);
    if (strcmp(how, "dupfd-cloexec") == 0)
        return fcntl(fd, F_DUPFD_CLOEXEC, 100);
    return dup(fd);
}

static void bind_session(SSL *ssl, const char *how, int first, int second)
{
    int bound = 1;

    if (strcmp(how, "split") == 0)
        bound = SSL_set_rfd(ssl, first) & SSL_set_wfd(ssl, second);
    else if (strcmp(how, "split-bio") == 0)
        SSL_set_bio(ssl, BIO_new_socket(first, BIO_NOCLOSE), BIO_new_socket(second, BIO_NOCLOSE));
    else
        bound = SSL_set_fd(ssl, second);
    if (!bound)
        host_die("bind %s", how);
}

int main(int argc, char **argv)
{
    host_init();
    const char *how = argc > 1 ? argv[1] : "dup";
    const bool both = strncmp(how, "split", 5) == 0 || strcmp(how, "both") == 0;
    SSL_CTX *context = tls_server();
    const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int listener = host_listen(0);
    host_announce("port", listener);
    for (;;) {
        const int first = host_accept(listener);
        poll(&(struct pollfd){.fd = first, .events = POLLIN}, 1, 700);
        const int second = move(how, first);

        if (second < 0)
            host_die("%s", how);
        if (!both)
            close(first);
        SSL *ssl = SSL_new(context);
        bind_session(ssl, how, first, second);
        if (SSL_accept(ssl) == 1) {
            tls_echo(ssl);
            SSL_shutdown(ssl);
        }
        ERR_clear_error();
        SSL_free(ssl);
        if (second == STDIN_FILENO)
            dup2(nothing, second); /* closes it and keeps the number taken */
        else
            close(second);
        if (both)
            close(first);
    }
}
