/* The waits of a program that could start no thread when it was needed, while a silent client keeps
 * it waiting: each must end as the program has said, whoever looks after the deadlines. For each of
 * its arguments it does one thing and says "WAIT S s: RESULT", where S is how long it took.
 *
 *   dontwait  SSL_accept on a BIO of the program's own, which calls recv() with MSG_DONTWAIT; the
 *             socket blocks
 *   timeout   the same with SO_RCVTIMEO, 0.3 s
 *   alarm     the same with an alarm after 0.3 s, whose handler interrupts system calls
 *   select    select() with a negative timeout
 *   sets      select() with a set of as many words as are asked for, for 0.3 s
 *   ppoll     ppoll() with one
 *   vfork     a child of vfork() that waits for 0.1 s with poll() */
#include "lib/host.h"
#include "lib/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534, SOON = 300000 /* microseconds */ };

static const char *result;
static int flags;

/* Not for ever, as a vfork() is wanted, too. */
static void forbid_threads(bool forbidden)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NPROC, &limit) < 0)
        host_die("RLIMIT_NPROC");
    limit.rlim_cur = forbidden ? 0 : limit.rlim_max;
    if (setrlimit(RLIMIT_NPROC, &limit) < 0)
        host_die("RLIMIT_NPROC");
}

static const char *outcome(long value)
{
    return value < 0 ? strerrorname_np(errno) : "done";
}

static int bio_read(BIO *bio, char *data, int size)
{
    const int *fd = BIO_get_data(bio);
    const ssize_t got = recv(*fd, data, (size_t)size, flags);

    result = outcome(got);
    if (got < 0)
        BIO_set_retry_read(bio);
    else
        BIO_clear_retry_flags(bio);
    return (int)got;
}

static int bio_write(BIO *bio, const char *data, int size)
{
    const int *fd = BIO_get_data(bio);

    return (int)send(*fd, data, (size_t)size, 0);
}

static void ignore(int number)
{
    (void)number;
}

static void wait_in_handshake(SSL *ssl, int fd, const char *how)
{
    const struct sigaction action = {.sa_handler = ignore};
    const struct itimerval soon = {.it_value = {.tv_usec = SOON}};

    if (strcmp(how, "dontwait") == 0)
        flags = MSG_DONTWAIT;
    else if (strcmp(how, "timeout") == 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon.it_value, sizeof soon.it_value);
    else if (sigaction(SIGALRM, &action, NULL) < 0 || setitimer(ITIMER_REAL, &soon, NULL) < 0)
        host_die("alarm");
    if (SSL_accept(ssl) == 1)
        host_die("a silent client finished its handshake");
    ERR_clear_error();
}

/* Behind the set is nothing. */
static void select_small_sets(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *room = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct timeval soon = {.tv_usec = SOON};

    if (room == MAP_FAILED || mprotect(room + page, page, PROT_NONE) < 0)
        host_die("mmap");
    fd_set *set = (fd_set *)(void *)(room + page - sizeof(fd_mask));
    memset(set, 0, sizeof(fd_mask));
    result = outcome(select(NFDBITS, set, NULL, NULL, &soon));
    munmap(room, 2 * page);
}

static void vfork_and_poll(void)
{
    int status;
    /* NOLINTNEXTLINE(clang-analyzer-security.insecureAPI.vfork): vfork is what is tested. */
    const pid_t pid = vfork();

    if (pid == 0) {
        signal(SIGALRM, SIG_DFL);
        alarm(2); /* it may not come back */
        _exit(poll(NULL, 0, 100));
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        host_die("vfork");
    result = status == 0 ? "done" : "the child was killed";
}

/* A client connects and is silent; its handshake has begun when the wait does. */
static void wait_as(const char *how, SSL_CTX *context, BIO_METHOD *method, int listener)
{
    const int client = host_connect(host_port(listener));
    int fd = host_accept(listener);
    SSL *ssl = SSL_new(context);
    BIO *bio = BIO_new(method);

    BIO_set_data(bio, &fd);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    forbid_threads(true);
    flags = 0;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    (void)SSL_accept(ssl);
    fcntl(fd, F_SETFL, 0);
    host_sleep(0.1); /* whoever wants a thread has tried to have one */
    forbid_threads(false);
    const double begun = host_now();
    if (strcmp(how, "select") == 0)
        result = outcome(select(0, NULL, NULL, NULL, &(struct timeval){.tv_sec = -1}));
    else if (strcmp(how, "sets") == 0)
        select_small_sets();
    else if (strcmp(how, "ppoll") == 0)
        result = outcome(ppoll(NULL, 0, &(struct timespec){.tv_sec = -1}, NULL));
    else if (strcmp(how, "vfork") == 0)
        vfork_and_poll();
    else
        wait_in_handshake(ssl, fd, how);
    host_say("%s %.3f s: %s", how, host_now() - begun, result);
    SSL_free(ssl);
    close(fd);
    close(client);
}

int main(int argc, char **argv)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "own");

    host_init();
    SSL_CTX *context = tls_server();
    const int listener = host_listen(0);
    if (geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) < 0)
        host_die("setresuid");
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_write(method, bio_write);
    host_announce("port", listener);
    for (int i = 1; i < argc; i++)
        wait_as(argv[i], context, method, listener);
    host_say("end");
}
