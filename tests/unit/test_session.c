/* Sessions, their connections, and the round that judges them, on real sockets. No thread can be
 * had here (the Makefile puts __wrap_pthread_create() in the way of the reaper): the test makes the
 * rounds itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/settings.h"
#include "client_streams.h"
#include "core/fdmap.h"
#include "core/kernel.h"
#include "core/life.h"
#include "core/own.h"
#include "core/ports.h"
#include "core/reaper.h"
#include "core/round.h"
#include "core/session.h"
#include "core/stream.h"
#include "core/track.h"

#define TIMEOUT_NS (60 * CLOCK_SECOND)
#define LISTENER   4711U

static struct settings settings = {.enabled = true, .timeout_ns = TIMEOUT_NS};
static struct process *process;
static void (*while_looking)(void); /* the kernel is asked about a connection; once */

void __real_kernel_look(int fd, struct kernel_facts *facts);
void __wrap_kernel_look(int fd, struct kernel_facts *facts);

void __wrap_kernel_look(int fd, struct kernel_facts *facts)
{
    void (*then)(void) = while_looking;

    while_looking = NULL;
    __real_kernel_look(fd, facts);
    if (then != NULL)
        then();
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);

static int no_threads = EAGAIN;

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument)
{
    return no_threads != 0 ? no_threads : __real_pthread_create(thread, attributes, run, argument);
}

struct pair {
    int server;
    int client;
};

static struct pair connected(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct pair pair = {.client = socket(AF_INET, SOCK_STREAM, 0)};

    assert_int_equal(bind(listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    assert_int_equal(connect(pair.client, (struct sockaddr *)&address, length), 0);
    pair.server = accept(listener, NULL, NULL);
    assert_true(pair.server >= 0);
    close(listener);
    return pair;
}

static conn_handle begun(struct pair pair)
{
    conn_handle handle = life_begin(process, pair.server, LISTENER, 50000);

    assert_int_not_equal(handle, 0);
    return handle;
}

static void over(struct pair pair, conn_handle handle)
{
    life_lost(process, handle, pair.server);
    close(pair.server);
    close(pair.client);
}

static uint64_t left_of(conn_handle handle)
{
    uint64_t deadline = atomic_load(&conn_numbered(conn_number(handle))->deadline_ns);
    uint64_t now = clock_now_ns();

    return deadline > now ? deadline - now : 0;
}

static void speaks_plaintext(struct pair pair)
{
    assert_int_equal(write(pair.server, "220 hello\r\n", 11), 11);
}

/* The first attempt at STARTTLS has failed, the server goes on in plaintext, and lets the client
 * try again. */
static void each_handshake_after_plaintext_has_its_own_time(void **state)
{
    struct pair pair = connected();
    conn_handle handle = begun(pair);
    struct conn *conn = conn_numbered(conn_number(handle));
    struct session first = {0};
    struct session second = {0};

    (void)state;
    speaks_plaintext(pair);
    session_begin(&first, pair.server);
    assert_int_equal(conn_state(handle), CONN_HANDSHAKE);
    session_end(&first);
    assert_int_equal(conn_state(handle), CONN_OPEN);
    atomic_store(&conn->started_ns, clock_now_ns() - 10 * TIMEOUT_NS);
    atomic_store(&conn->deadline_ns, clock_now_ns() - 9 * TIMEOUT_NS);
    session_begin(&second, pair.server);
    assert_int_equal(conn_state(handle), CONN_HANDSHAKE);
    assert_in_range(left_of(handle), TIMEOUT_NS / 2, TIMEOUT_NS);
    session_end(&second);
    over(pair, handle);
}

/* A server that makes a new session does not give the client new time before the first answer. */
static void a_second_session_alone_moves_no_deadline(void **state)
{
    struct pair pair = connected();
    conn_handle handle = begun(pair);
    struct conn *conn = conn_numbered(conn_number(handle));
    struct session first = {0};
    struct session second = {0};
    uint64_t deadline = atomic_load(&conn->deadline_ns);

    (void)state;
    session_begin(&first, pair.server);
    session_end(&first);
    session_begin(&second, pair.server);
    assert_int_equal(atomic_load(&conn->deadline_ns), deadline);
    session_end(&second);
    over(pair, handle);
}

/* The copy of a descriptor was closed, and its number is another connection's by now. */
static void the_number_of_a_closed_copy_says_nothing(void **state)
{
    struct pair pair = connected();
    struct pair other = connected();
    conn_handle handle = begun(pair);
    struct session session = {0};
    int copy = dup(pair.server);

    (void)state;
    speaks_plaintext(pair);
    track_copied(pair.server, copy);
    track_closing(copy);
    assert_int_equal(dup2(other.server, copy), copy);
    atomic_store(&conn_numbered(conn_number(handle))->listener, LISTENER + 1);
    session_begin(&session, pair.server);
    assert_false(ports_learned(LISTENER + 1));
    session_end(&session);
    over(pair, handle);
    close(copy);
    close(other.server);
    close(other.client);
}

/* The server takes its time over a ClientHello that it has read; after its answer the client does.
 */
static void a_hello_that_waits_for_its_answer_stops_the_clock(void **state)
{
    const size_t hello = 5 + (size_t)(tls13_bytes[3] << 8 | tls13_bytes[4]);
    static const uint8_t answer[] = {22, 3, 3, 0, 4, 2, 0, 0, 0};
    struct pair pair = connected();
    conn_handle handle = begun(pair);
    struct conn *conn = conn_numbered(conn_number(handle));
    uint64_t deadline = atomic_load(&conn->deadline_ns);
    struct session session = {0};
    uint8_t read_bytes[4096];

    (void)state;
    session_begin(&session, pair.server);
    assert_int_equal(write(pair.client, tls13_bytes, hello), hello);
    assert_int_equal(read(pair.server, read_bytes, sizeof(read_bytes)), hello);
    stream_read_end(pair.server, handle, read_bytes, hello);
    usleep(200000);
    assert_int_equal(write(pair.server, answer, sizeof(answer)), sizeof(answer));
    stream_written(handle, answer, sizeof(answer));
    assert_in_range(atomic_load(&conn->deadline_ns) - deadline, 150 * CLOCK_MILLISECOND,
                    10 * CLOCK_SECOND);
    /* What comes after its first answer is no answer to the ClientHello. */
    deadline = atomic_load(&conn->deadline_ns);
    usleep(50000);
    assert_int_equal(write(pair.server, answer, sizeof(answer)), sizeof(answer));
    stream_written(handle, answer, sizeof(answer));
    assert_int_equal(atomic_load(&conn->deadline_ns), deadline);
    session_end(&session);
    over(pair, handle);
}

static void the_listener_is_learned(void)
{
    assert_true(ports_learn(LISTENER + 2));
    reaper_learned(process);
}

/* A silent client is due; nothing says that it speaks TLS. While the kernel is asked about it,
 * another client of its listener shows that. */
static void what_is_learned_during_a_look_is_not_missed(void **state)
{
    struct pair pair = connected();
    conn_handle handle = begun(pair);
    struct conn *conn = conn_numbered(conn_number(handle));

    (void)state;
    atomic_store(&conn->listener, LISTENER + 2);
    atomic_store(&conn->deadline_ns, clock_now_ns());
    atomic_store(&process->look_again, true); /* takes in what is there */
    while_looking = the_listener_is_learned;
    assert_true(round_work(process));
    assert_null(while_looking);
    assert_int_equal(conn_state(handle), CONN_OPEN);
    usleep(1100000); /* round.c looks again once a second */
    assert_true(round_work(process));
    assert_int_equal(conn_state(handle), CONN_SHUT);
    over(pair, handle);
}

static _Atomic bool enough;
static _Atomic uint32_t wrong;

static void *ask(void *unused)
{
    while (!atomic_load(&enough))
        if (session_pigeonhole(process))
            atomic_fetch_add(&wrong, 1);
    return unused;
}

/* A plaintext client is there all the time. Another comes, a session begins for it, it leaves, and
 * its session is freed. At no moment must the one own the session of the other. */
static void no_session_is_taken_for_that_of_another(void **state)
{
    struct pair idle = connected();
    struct pair coming = connected();
    conn_handle handle = begun(idle);
    uint64_t end = clock_now_ns() + 2 * CLOCK_SECOND;
    pthread_t thread;

    (void)state;
    no_threads = 0;
    assert_int_equal(pthread_create(&thread, NULL, ask, NULL), 0);
    no_threads = EAGAIN;
    for (unsigned int i = 0; clock_now_ns() < end; i++) {
        struct session session = {0};
        conn_handle next = begun(coming);

        session_begin(&session, SESSION_MEMORY);
        if (i % 2 == 0)
            life_lost(process, next, coming.server);
        session_end(&session);
        life_lost(process, next, coming.server);
    }
    atomic_store(&enough, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(atomic_load(&wrong), 0);
    close(coming.server);
    close(coming.client);
    over(idle, handle);
}

static int a_process(void **state)
{
    (void)state;
    ports_start(&settings);
    process = process_here();
    return process == NULL || !own_open();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_handshake_after_plaintext_has_its_own_time),
        cmocka_unit_test(a_second_session_alone_moves_no_deadline),
        cmocka_unit_test(the_number_of_a_closed_copy_says_nothing),
        cmocka_unit_test(a_hello_that_waits_for_its_answer_stops_the_clock),
        cmocka_unit_test(what_is_learned_during_a_look_is_not_missed),
        cmocka_unit_test(no_session_is_taken_for_that_of_another),
    };

    return cmocka_run_group_tests(tests, a_process, NULL);
}
