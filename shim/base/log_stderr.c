#include "base/log_stderr.h"

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/quiet.h"

static dev_t device;
static ino_t inode;
static bool usable;

static bool is_network_socket(int fd)
{
    int domain = 0;
    socklen_t length = sizeof(domain);

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain != AF_UNIX;
}

void log_stderr_start(void)
{
    struct stat status;

    usable = fstat(STDERR_FILENO, &status) == 0 && !is_network_socket(STDERR_FILENO);
    if (usable) {
        device = status.st_dev;
        inode = status.st_ino;
    }
}

void log_stderr_write(const struct text *line)
{
    struct stat status;

    if (usable && fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device &&
        status.st_ino == inode)
        quiet_write(STDERR_FILENO, line->bytes, line->length);
}
