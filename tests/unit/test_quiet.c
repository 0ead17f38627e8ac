/* A write of the library never blocks, kills or stops the program. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/quiet.h"

static void write_ok(int fd)
{
    quiet_write(fd, "ok", 2);
}

static void what_is_written_arrives(void **state)
{
    int ends[2];
    char got[3] = "";

    (void)state;
    assert_int_equal(pipe(ends), 0);
    write_ok(ends[1]);
    assert_int_equal(read(ends[0], got, 2), 2);
    assert_string_equal(got, "ok");
    close(ends[0]);
    close(ends[1]);
}

static void nobody_reads(void **state)
{
    int ends[2];

    (void)state;
    signal(SIGPIPE, SIG_DFL);
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    write_ok(ends[1]);
    close(ends[1]);
}

static volatile sig_atomic_t broken_pipes;

static void count(int number)
{
    (void)number;
    broken_pipes++;
}

/* A signal that was on its way before is the program's. */
static void a_pending_signal_stays(void **state)
{
    int ends[2];
    sigset_t one;

    (void)state;
    broken_pipes = 0;
    signal(SIGPIPE, count);
    sigemptyset(&one);
    sigaddset(&one, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &one, NULL);
    pthread_kill(pthread_self(), SIGPIPE);
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    write_ok(ends[1]);
    close(ends[1]);
    assert_int_equal(broken_pipes, 0);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    assert_int_equal(broken_pipes, 1);
    signal(SIGPIPE, SIG_DFL);
}

/* In a child: the limit cannot be raised again. */
static void the_file_may_not_grow(void **state)
{
    char path[] = "/tmp/shakeout-quiet.XXXXXX";
    int fd = mkstemp(path);
    int status = 0;
    pid_t child;

    (void)state;
    assert_true(fd >= 0);
    unlink(path);
    child = fork();
    if (child == 0) {
        struct rlimit nothing = {0, 0};

        signal(SIGXFSZ, SIG_DFL);
        setrlimit(RLIMIT_FSIZE, &nothing);
        write_ok(fd);
        _exit(7);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    assert_int_equal(lseek(fd, 0, SEEK_END), 0);
    close(fd);
}

static void a_full_pipe_holds_nobody_up(void **state)
{
    int ends[2];
    ssize_t written = 1;
    char byte = 0;

    (void)state;
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    while (written == 1)
        written = write(ends[1], &byte, 1);
    fcntl(ends[1], F_SETFL, 0);
    write_ok(ends[1]);
    close(ends[0]);
    close(ends[1]);
}

static void the_mask_is_as_before(void **state)
{
    sigset_t before;
    sigset_t after;

    (void)state;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    nobody_reads(state);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int number = 1; number < NSIG; number++)
        assert_int_equal(sigismember(&before, number), sigismember(&after, number));
    write_ok(-1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_arrives),     cmocka_unit_test(nobody_reads),
        cmocka_unit_test(a_pending_signal_stays),      cmocka_unit_test(the_file_may_not_grow),
        cmocka_unit_test(a_full_pipe_holds_nobody_up), cmocka_unit_test(the_mask_is_as_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
