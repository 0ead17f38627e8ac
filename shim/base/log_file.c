#include "base/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/kept.h"
#include "base/quiet.h"

/* O_NONBLOCK: opening a fifo without a reader fails at once instead of waiting for one. */
static int open_file(const char *path)
{
    return (int)syscall(
        SYS_openat, AT_FDCWD, path,
        O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640);
}

bool log_file_open(const char *path)
{
    int fd = open_file(path);

    if (fd < 0)
        return false;
    kept_put(fd);
    return true;
}

static bool is_at(const char *path, int fd)
{
    struct stat there;
    struct stat open;

    return lstat(path, &there) == 0 && fstat(fd, &open) == 0 && there.st_ino == open.st_ino &&
           there.st_dev == open.st_dev;
}

static void write_once(const char *path, const struct text *line)
{
    int fd = open_file(path);

    if (fd < 0)
        return;
    quiet_write(fd, line->bytes, line->length);
    syscall(SYS_close, fd);
}

void log_file_write(const char *path, const struct text *line, bool keep)
{
    int fd;

    if (!keep) {
        write_once(path, line);
        return;
    }
    fd = kept_get();
    if (fd < 0) {
        log_file_open(path);
    } else if (!is_at(path, fd)) {
        int fresh = open_file(path);

        if (fresh >= 0)
            kept_replace(fresh);
    }
    fd = kept_get();
    if (fd >= 0)
        quiet_write(fd, line->bytes, line->length);
}
