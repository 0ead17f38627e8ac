/* What a child process may do that is forked while the parent, or the child itself, has clients.
 * The host plays the clients itself, and ends when it has told how they fared: "WHO lived S s"
 * until it was shut, or "WHO lives".
 *
 *   children serving   the child may start no thread; it serves a client that stalls ("child's"),
 *                      while one whose handshake had begun before finishes it in the parent
 *                      ("parent's")
 *   children lowering  the child lowers RLIMIT_NOFILE, serves a client that leaves, and ends;
 *                      another one stalls in the parent ("parent's")
 *   children vforking  the child has an outgoing connection, calls vfork() for a command, and then
 *                      takes its first client, which says nothing ("child's")
 *
 *   --at PORT          listens there */
#include "lib/host.h"
#include "lib/tls.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE = 3 }; /* seconds */

struct client {
    double began;
    int fd, accepted;
    SSL *ssl, *server;
};

static SSL_CTX *context;
static int listener;

static void never_block(int fd)
{
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        host_die("O_NONBLOCK");
}

static struct client connect_one(void)
{
    struct client client = {.began = host_now(), .fd = host_connect(host_port(listener))};

    client.accepted = host_accept(listener);
    return client;
}

/* The server has answered its hello. */
static struct client begin(void)
{
    struct client client = connect_one();

    never_block(client.fd);
    never_block(client.accepted);
    client.server = tls_session(context, client.accepted);
    client.ssl = SSL_new(tls_client());
    SSL_set_fd(client.ssl, client.fd);
    (void)SSL_connect(client.ssl);
    (void)poll(&(struct pollfd){.fd = client.accepted, .events = POLLIN}, 1, 1000);
    if (SSL_accept(client.server) == 1)
        host_die("the handshake is finished already");
    ERR_clear_error();
    return client;
}

static void finish(const struct client *client)
{
    while (SSL_connect(client->ssl) != 1 || SSL_accept(client->server) != 1)
        if (host_now() > client->began + PATIENCE)
            host_die("the handshake does not end");
    ERR_clear_error();
}

/* Waits as an event loop does. */
static void tell(const char *who, const struct client *client)
{
    while (host_now() < client->began + PATIENCE) {
        (void)poll(NULL, 0, 20);
        if (!host_alive(client->fd)) {
            host_say("%s lived %.3f s", who, host_now() - client->began);
            return;
        }
    }
    host_say("%s lives", who);
}

static pid_t fork_child(void)
{
    const pid_t pid = fork();

    if (pid < 0)
        host_die("fork");
    if (pid == 0)
        host_init_child();
    return pid;
}

static void wait_for_child(void)
{
    int status;

    if (wait(&status) < 0 || status != 0)
        host_die("the child's status");
}

static void serving(void)
{
    const struct client first = begin();

    host_sleep(0.3); /* whoever looks after the first one knows it */
    if (fork_child() == 0) {
        host_forbid_threads();
        const struct client second = begin();
        tell("child's", &second);
        _exit(0);
    }
    finish(&first);
    tell("parent's", &first);
    wait_for_child();
}

static void lowering(void)
{
    const struct rlimit limit = {64, 64};
    const struct client first = begin();
    const int leaving = host_connect(host_port(listener));
    const int accepted = host_accept(listener);

    host_sleep(0.1); /* whatever they make anybody open is open */
    close(leaving);
    if (fork_child() == 0) {
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
            host_die("RLIMIT_NOFILE");
        close(first.accepted);
        tls_serve(context, accepted);
        host_sleep(0.1); /* time to put that deadline away */
        _exit(0);
    }
    close(accepted);
    tell("parent's", &first);
    wait_for_child();
}

static void vforking(void)
{
    const int elsewhere = host_listen(0);
    const int outgoing = host_connect(host_port(elsewhere));

    if (fork_child() == 0) {
        /* NOLINTNEXTLINE(clang-analyzer-security.insecureAPI.vfork): vfork is what is tested. */
        const pid_t pid = vfork();

        if (pid == 0) {
            close(outgoing);
            execl("/bin/true", "true", (char *)NULL);
            _exit(127);
        }
        wait_for_child();
        const struct client client = connect_one();
        tell("child's", &client);
        _exit(0);
    }
    wait_for_child();
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    host_init();
    context = tls_server();
    listener = host_listen((uint16_t)atoi(host_value(argc, argv, "--at", "0")));
    host_announce("port", listener);
    if (strcmp(what, "serving") == 0)
        serving();
    else if (strcmp(what, "lowering") == 0)
        lowering();
    else if (strcmp(what, "vforking") == 0)
        vforking();
    host_say("end");
}
