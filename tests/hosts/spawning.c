/* Starts a process for each client, as the masters of Postfix and Dovecot do: the process gets the
 * listener by exec, takes one client, serves it, blocking, and ends. Starting one takes its time.
 *
 *   --slow S    how long (0)
 *   --most N    so many processes at a time (1000)
 *   --inetd     it accepts itself, and the process gets the client, on two descriptors; as long as
 *               that says nothing, the process does not think of TLS
 *   --at PORT   listens there */
#include "lib/host.h"
#include "lib/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char take[] = "take";
static const char serve[] = "serve";

/* What the process does with the descriptor that it was given. */
static void work(const char *what, int given, int taken)
{
    SSL_CTX *context = tls_server();
    char byte;

    if (strcmp(what, take) == 0) {
        given = host_accept(given);
        close(taken);
    } else if (recv(given, &byte, 1, MSG_PEEK) <= 0) {
        host_sleep(0.3); /* the client has gone, the program does something else yet */
        return;
    }
    tls_serve(context, given);
}

static void start(const char *what, int given, int taken)
{
    const pid_t pid = fork();
    char given_text[16];
    char taken_text[16];

    if (pid < 0)
        host_die("fork");
    if (pid != 0)
        return;
    /* Duplicates are not close-on-exec (nor is the client's own descriptor). */
    snprintf(given_text, sizeof given_text, "%d", dup(given));
    snprintf(taken_text, sizeof taken_text, "%d", taken);
    execl("/proc/self/exe", "spawning", what, given_text, taken_text, (char *)NULL);
    host_die("exec");
}

/* Returns when the process has taken a client. */
static void start_taker(int listener)
{
    int taken[2];
    char nothing;

    if (pipe(taken) < 0)
        host_die("pipe");
    start(take, listener, taken[1]);
    close(taken[1]);
    while (read(taken[0], &nothing, 1) < 0 && errno == EINTR)
        ;
    close(taken[0]);
}

static void start_server(int listener)
{
    const int fd = host_accept(listener);

    start(serve, fd, -1);
    close(fd);
}

int main(int argc, char **argv)
{
    const bool inetd = host_option(argc, argv, "--inetd");
    const int most = atoi(host_value(argc, argv, "--most", "1000"));
    const double slow = strtod(host_value(argc, argv, "--slow", "0"), NULL);
    const uint16_t port = (uint16_t)atoi(host_value(argc, argv, "--at", "0"));
    int processes = 0;

    host_init();
    if (argc == 4 && (strcmp(argv[1], take) == 0 || strcmp(argv[1], serve) == 0)) {
        work(argv[1], atoi(argv[2]), atoi(argv[3]));
        return 0;
    }
    struct pollfd listener = {.fd = host_listen(port), .events = POLLIN};
    host_announce("port", listener.fd);
    for (;;) {
        while (processes > 0 && waitpid(-1, NULL, WNOHANG) > 0)
            processes--;
        if (poll(&listener, 1, 50) <= 0 || processes == most) {
            host_sleep(processes == most ? 0.01 : 0);
            continue;
        }
        host_sleep(slow);
        if (inetd)
            start_server(listener.fd);
        else
            start_taker(listener.fd);
        processes++;
    }
}
