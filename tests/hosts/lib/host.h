/*
 * What every test host needs: a listener on a port that the kernel picks, one line on stdout when
 * it is ready, and a loud end when something that must work does not.
 *
 * A host is a small server that does one odd thing. It is an ordinary program: it knows nothing of
 * the library under test. All functions may be called from any thread; host_die() ends the process.
 */
#ifndef TESTS_HOSTS_HOST_H
#define TESTS_HOSTS_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Unbuffered lines on stdout, SIGPIPE ignored, and an end together with the process that started us
 * (prctl(2), PR_SET_PDEATHSIG), so that no test leaves a host behind. */
void host_init(void);

/* The same for a process that a host forked. */
void host_init_child(void);

/* A listening TCP socket; port 0: any. Close-on-exec. The address is 127.0.0.1, or another one of
 * 127.0.0.0/8 in HOST_ADDRESS, for tests that need a port of their own choice. */
int host_listen(uint16_t port);

/* The local port of a socket, in host byte order. */
uint16_t host_port(int fd);

/* Prints "NAME PORT"; the tests wait for "port N". */
void host_announce(const char *name, int listener);

/* accept(2), again after EINTR and ECONNABORTED; any other failure ends the host. */
int host_accept(int listener);

/* A connection to that port of the same address. */
int host_connect(uint16_t port);

/* A detached thread. */
void host_thread(void *(*run)(void *), void *argument);

/* Nobody's uid and RLIMIT_NPROC 0: from here on this process can start no thread (setrlimit(2)). */
void host_forbid_threads(void);

/* Writes all of it with write(2); false when the peer is gone. */
bool host_write_all(int fd, const void *data, size_t length);

/* Sends back what comes until the peer ends, then closes fd. */
void host_echo(int fd);

/* Is the option among the arguments? */
bool host_option(int argc, char **argv, const char *option);

/* The argument after the option, or otherwise. */
const char *host_value(int argc, char **argv, const char *option, const char *otherwise);

/* Seconds of CLOCK_MONOTONIC, and a sleep that signals do not shorten. */
double host_now(void);
void host_sleep(double seconds);

/* Is the connected socket neither shut down nor closed by the peer (poll(2), POLLRDHUP)? */
bool host_alive(int fd);

/* One line on stdout, written at once. */
void host_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One line on stderr with the text of errno; exit status 1. */
_Noreturn void host_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
