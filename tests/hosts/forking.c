/* A process for each connection: accept in the parent, TLS in the child.
 *
 *   --clone       the raw clone system call, which runs no pthread_atfork handler
 *   --keep        the parent never closes its copy of the connection
 *   --exec        the child is a fresh image of this program, which saw no accept
 *   --no-threads  the child is unprivileged and may not start a thread */
#include "lib/host.h"
#include "lib/tls.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Noreturn void exec_child(char *program, int fd)
{
    char number[16];

    snprintf(number, sizeof number, "%d", fd);
    char *arguments[] = {program, (char[]){"--serve"}, number, NULL};
    execv("/proc/self/exe", arguments);
    host_die("execv");
}

int main(int argc, char **argv)
{
    const bool raw = host_option(argc, argv, "--clone");
    const bool keep = host_option(argc, argv, "--keep");
    const bool exec_it = host_option(argc, argv, "--exec");
    const bool bounded = host_option(argc, argv, "--no-threads");

    host_init();
    SSL_CTX *context = tls_server();
    if (host_option(argc, argv, "--serve")) {
        tls_serve(context, atoi(host_value(argc, argv, "--serve", "0")));
        return 0;
    }
    signal(SIGCHLD, SIG_IGN);
    int listener = host_listen(0);
    host_announce("port", listener);
    for (;;) {
        const int fd = host_accept(listener);
        const pid_t pid = raw ? (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : fork();

        if (pid < 0)
            host_die("fork");
        if (pid == 0) {
            host_init_child();
            if (exec_it)
                exec_child(argv[0], fd);
            close(listener);
            if (bounded)
                host_forbid_threads();
            tls_serve(context, fd);
            _exit(0);
        }
        if (!keep)
            close(fd);
    }
}
