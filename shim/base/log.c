#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

static const struct settings *settings_kept;
static dev_t stderr_device;
static ino_t stderr_inode;
static bool stderr_usable;

/* Raw system calls: these descriptors are ours, our own hooks have nothing to do with them. */
static int sys_close(int fd)
{
    return (int)syscall(SYS_close, fd);
}

static bool is_network_socket(int fd)
{
    int domain = 0;
    socklen_t length = sizeof(domain);

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain != AF_UNIX;
}

void log_start(const struct settings *settings)
{
    struct stat status;

    settings_kept = settings;
    stderr_usable = fstat(STDERR_FILENO, &status) == 0 && !is_network_socket(STDERR_FILENO);
    if (stderr_usable) {
        stderr_device = status.st_dev;
        stderr_inode = status.st_ino;
    }
}

static bool stderr_unchanged(void)
{
    struct stat status;

    return stderr_usable && fstat(STDERR_FILENO, &status) == 0 && status.st_dev == stderr_device &&
           status.st_ino == stderr_inode;
}

/* write(2) that neither blocks nor lets a SIGPIPE of ours reach the program: the signal is aimed at
 * the writing thread (pipe(7)), so it is held back here and taken off again. */
static void write_quietly(int fd, const struct text *line)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    const struct timespec now = {0};
    sigset_t pipe_signal;
    sigset_t before;
    sigset_t pending;

    if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0)
        return;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    if (syscall(SYS_write, fd, line->bytes, line->length) < 0 && errno == EPIPE &&
        !sigismember(&pending, SIGPIPE))
        sigtimedwait(&pipe_signal, NULL, &now);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void write_to_file(const char *path, const struct text *line)
{
    int fd =
        (int)syscall(SYS_openat, AT_FDCWD, path,
                     O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0640);

    if (fd >= 0) {
        write_quietly(fd, line);
        sys_close(fd);
    }
}

void log_line(const char *text)
{
    struct text line = TEXT_EMPTY;
    int saved = errno;

    if (settings_kept == NULL)
        return;
    text_string(&line, "shakeout[");
    text_number(&line, (uint64_t)getpid());
    text_string(&line, "]: ");
    text_string(&line, text);
    if (line.length == sizeof(line.bytes) - 1)
        line.length--; /* room for the newline of a line that was cut */
    text_string(&line, "\n");
    if (settings_kept->log == LOG_FILE)
        write_to_file(settings_kept->log_path, &line);
    else if (settings_kept->log == LOG_STDERR && stderr_unchanged())
        write_quietly(STDERR_FILENO, &line);
    errno = saved;
}

void log_unprotected(const char *why, int error)
{
    struct text text = TEXT_EMPTY;

    text_string(&text, "not protected: ");
    text_string(&text, why);
    if (error != 0) {
        text_string(&text, " (errno ");
        text_number(&text, (uint64_t)error);
        text_string(&text, ")");
    }
    log_line(text.bytes);
}
