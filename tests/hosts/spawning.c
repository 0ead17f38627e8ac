/* Starts a process for each client, as the masters of Postfix and Dovecot do: the process gets the
 * listener by exec, takes one client, serves it, blocking, and ends. Starting one takes its time.
 *
 *   --slow S    how long (0)
 *   --most N    so many processes at a time (1000) */
#include "lib/host.h"
#include "lib/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void work(int listener, int taken)
{
    SSL_CTX *context = tls_server();
    const int fd = host_accept(listener);

    close(taken);
    tls_serve(context, fd);
}

/* Returns when it has taken a client. */
static void spawn(int listener)
{
    char listener_text[16];
    char taken_text[16];
    int taken[2];

    if (pipe(taken) < 0)
        host_die("pipe");
    const pid_t pid = fork();
    if (pid < 0)
        host_die("fork");
    if (pid == 0) {
        const int inherited = fcntl(listener, F_DUPFD, 3); /* not close-on-exec, as the pipe */

        snprintf(listener_text, sizeof listener_text, "%d", inherited);
        snprintf(taken_text, sizeof taken_text, "%d", taken[1]);
        execl("/proc/self/exe", "spawning", "--worker", listener_text, "--taken", taken_text,
              (char *)NULL);
        host_die("exec");
    }
    close(taken[1]);
    while (read(taken[0], taken_text, 1) < 0 && errno == EINTR)
        ;
    close(taken[0]);
}

int main(int argc, char **argv)
{
    const int inherited = atoi(host_value(argc, argv, "--worker", "-1"));
    const int taken = atoi(host_value(argc, argv, "--taken", "-1"));
    const int most = atoi(host_value(argc, argv, "--most", "1000"));
    const double slow = strtod(host_value(argc, argv, "--slow", "0"), NULL);
    int processes = 0;

    host_init();
    if (inherited >= 0) {
        work(inherited, taken);
        return 0;
    }
    struct pollfd listener = {.fd = host_listen(0), .events = POLLIN};
    host_announce("port", listener.fd);
    for (;;) {
        while (processes > 0 && waitpid(-1, NULL, WNOHANG) > 0)
            processes--;
        if (poll(&listener, 1, 50) <= 0 || processes == most) {
            host_sleep(processes == most ? 0.01 : 0);
            continue;
        }
        host_sleep(slow);
        spawn(listener.fd);
        processes++;
    }
}
