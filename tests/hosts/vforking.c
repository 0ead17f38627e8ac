/* A thread for each connection, and after each accept a vfork() whose child closes every descriptor
 * it can (the numbers one by one, then close_range) before it execs: it does so in the memory of
 * the parent, whose connections must be as before. */
#include "lib/host.h"
#include "lib/tls.h"

#include <sys/wait.h>
#include <unistd.h>

static void run_true(void)
{
    /* NOLINTNEXTLINE(clang-analyzer-security.insecureAPI.vfork): vfork is what is tested. */
    const pid_t pid = vfork();

    if (pid < 0)
        host_die("vfork");
    if (pid == 0) {
        for (int fd = 3; fd < 1024; fd++)
            close(fd);
        close_range(3, ~0U, 0);
        execl("/bin/true", "true", (char *)NULL);
        _exit(127);
    }
    int status;
    if (waitpid(pid, &status, 0) != pid || status != 0)
        host_die("child status %d", status);
}

int main(void)
{
    host_init();
    SSL_CTX *context = tls_server();
    int listener = host_listen(0);
    host_announce("port", listener);
    for (;;) {
        const int fd = host_accept(listener);

        tls_serve_in_thread(context, fd);
        host_sleep(0.05); /* the session is there, and the library's thread */
        run_true();
    }
}
