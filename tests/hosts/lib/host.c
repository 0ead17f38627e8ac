#include "host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

void host_init_child(void)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        host_die("prctl");
}

void host_init(void)
{
    signal(SIGPIPE, SIG_IGN);
    host_init_child();
}

static struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    const char *chosen = getenv("HOST_ADDRESS");

    if (inet_pton(AF_INET, chosen ? chosen : "127.0.0.1", &address.sin_addr) != 1)
        host_die("HOST_ADDRESS");
    return address;
}

int host_listen(uint16_t port)
{
    struct sockaddr_in address = loopback(port);
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 512) < 0)
        host_die("listen on port %u", port);
    return fd;
}

uint16_t host_port(int fd)
{
    struct sockaddr_in address = {.sin_family = AF_UNSPEC};
    socklen_t length = sizeof address;

    if (getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        host_die("getsockname");
    return ntohs(address.sin_port);
}

void host_announce(const char *name, int listener)
{
    host_say("%s %u", name, host_port(listener));
}

int host_accept(int listener)
{
    for (;;) {
        const int on = 1;
        int fd = accept(listener, NULL, NULL);

        if (fd >= 0) {
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            return fd;
        }
        if (errno != EINTR && errno != ECONNABORTED)
            host_die("accept");
    }
}

int host_connect(uint16_t port)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        host_die("connect to port %u", port);
    return fd;
}

void host_thread(void *(*run)(void *), void *argument)
{
    pthread_t thread;

    errno = pthread_create(&thread, NULL, run, argument);
    if (errno != 0 || (errno = pthread_detach(thread)) != 0)
        host_die("thread");
}

void host_forbid_threads(void)
{
    const struct rlimit none = {0, 0};

    if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
        host_die("setresuid");
    if (setrlimit(RLIMIT_NPROC, &none) < 0)
        host_die("RLIMIT_NPROC");
}

bool host_write_all(int fd, const void *data, size_t length)
{
    const char *next = data;

    while (length > 0) {
        ssize_t sent = write(fd, next, length);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        next += sent;
        length -= (size_t)sent;
    }
    return true;
}

void host_echo(int fd)
{
    char buffer[4096];
    ssize_t got;

    do {
        got = read(fd, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR)
            continue;
    } while (got > 0 && host_write_all(fd, buffer, (size_t)got));
    close(fd);
}

bool host_option(int argc, char **argv, const char *option)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], option) == 0)
            return true;
    return false;
}

const char *host_value(int argc, char **argv, const char *option, const char *otherwise)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], option) == 0)
            return argv[i + 1];
    return otherwise;
}

double host_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void host_sleep(double seconds)
{
    struct timespec left = {.tv_sec = (time_t)seconds};

    left.tv_nsec = (long)((seconds - (double)left.tv_sec) * 1e9);
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
        ;
}

bool host_alive(int fd)
{
    struct pollfd wanted = {.fd = fd, .events = POLLRDHUP};

    if (poll(&wanted, 1, 0) < 0)
        host_die("poll");
    return (wanted.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) == 0;
}

void host_say(const char *format, ...)
{
    char line[1024];
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof line - 1)
        length = (int)sizeof line - 2;
    line[length] = '\n';
    if (write(STDOUT_FILENO, line, (size_t)length + 1) < 0)
        host_die("stdout");
}

void host_die(const char *format, ...)
{
    const int error = errno;
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, ": %s\n", strerror(error));
    exit(1);
}
