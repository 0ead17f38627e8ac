/* One thread, one connection at a time, in a sandbox of libseccomp: what is not on its list of
 * system calls kills the process. On the list is what the program needs, and nothing else.
 *
 *   --late  the sandbox is entered with the second connection, which was accepted before */
#include "lib/host.h"
#include "lib/tls.h"

#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* seccomp.h, which comes in a package of its own. */
#define SCMP_ACT_KILL_PROCESS 0x80000000U
#define SCMP_ACT_ALLOW        0x7fff0000U
void *seccomp_init(uint32_t action);
int seccomp_rule_add(void *filter, uint32_t action, int call, unsigned int arguments, ...);
int seccomp_load(const void *filter);

static void enter_sandbox(void)
{
    static const int calls[] = {
        SYS_read,  SYS_write,     SYS_close,    SYS_accept,     SYS_dup2,
        SYS_mmap,  SYS_munmap,    SYS_mprotect, SYS_madvise,    SYS_brk,
        SYS_futex, SYS_getrandom, SYS_getpid,   SYS_setsockopt, SYS_exit_group,
    };
    void *filter = seccomp_init(SCMP_ACT_KILL_PROCESS);

    if (!filter)
        host_die("seccomp_init");
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0) != 0)
            host_die("seccomp_rule_add");
    if (seccomp_load(filter) != 0)
        host_die("seccomp_load");
}

int main(int argc, char **argv)
{
    enum { NUMBER = 100 };

    host_init();
    SSL_CTX *context = tls_server();
    const int listener = host_listen(0);
    int before = host_option(argc, argv, "--late") ? 2 : 0;

    host_announce("port", listener);
    if (before == 0)
        enter_sandbox();
    for (;;) {
        const int fd = host_accept(listener);

        if (before > 0 && --before == 0)
            enter_sandbox();
        if (dup2(fd, NUMBER) != NUMBER)
            host_die("dup2");
        close(fd);
        tls_serve(context, NUMBER);
    }
}
