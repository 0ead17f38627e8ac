/* The functions behind ours: what the program would have called without the library.
 *
 * next_libc() gives libc's (or the next preloaded library's) functions. They are looked up once,
 * in the constructor; a hook that runs before it (another library's constructor) looks them up
 * itself. After that it is a plain load: any thread, signal handler or vfork child may call it.
 * Source: dlsym(3), RTLD_NEXT. */
#ifndef SHAKEOUT_BASE_NEXT_H
#define SHAKEOUT_BASE_NEXT_H

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

/* name, result, parameters. The last two are missing in older C libraries and may be NULL. */
#define NEXT_FUNCTIONS(X)                                                                          \
    X(accept, int, (int, struct sockaddr *, socklen_t *))                                          \
    X(accept4, int, (int, struct sockaddr *, socklen_t *, int))                                    \
    X(connect, int, (int, const struct sockaddr *, socklen_t))                                     \
    X(listen, int, (int, int))                                                                     \
    X(read, ssize_t, (int, void *, size_t))                                                        \
    X(readv, ssize_t, (int, const struct iovec *, int))                                            \
    X(recv, ssize_t, (int, void *, size_t, int))                                                   \
    X(recvfrom, ssize_t, (int, void *, size_t, int, struct sockaddr *, socklen_t *))               \
    X(recvmsg, ssize_t, (int, struct msghdr *, int))                                               \
    X(write, ssize_t, (int, const void *, size_t))                                                 \
    X(writev, ssize_t, (int, const struct iovec *, int))                                           \
    X(send, ssize_t, (int, const void *, size_t, int))                                             \
    X(sendto, ssize_t, (int, const void *, size_t, int, const struct sockaddr *, socklen_t))       \
    X(sendmsg, ssize_t, (int, const struct msghdr *, int))                                         \
    X(close, int, (int))                                                                           \
    X(dup, int, (int))                                                                             \
    X(dup2, int, (int, int))                                                                       \
    X(dup3, int, (int, int, int))                                                                  \
    X(fcntl, int, (int, int, ...))                                                                 \
    X(fcntl64, int, (int, int, ...))                                                               \
    X(__read_chk, ssize_t, (int, void *, size_t, size_t))                                          \
    X(__recv_chk, ssize_t, (int, void *, size_t, size_t, int))                                     \
    X(__recvfrom_chk, ssize_t, (int, void *, size_t, size_t, int, struct sockaddr *, socklen_t *)) \
    X(epoll_wait, int, (int, struct epoll_event *, int, int))                                      \
    X(epoll_pwait, int, (int, struct epoll_event *, int, int, const sigset_t *))                   \
    X(poll, int, (struct pollfd *, nfds_t, int))                                                   \
    X(ppoll, int, (struct pollfd *, nfds_t, const struct timespec *, const sigset_t *))            \
    X(__poll_chk, int, (struct pollfd *, nfds_t, int, size_t))                                     \
    X(__ppoll_chk, int,                                                                            \
      (struct pollfd *, nfds_t, const struct timespec *, const sigset_t *, size_t))                \
    X(select, int, (int, fd_set *, fd_set *, fd_set *, struct timeval *))                          \
    X(pselect, int,                                                                                \
      (int, fd_set *, fd_set *, fd_set *, const struct timespec *, const sigset_t *))              \
    X(close_range, int, (unsigned int, unsigned int, int))                                         \
    X(closefrom, void, (int))

struct next_libc {
#define X(name, result, parameters) result(*name) parameters;
    NEXT_FUNCTIONS(X)
#undef X
};

extern struct next_libc next_table;
extern atomic_bool next_ready;

/* Looks everything up. Harmless when called twice or by two threads. */
void next_bind(void);

static inline const struct next_libc *next_libc(void)
{
    if (!atomic_load_explicit(&next_ready, memory_order_acquire))
        next_bind();
    return &next_table;
}

/* Is this address inside our own library? A look-up that ends there would call itself for ever. */
bool next_is_own(const void *address);

/* Keeps the library at this address loaded for good: what calls it may be a plugin, and be unloaded
 * with all that it has brought. Its handle; NULL: it cannot be kept. */
void *next_keep(const void *address);

/* Finds the function `name` that a call from `caller` (a return address) would have reached
 * without us: in the caller's own module and what it links, else behind us in the global order,
 * else in any loaded library whose file name begins with `library` ("libssl.so"). NULL when there
 * is none. Takes the loader's lock: not for signal handlers. */
void *next_for_caller(const char *name, const void *caller, const char *library);

#endif
