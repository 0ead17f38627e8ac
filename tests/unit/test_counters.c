/* The page that the library counts into: how it is made, sealed, shared, and read by others. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/counters.h"
#include "launcher/process.h"
#include "launcher/snapshot.h"

#define MAPPING "/memfd:shakeout (deleted)"

static _Atomic uint32_t watched = 7;

static int open_descriptors(void)
{
    int count = 0;

    for (int fd = 0; fd < 256; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            count++;
    return count;
}

static void read_page(struct snapshot *snapshot)
{
    struct process_mapping mapping;
    struct counters bytes;
    uint32_t layout = 0;

    assert_int_equal(process_mapping(getpid(), MAPPING, &mapping), 0);
    assert_int_equal(process_memory(getpid(), mapping.address, &bytes, sizeof(bytes)), 0);
    assert_int_equal(snapshot_decode(&bytes, sizeof(bytes), snapshot, &layout), SNAPSHOT_READ);
}

/* In a child, so that the page of this process is left for the others. */
static void in_child(void (*test)(void))
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        test();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void expect(bool holds)
{
    if (!holds)
        _exit(1);
}

static void under_a_size_limit(void)
{
    struct rlimit limit = {100, 100};
    struct process_mapping mapping;

    signal(SIGXFSZ, SIG_DFL);
    expect(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    counters_open(CLOCK_SECOND, &watched);
    counters_add(COUNTER_ACCEPTED);
    expect(process_mapping(getpid(), MAPPING, &mapping) == ENODATA);
}

static void without_descriptors(void)
{
    struct rlimit limit = {3, 3};

    expect(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    counters_open(CLOCK_SECOND, &watched);
    counters_add(COUNTER_ACCEPTED);
    counters_took(CLOCK_SECOND);
    expect(atomic_load(&counters_page->count[COUNTER_ACCEPTED]) == 1);
}

static void under_a_seccomp_filter(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
    struct process_mapping mapping;

    expect(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    expect(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
    expect(memfd_create("any", 0) == -1 && errno == ENOSYS);
    counters_open(CLOCK_SECOND, &watched);
    counters_add(COUNTER_ACCEPTED);
    expect(process_mapping(getpid(), MAPPING, &mapping) == ENODATA);
}

static void without_memfd_it_counts_for_nobody(void **state)
{
    (void)state;
    in_child(under_a_size_limit);
    in_child(without_descriptors);
    in_child(under_a_seccomp_filter);
}

static void what_is_counted_can_be_read(void **state)
{
    int before = open_descriptors();
    uint32_t number = 0;
    struct snapshot snapshot;

    (void)state;
    counters_open(10 * CLOCK_SECOND, &watched);
    assert_int_equal(open_descriptors(), before);
    counters_add(COUNTER_ACCEPTED);
    counters_add(COUNTER_ACCEPTED);
    counters_add(COUNTER_NO_THREAD);
    counters_took(1500);
    counters_took(3 * CLOCK_SECOND);
    counters_took(2 * CLOCK_SECOND);
    counters_tracked(1);
    counters_tracked(1);
    counters_tracked(-1);
    read_page(&snapshot);
    assert_string_equal(snapshot.version, SHAKEOUT_VERSION);
    assert_int_equal(snapshot.timeout_ns, 10 * CLOCK_SECOND);
    assert_int_equal(snapshot.count[COUNTER_ACCEPTED], 2);
    assert_int_equal(snapshot.count[COUNTER_BEGUN], 0);
    assert_int_equal(snapshot.count[COUNTER_NO_THREAD], 1);
    assert_int_equal(snapshot.took_count, 3);
    assert_int_equal(snapshot.took[1], 1);
    assert_int_equal(snapshot.took_sum_us, 5000001);
    assert_int_equal(snapshot.took_longest_us, 3000000);
    assert_int_equal(process_memory(getpid(), snapshot.tracked_address, &number, 4), 0);
    assert_int_equal(number, 1);
    assert_int_equal(process_memory(getpid(), snapshot.watched_address, &number, 4), 0);
    assert_int_equal(number, 7);
}

static void count_in_child(void)
{
    counters_add(COUNTER_FINISHED);
    counters_tracked(5);
}

static void children_share_the_counts_but_not_the_gauges(void **state)
{
    uint32_t number = 0;
    struct snapshot snapshot;

    (void)state;
    in_child(count_in_child);
    in_child(count_in_child);
    read_page(&snapshot);
    assert_int_equal(snapshot.count[COUNTER_FINISHED], 2);
    assert_int_equal(process_memory(getpid(), snapshot.tracked_address, &number, 4), 0);
    assert_int_equal(number, 1);
}

static void it_is_announced_once_by_all(void **state)
{
    (void)state;
    assert_true(counters_announce());
    assert_false(counters_announce());
}

static void the_page_is_sealed(void **state)
{
    struct process_mapping mapping;
    char path[64];
    int fd;

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(process_mapping(getpid(), MAPPING, &mapping), 0);
    snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)mapping.address,
             (unsigned long)mapping.address + (unsigned long)sysconf(_SC_PAGESIZE));
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), -1);
    assert_int_equal(errno, EPERM);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_memfd_it_counts_for_nobody),
        cmocka_unit_test(what_is_counted_can_be_read),
        cmocka_unit_test(children_share_the_counts_but_not_the_gauges),
        cmocka_unit_test(it_is_announced_once_by_all),
        cmocka_unit_test(the_page_is_sealed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
