/* Calls every function that the library stands before, with good and bad arguments and errno
 * preset, and prints each result with errno. The lines must be the same with the library and
 * without it.
 *
 *   --tls        the TCP connection carries an unfinished TLS session while all this is done to it
 *   --sanitized  a sanitizer's poll() stands between, and reads its arguments before the kernel */
#include "lib/host.h"
#include "lib/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

/* What a program that was built with _FORTIFY_SOURCE calls; libc has no header for them. */
/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
ssize_t __read_chk(int fd, void *buffer, size_t count, size_t size);
ssize_t __recv_chk(int fd, void *buffer, size_t count, size_t size, int flags);
ssize_t __recvfrom_chk(int fd, void *buffer, size_t count, size_t size, int flags,
                       struct sockaddr *from, socklen_t *length);
int __poll_chk(struct pollfd *fds, nfds_t count, int milliseconds, size_t size);
int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                const sigset_t *mask, size_t size);
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

enum { BAD = 12345, PRESET = 98765 };

static int line;
static volatile sig_atomic_t broken_pipes;

static void count_broken_pipe(int number)
{
    (void)number;
    broken_pipes = broken_pipes + 1;
}

static void report(const char *call, long result)
{
    const int error = errno;

    host_say("%d %s = %ld, errno %s", ++line, call, result,
             error == PRESET ? "untouched" : strerrorname_np(error));
}

#define TRY(call)                                                                                  \
    do {                                                                                           \
        errno = PRESET;                                                                            \
        report(#call, (long)(call));                                                               \
    } while (0)

static char buffer[64];
static struct iovec part = {.iov_base = buffer, .iov_len = 4};
static struct iovec many[2000]; /* more than IOV_MAX */
static struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
/* The compiler must not know what is bad. */
static volatile int negative = -1;
static void *volatile bad_address = (void *)8;
static bool sanitized;

static void try_reads(int fd, int far)
{
    struct sockaddr_storage from;
    socklen_t length = sizeof from;

    TRY(write(far, "0123456789abcdefghijklmnopqrstuvwxyz, more", 42));
    TRY(read(fd, buffer, 4));
    TRY(recv(fd, buffer, 4, 0));
    TRY(recv(fd, buffer, 4, MSG_PEEK));
    TRY(recvfrom(fd, buffer, 4, 0, (struct sockaddr *)&from, &length));
    TRY(recvfrom(fd, buffer, 4, 0, NULL, NULL));
    TRY(recvmsg(fd, &message, 0));
    TRY(readv(fd, &part, 1));
    TRY(__read_chk(fd, buffer, 4, sizeof buffer));
    TRY(__recv_chk(fd, buffer, 4, sizeof buffer, 0));
    TRY(__recvfrom_chk(fd, buffer, 4, sizeof buffer, 0, NULL, NULL));
    TRY(read(fd, buffer, 0));
    TRY(read(fd, buffer, sizeof buffer));
    TRY(recv(fd, buffer, 4, MSG_DONTWAIT));
    TRY(recvfrom(fd, buffer, 4, MSG_DONTWAIT, NULL, NULL));
    TRY(recvmsg(fd, &message, MSG_DONTWAIT));
    TRY(__recv_chk(fd, buffer, 4, sizeof buffer, MSG_DONTWAIT));
    TRY(__recvfrom_chk(fd, buffer, 4, sizeof buffer, MSG_DONTWAIT, NULL, NULL));
    TRY(fcntl(fd, F_SETFL, O_NONBLOCK));
    TRY(read(fd, buffer, 4));
    TRY(readv(fd, &part, 1));
    TRY(__read_chk(fd, buffer, 4, sizeof buffer));
    TRY(write(far, "0123", 4));
    TRY(read(fd, bad_address, 4));
    TRY(recv(fd, bad_address, 4, 0));
    TRY(recvmsg(fd, bad_address, 0));
    TRY(readv(fd, bad_address, 1));
    TRY(readv(fd, &part, negative));
    TRY(readv(fd, many, 2000));
    TRY(recv(fd, buffer, 4, -1));
    TRY(read(fd, buffer, sizeof buffer));
    TRY(fcntl(fd, F_SETFL, 0));
}

static void try_writes(int fd, int far)
{
    TRY(write(fd, "abcd", 4));
    TRY(writev(fd, &part, 1));
    TRY(send(fd, "abcd", 4, 0));
    TRY(send(fd, "abcd", 4, MSG_NOSIGNAL));
    TRY(sendto(fd, "abcd", 4, 0, NULL, 0));
    TRY(sendmsg(fd, &message, 0));
    TRY(recv(far, buffer, sizeof buffer, MSG_DONTWAIT));
    TRY(write(fd, "", 0));
    TRY(write(fd, bad_address, 4));
    TRY(writev(fd, bad_address, 1));
    TRY(writev(fd, &part, negative));
    TRY(writev(fd, many, 2000));
    TRY(writev(fd, many, 2));
    TRY(send(fd, bad_address, 4, 0));
    TRY(sendto(fd, bad_address, 4, 0, NULL, 0));
    TRY(sendmsg(fd, bad_address, 0));
}

static void try_bad_descriptors(void)
{
    const int bad[] = {BAD, -1};
    struct epoll_event event;

    for (int i = 0; i < 2; i++) {
        const int fd = bad[i];

        TRY(accept(fd, NULL, NULL));
        TRY(accept4(fd, NULL, NULL, 0));
        TRY(connect(fd, NULL, 0));
        TRY(read(fd, buffer, 4));
        TRY(readv(fd, &part, 1));
        TRY(recv(fd, buffer, 4, 0));
        TRY(recvfrom(fd, buffer, 4, 0, NULL, NULL));
        TRY(recvmsg(fd, &message, 0));
        TRY(__read_chk(fd, buffer, 4, sizeof buffer));
        TRY(__recv_chk(fd, buffer, 4, sizeof buffer, 0));
        TRY(__recvfrom_chk(fd, buffer, 4, sizeof buffer, 0, NULL, NULL));
        TRY(write(fd, "a", 1));
        TRY(writev(fd, &part, 1));
        TRY(send(fd, "a", 1, 0));
        TRY(sendto(fd, "a", 1, 0, NULL, 0));
        TRY(sendmsg(fd, &message, 0));
        TRY(close(fd));
        TRY(dup(fd));
        TRY(dup2(fd, 20));
        TRY(dup3(fd, 20, 0));
        TRY(dup2(1, fd));
        TRY(dup3(1, fd, 0));
        TRY(listen(fd, 1));
        TRY(epoll_wait(fd, &event, 1, 0));
        TRY(fcntl(fd, F_GETFL));
        TRY(fcntl(fd, F_DUPFD, 0));
        TRY(fcntl64(fd, F_DUPFD_CLOEXEC, 0));
    }
}

static void try_polls(int fd)
{
    struct pollfd polled[] = {{.fd = fd, .events = POLLIN}, {.fd = BAD, .events = POLLIN}};
    const struct timespec soon = {.tv_nsec = 1000000};
    const struct timespec bad = {.tv_nsec = -1};
    const size_t size = sizeof polled;

    TRY(poll(polled, 1, 0));
    TRY(poll(polled, 1, 1));
    TRY(poll(polled, 2, -1));
    TRY(poll(polled + 1, 1, 0));
    TRY(poll(NULL, 0, 1));
    if (!sanitized) {
        TRY(poll(bad_address, 2, 0));
        TRY(poll(polled, (nfds_t)negative, 0));
    }
    TRY(ppoll(polled, 1, &soon, NULL));
    TRY(ppoll(polled, 2, NULL, NULL));
    TRY(ppoll(polled, 1, &bad, NULL));
    TRY(__poll_chk(polled, 1, 1, size));
    TRY(__ppoll_chk(polled, 1, &soon, NULL, size));
}

/* The descriptor alone, as a set of select(). */
static fd_set *set_of(int fd)
{
    static fd_set set;

    FD_ZERO(&set);
    FD_SET(fd, &set);
    return &set;
}

static void try_selects(int fd)
{
    const struct timespec soon = {.tv_nsec = 1000000};
    const struct timespec bad = {.tv_nsec = -1};
    struct timeval time = {.tv_usec = 1000};

    TRY(select(fd + 1, set_of(fd), NULL, NULL, &time));
    TRY(time.tv_sec || time.tv_usec);
    TRY(select(fd + 1, NULL, set_of(fd), NULL, NULL));
    TRY(select(fd + 1, set_of(BAD % FD_SETSIZE), NULL, NULL, &time));
    TRY(select(negative, NULL, NULL, NULL, &time));
    time.tv_usec = -1;
    TRY(select(fd + 1, set_of(fd), NULL, NULL, &time));
    TRY(pselect(fd + 1, set_of(fd), NULL, NULL, &soon, NULL));
    TRY(pselect(fd + 1, NULL, set_of(fd), NULL, NULL, NULL));
    TRY(pselect(fd + 1, set_of(fd), NULL, NULL, &bad, NULL));
}

static void try_epolls(int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    const int epoll = epoll_create1(EPOLL_CLOEXEC);

    TRY(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
    TRY(epoll_wait(epoll, &event, 1, 1));
    TRY(epoll_pwait(epoll, &event, 1, 1, NULL));
    TRY(epoll_wait(epoll, &event, 0, 0));
    TRY(epoll_wait(fd, &event, 1, 0));
    TRY(epoll_pwait(BAD, &event, 1, 0, NULL));
    event.events = EPOLLOUT;
    TRY(epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event));
    TRY(epoll_wait(epoll, &event, 1, -1));
    TRY(epoll_pwait(epoll, bad_address, 1, -1, NULL));
    TRY(close(epoll));
}

static void try_waits(int fd)
{
    try_polls(fd);
    try_selects(fd);
    try_epolls(fd);
}

static void try_fcntl(int fd)
{
    const int file = open(".", O_TMPFILE | O_RDWR, 0600);
    const int memory = memfd_create("conform", MFD_ALLOW_SEALING);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10};
    struct f_owner_ex owner = {.type = F_OWNER_PID, .pid = 1};
    int channel[2] = {-1, -1};
    int copy;

    TRY(pipe(channel));
    TRY(fcntl(fd, F_GETFD));
    TRY(fcntl(fd, F_SETFD, FD_CLOEXEC));
    TRY(fcntl(fd, F_GETFD));
    TRY(fcntl(fd, F_GETFL));
    TRY(fcntl(fd, F_SETFL, O_NONBLOCK));
    TRY(fcntl64(fd, F_GETFL));
    TRY(fcntl64(fd, F_SETFL, 0));
    TRY(copy = fcntl(fd, F_DUPFD, 40));
    TRY(fcntl(copy, F_GETFD));
    TRY(close(copy));
    TRY(copy = fcntl64(fd, F_DUPFD_CLOEXEC, 41));
    TRY(fcntl(copy, F_GETFD));
    TRY(close(copy));
    TRY(fcntl(fd, F_DUPFD, -1));
    TRY(fcntl(fd, F_DUPFD, 1 << 30));
    TRY(fcntl(file, F_SETLK, &lock));
    TRY(fcntl(file, F_GETLK, &lock));
    TRY(lock.l_type);
    lock = (struct flock){.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 5};
    TRY(fcntl(file, F_OFD_SETLK, &lock));
    TRY(fcntl(file, F_OFD_GETLK, &lock));
    TRY(fcntl(file, F_SETLK, bad_address));
    TRY(fcntl(fd, F_GETOWN_EX, &owner));
    TRY(owner.pid);
    owner = (struct f_owner_ex){.type = F_OWNER_PID, .pid = getpid()};
    TRY(fcntl(fd, F_SETOWN_EX, &owner));
    TRY(fcntl(fd, F_GETOWN) == getpid());
    TRY(fcntl(fd, F_SETSIG, 0));
    TRY(fcntl(fd, F_GETSIG));
    TRY(fcntl(channel[0], F_SETPIPE_SZ, 8192));
    TRY(fcntl(channel[0], F_GETPIPE_SZ));
    TRY(fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK));
    TRY(fcntl(memory, F_GET_SEALS));
    TRY(fcntl(file, F_GETLEASE));
    TRY(fcntl(fd, 9999));
    TRY(fcntl(fd, -1));
    TRY(close(file));
    TRY(close(memory));
    TRY(close(channel[0]));
    TRY(close(channel[1]));
}

static void try_duplicates(int fd, int far)
{
    int copy;

    TRY(copy = dup(fd));
    TRY(write(far, "dup", 3));
    TRY(read(copy, buffer, 3));
    TRY(close(copy));
    TRY(dup2(fd, fd));
    TRY(dup3(fd, fd, 0));
    TRY(copy = dup2(fd, 30));
    TRY(write(copy, "dup2", 4));
    TRY(read(far, buffer, 4));
    TRY(dup2(1, 30));
    TRY(close(30));
    TRY(close(30));
    TRY(dup3(fd, 31, O_CLOEXEC));
    TRY(fcntl(31, F_GETFD));
    TRY(dup3(fd, 32, 12345));
    TRY(dup2(fd, 1 << 30));
    TRY(close_range(31, 31, 0));
    TRY(close(31));
    TRY(dup2(fd, 33));
    TRY(close_range(33, 35, CLOSE_RANGE_CLOEXEC));
    TRY(fcntl(33, F_GETFD));
    TRY(close_range(33, 33, CLOSE_RANGE_UNSHARE));
    TRY(close(33));
    TRY(close_range(40, 39, 0));
    TRY(close_range(40, 41, 12345));
    TRY(dup2(fd, 60));
    errno = PRESET;
    closefrom(60);
    report("closefrom(60)", 0);
    TRY(close(60));
    TRY(write(far, "after", 5));
    TRY(read(fd, buffer, 5));
}

static void try_accepts(int listener)
{
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    int client = host_connect(host_port(listener));
    int fd;

    memset(&address, 0, sizeof address);
    TRY(fd = accept(listener, (struct sockaddr *)&address, &length));
    TRY(length);
    TRY(address.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    TRY(fcntl(fd, F_GETFL));
    TRY(fcntl(fd, F_GETFD));
    TRY(close(fd));
    TRY(close(client));
    client = host_connect(host_port(listener));
    TRY(fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
    TRY(fcntl(fd, F_GETFL));
    TRY(fcntl(fd, F_GETFD));
    TRY(accept(fd, NULL, NULL));
    TRY(accept4(fd, NULL, NULL, SOCK_CLOEXEC));
    TRY(close(fd));
    TRY(close(client));
    if (!sanitized) {
        client = host_connect(host_port(listener));
        TRY(fd = accept(listener, NULL, bad_address));
        TRY(close(fd));
        TRY(close(client));
    }
    TRY(accept4(listener, NULL, NULL, 12345));
    client = host_connect(host_port(listener));
    TRY(accept(listener, bad_address, &length));
    TRY(close(client));
    TRY(fcntl(listener, F_SETFL, O_NONBLOCK));
    TRY(accept(listener, NULL, NULL));
    TRY(accept4(listener, NULL, NULL, 0));
    TRY(fcntl(listener, F_SETFL, 0));
    TRY(listen(listener, 16));
    TRY(accept(1, NULL, NULL));
}

static void try_connects(int listener)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    const int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(host_port(listener));
    TRY(connect(fd, (struct sockaddr *)&address, 3));
    TRY(connect(fd, bad_address, sizeof address));
    TRY(connect(fd, (struct sockaddr *)&address, sizeof address));
    TRY(connect(fd, (struct sockaddr *)&address, sizeof address));
    TRY(connect(1, (struct sockaddr *)&address, sizeof address));
    TRY(close(fd));
    const int one = accept(listener, NULL, NULL);
    TRY(read(one, buffer, 1));
    TRY(close(one));
}

static void try_ends(int fd, int far)
{
    TRY(write(far, "last", 4));
    TRY(shutdown(far, SHUT_WR));
    TRY(read(fd, buffer, sizeof buffer));
    TRY(read(fd, buffer, sizeof buffer));
    TRY(recv(fd, buffer, sizeof buffer, 0));
    TRY(shutdown(fd, SHUT_WR));
    TRY(write(fd, "a", 1));
    TRY(send(fd, "a", 1, 0));
    TRY(sendto(fd, "a", 1, 0, NULL, 0));
    TRY(sendmsg(fd, &message, 0));
    TRY(writev(fd, &part, 1));
    TRY(close(fd));
    TRY(close(fd));
    TRY(close(far));
}

static void try_all(int fd, int far)
{
    try_reads(fd, far);
    try_writes(fd, far);
    try_waits(fd);
    try_fcntl(fd);
    try_duplicates(fd, far);
    try_ends(fd, far);
}

static void try_pipe_and_file(void)
{
    int channel[2];
    const int file = open(".", O_TMPFILE | O_RDWR, 0600);

    TRY(pipe(channel));
    TRY(write(channel[1], "pipe", 4));
    TRY(read(channel[0], buffer, 4));
    TRY(recv(channel[0], buffer, 4, 0));
    TRY(send(channel[1], "a", 1, 0));
    TRY(accept(channel[0], NULL, NULL));
    TRY(read(channel[1], buffer, 4));
    TRY(write(channel[0], "a", 1));
    TRY(close(channel[0]));
    TRY(write(channel[1], "a", 1));
    TRY(close(channel[1]));
    TRY(write(file, "file", 4));
    TRY(lseek(file, 0, SEEK_SET));
    TRY(readv(file, &part, 1));
    TRY(read(file, buffer, 4));
    TRY(recvfrom(file, buffer, 4, 0, NULL, NULL));
    TRY(close(file));
}

/* A descriptor travels. */
static void try_rights(int fd, int far)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    struct msghdr letter = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof control};
    int copy;

    memcpy(CMSG_DATA(&control.header), &far, sizeof far);
    TRY(sendmsg(far, &letter, 0));
    TRY(recvmsg(fd, &letter, 0));
    memcpy(&copy, CMSG_DATA(&control.header), sizeof copy);
    TRY(close(copy));
}

/* An accepted connection whose end breaks every write, as any other's does, but sends no SIGPIPE.
 */
static void try_seqpacket(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t length = sizeof address;
    const int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    const int far = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    int fd;

    /* The family alone: the kernel picks an abstract name (unix(7), autobind). */
    TRY(bind(listener, (struct sockaddr *)&address, sizeof address.sun_family));
    TRY(listen(listener, 1));
    TRY(getsockname(listener, (struct sockaddr *)&address, &length));
    TRY(connect(far, (struct sockaddr *)&address, length));
    TRY(fd = accept(listener, NULL, NULL));
    TRY(close(far));
    const int before = broken_pipes;
    try_writes(fd, BAD);
    TRY(broken_pipes - before);
    TRY(close(fd));
    TRY(close(listener));
}

static void ignore(const SSL *ssl, int where, int value)
{
    (void)ssl, (void)where, (void)value;
}

static void try_sessions(SSL_CTX *context, SSL *ssl)
{
    /* A BIO that says it has a descriptor, and cannot tell which. */
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_DESCRIPTOR | BIO_get_new_index(), "conform");
    SSL *other = SSL_new(context);
    BIO *bio = BIO_new(method);

    SSL_set_bio(other, bio, bio);
    ERR_clear_error();
    SSL_set_accept_state(other);
    TRY(ERR_peek_error() == 0);
    SSL_set_bio(other, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL *copy = SSL_dup(other);
    SSL_set_info_callback(copy, ignore);
    TRY(SSL_get_info_callback(copy) == ignore);
    TRY(SSL_get_info_callback(other) == NULL);
    SSL_free(other);
    TRY(SSL_accept(copy));
    SSL_free(copy);
    SSL_set_info_callback(ssl, ignore);
    TRY(SSL_get_info_callback(ssl) == ignore);
    SSL_set_info_callback(ssl, NULL);
    TRY(SSL_get_info_callback(ssl) == NULL);
    BIO_meth_free(method);
}

int main(int argc, char **argv)
{
    const bool tls = host_option(argc, argv, "--tls");
    SSL_CTX *context = tls ? tls_server() : NULL;
    const struct rlimit limit = {1024, 1024};
    int pair[2];

    host_init();
    sanitized = host_option(argc, argv, "--sanitized");
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || signal(SIGPIPE, count_broken_pipe) == SIG_ERR)
        host_die("limits");
    if (!sanitized)
        TRY(poll(bad_address, 1, 0)); /* of a program that is no server yet */
    const int listener = host_listen(0);
    try_bad_descriptors();
    try_pipe_and_file();
    TRY(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    try_rights(pair[0], pair[1]);
    try_all(pair[0], pair[1]);
    const int far = host_connect(host_port(listener));
    int fd;
    TRY(fd = accept(listener, NULL, NULL));
    if (tls) {
        SSL *ssl = tls_session(context, fd);

        fcntl(fd, F_SETFL, O_NONBLOCK);
        TRY(SSL_accept(ssl));
        TRY(SSL_clear(ssl));
        errno = PRESET;
        SSL_set_accept_state(ssl);
        report("SSL_set_accept_state(ssl)", 0);
        TRY(SSL_do_handshake(ssl));
        try_sessions(context, ssl);
        fcntl(fd, F_SETFL, 0);
        ERR_clear_error();
    }
    try_all(fd, far);
    try_accepts(listener);
    try_connects(listener);
    try_seqpacket();
    host_say("SIGPIPE came %d times", (int)broken_pipes);
    host_say("end");
    return 0;
}
