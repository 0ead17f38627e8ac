#include "base/high.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HIGH   1024U /* no need for a larger descriptor table than this */
#define LOWEST 3

static int high_number(void)
{
    struct rlimit limit;
    rlim_t top = HIGH;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < top)
        top = limit.rlim_cur;
    return top > 32 ? (int)top - 16 : LOWEST;
}

int high_copy(int fd)
{
    int number = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, high_number());

    return number >= 0 ? number : (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, LOWEST);
}
