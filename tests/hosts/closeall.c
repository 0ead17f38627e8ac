/* Closes every descriptor from 3 up, as daemons do, and gives each of the numbers that it closed to
 * something of its own: files, pipes, timers, event counters, sockets. It can close that and do so
 * once more. They must stay its own.
 * It serves a thread for each connection before and afterwards.
 *
 *   closeall HOW      close_range, closefrom, loop (close() one by one), onto (dup2() over each
 *                     number without closing it), raw (the system call close_range), raw-loop (the
 *                     system call close one by one)
 *
 * The first client that finishes makes it close everything and listen again. From then on, after
 * each client that finishes, it compares what it owns with what it put there.
 *
 *   --daemon  forks, and closes everything before it listens the first time, too */
#include "lib/host.h"
#include "lib/tls.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 256, KINDS = 5, FILE_SIZE = 1000, FILE_OFFSET = 10, PIPED = 17, COUNTED = 7 };
/* Where the far ends go, out of the way. */
enum { FAR = 700 };
/* Where the library's own are, its timer first. */
enum { HIGH = 1008 };
enum kind { A_FILE, A_PIPE, AN_EVENTFD, A_TIMERFD, A_SOCKET };

struct thing {
    int fd;
    int other; /* the far end of a pipe or socket, kept out of the way */
    enum kind kind;
    ino_t inode;
};

static struct thing things[MOST];
static int count;
static const char *how;

/* Puts fd at the number `at` and frees the old one; fresh numbers come from the kernel. */
static int place(int fd, int at)
{
    if (fd == at)
        return fd;
    const int placed = strcmp(how, "onto") == 0 ? dup2(fd, at) : fcntl(fd, F_DUPFD, at);
    if (placed < 0)
        host_die("place at %d", at);
    close(fd);
    return placed;
}

static void fill_file(int fd)
{
    char data[FILE_SIZE];

    memset(data, 'x', sizeof data);
    if (fd < 0 || !host_write_all(fd, data, sizeof data) || lseek(fd, FILE_OFFSET, SEEK_SET) < 0)
        host_die("file");
}

static void own(int at)
{
    struct thing *thing = &things[count];
    const struct itimerspec far = {.it_value = {.tv_sec = 1000}};
    int pair[2] = {-1, -1};

    if (count == MOST)
        host_die("more than %d descriptors", MOST);
    thing->kind = (enum kind)((at < HIGH ? count : at - HIGH + A_TIMERFD) % KINDS);
    thing->other = -1;
    switch (thing->kind) {
    case A_FILE:
        pair[0] = open(".", O_TMPFILE | O_RDWR, 0600);
        fill_file(pair[0]);
        break;
    case A_PIPE:
        if (pipe(pair) < 0 || write(pair[1], "0123456789abcdefg", PIPED) != PIPED)
            host_die("pipe");
        break;
    case AN_EVENTFD:
        pair[0] = eventfd(COUNTED, EFD_NONBLOCK);
        break;
    case A_TIMERFD:
        pair[0] = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
        if (timerfd_settime(pair[0], 0, &far, NULL) < 0)
            host_die("timerfd");
        break;
    case A_SOCKET:
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
            host_die("socketpair");
        break;
    }
    if (pair[1] >= 0) {
        thing->other = fcntl(pair[1], F_DUPFD, FAR);
        close(pair[1]);
    }
    thing->fd = place(pair[0], at);
    struct stat status;
    if (fstat(thing->fd, &status) < 0)
        host_die("fstat");
    thing->inode = status.st_ino;
    count++;
}

static int open_numbers(int *numbers)
{
    DIR *directory = opendir("/proc/self/fd");
    const struct dirent *entry;
    int found = 0;

    if (!directory)
        host_die("/proc/self/fd");
    while ((entry = readdir(directory))) {
        const int fd = atoi(entry->d_name);
        if (fd >= 3 && fd != dirfd(directory) && found < MOST)
            numbers[found++] = fd;
    }
    closedir(directory);
    return found;
}

static void close_everything(void)
{
    if (strcmp(how, "close_range") == 0)
        close_range(3, ~0U, 0);
    else if (strcmp(how, "closefrom") == 0)
        closefrom(3);
    else if (strcmp(how, "raw") == 0)
        syscall(SYS_close_range, 3U, ~0U, 0);
    else if (strcmp(how, "loop") == 0)
        for (int fd = 3; fd < sysconf(_SC_OPEN_MAX); fd++)
            close(fd);
    else if (strcmp(how, "raw-loop") == 0)
        for (int fd = 3; fd < sysconf(_SC_OPEN_MAX); fd++)
            syscall(SYS_close, fd);
    else if (strcmp(how, "onto") != 0)
        host_die("no such way: %s", how);
}

static void close_and_take(void)
{
    int numbers[MOST];
    const int found = open_numbers(numbers);

    close_everything();
    for (int i = 0; i < found; i++) {
        own(numbers[i]);
        if (close(things[--count].fd) < 0)
            host_die("close of %d", numbers[i]);
        own(numbers[i]);
    }
    host_say("closed %d", found);
}

static void check(const struct thing *thing)
{
    struct stat status;
    struct itimerspec left;
    int waiting = 0;

    if (fstat(thing->fd, &status) < 0 || status.st_ino != thing->inode)
        host_die("descriptor %d is another file now", thing->fd);
    switch (thing->kind) {
    case A_FILE:
        if (status.st_size != FILE_SIZE || lseek(thing->fd, 0, SEEK_CUR) != FILE_OFFSET)
            host_die("file at %d was written or read", thing->fd);
        break;
    case A_PIPE:
        if (ioctl(thing->fd, FIONREAD, &waiting) < 0 || waiting != PIPED)
            host_die("pipe at %d was written or read: %d bytes", thing->fd, waiting);
        break;
    case AN_EVENTFD: {
        uint64_t value = 0;
        if (read(thing->fd, &value, sizeof value) != sizeof value || value != COUNTED)
            host_die("event counter at %d was touched", thing->fd);
        if (write(thing->fd, &value, sizeof value) != sizeof value)
            host_die("event counter");
        break;
    }
    case A_TIMERFD:
        if (timerfd_gettime(thing->fd, &left) < 0 || left.it_value.tv_sec < 900 ||
            left.it_value.tv_sec > 1000)
            host_die("timer at %d was set to %ld s", thing->fd, (long)left.it_value.tv_sec);
        break;
    case A_SOCKET:
        if (!host_alive(thing->fd) || !host_alive(thing->other))
            host_die("socket at %d was shut", thing->fd);
        break;
    }
}

struct connection {
    SSL_CTX *context;
    int fd;
};

static void *serve(void *argument)
{
    const struct connection connection = *(struct connection *)argument;

    free(argument);
    if (tls_serve(connection.context, connection.fd)) {
        for (int i = 0; i < count; i++)
            check(&things[i]);
        host_say("own %d ok", count);
    }
    return NULL;
}

static void become_daemon(void)
{
    const pid_t pid = fork();

    if (pid < 0)
        host_die("fork");
    if (pid > 0) {
        waitpid(pid, NULL, 0);
        _exit(1);
    }
    host_init_child();
    close_everything();
}

int main(int argc, char **argv)
{
    const struct rlimit limit = {1024, 1024};

    host_init();
    how = argc > 1 ? argv[1] : "close_range";
    SSL_CTX *context = tls_server();
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        host_die("RLIMIT_NOFILE");
    if (host_option(argc, argv, "--daemon"))
        become_daemon();
    int listener = host_listen(0);
    host_announce("port", listener);
    /* One by one: a stalled client makes the library start its thread; after a good one everything
       is closed. */
    while (!tls_serve(context, host_accept(listener)))
        ;
    close_and_take();
    listener = host_listen(0);
    host_announce("again", listener);
    for (;;) {
        struct connection *connection = malloc(sizeof *connection);

        if (!connection)
            host_die("malloc");
        *connection = (struct connection){context, host_accept(listener)};
        host_thread(serve, connection);
    }
}
