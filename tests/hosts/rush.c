/* The first TLS calls of a process are made by many threads at the same moment: whatever is looked
 * up or set up then, no call may fail. A hundred processes try it one after the other: "rush ok".
 */
#include "lib/host.h"
#include "lib/tls.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 16, PROCESSES = 100 };

static SSL_CTX *context;
static pthread_barrier_t start;
static int listener;

static void *rush(void *argument)
{
    const int client = host_connect(host_port(listener));
    const int fd = host_accept(listener);

    (void)argument;
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        host_die("O_NONBLOCK");
    pthread_barrier_wait(&start);
    SSL *ssl = tls_session(context, fd);
    if (SSL_get_error(ssl, SSL_accept(ssl)) != SSL_ERROR_WANT_READ)
        host_die("SSL_accept did not begin");
    pthread_barrier_wait(&start); /* this client may be another thread's */
    SSL_free(ssl);
    close(fd);
    close(client);
    return NULL;
}

static void be_one_process(void)
{
    pthread_t threads[THREADS];

    host_init_child();
    pthread_barrier_init(&start, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, rush, NULL) != 0)
            host_die("thread");
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    _exit(0);
}

int main(void)
{
    host_init();
    context = tls_server();
    listener = host_listen(0);
    host_announce("port", listener);
    for (int i = 0; i < PROCESSES; i++) {
        const pid_t pid = fork();
        int status;

        if (pid < 0)
            host_die("fork");
        if (pid == 0)
            be_one_process();
        if (waitpid(pid, &status, 0) != pid || status != 0)
            host_die("process %d ended with status %#x", i, (unsigned int)status);
    }
    host_say("rush ok");
    for (;;)
        tls_serve_in_thread(context, host_accept(listener));
}
