#include "base/counters.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Numbers that older headers lack: include/uapi/linux/memfd.h, include/uapi/linux/fcntl.h. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010 /* Linux 5.1 */
#endif

static struct counters nowhere;
struct counters *_Atomic counters_page = &nowhere;

/* This process's own; a child of fork() goes on from its parent's number. */
static _Atomic uint32_t tracked;

static int make_memfd(void)
{
    const unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int fd = (int)syscall(SYS_memfd_create, COUNTERS_NAME, flags | MFD_NOEXEC_SEAL);

    return fd >= 0 ? fd : (int)syscall(SYS_memfd_create, COUNTERS_NAME, flags);
}

/* Growing a file beyond this limit is answered with a signal, ftruncate(2). */
static bool may_grow_to(size_t size)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur >= size;
}

/* From here on the file can be neither shrunk (which would be a SIGBUS) nor mapped for writing by
 * anybody else. */
static bool seal(int fd)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

    return syscall(SYS_fcntl, fd, F_ADD_SEALS, seals | F_SEAL_FUTURE_WRITE) == 0 ||
           syscall(SYS_fcntl, fd, F_ADD_SEALS, seals) == 0;
}

static struct counters *map_page(void)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *page = MAP_FAILED;
    int fd;

    if (!may_grow_to(size))
        return NULL;
    fd = make_memfd();
    if (fd < 0)
        return NULL;
    if (syscall(SYS_ftruncate, fd, size) == 0)
        page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (page != MAP_FAILED && !seal(fd)) {
        munmap(page, size);
        page = MAP_FAILED;
    }
    syscall(SYS_close, fd);
    return page != MAP_FAILED ? page : NULL;
}

void counters_open(uint64_t timeout_ns, const _Atomic uint32_t *watched)
{
    struct counters *page = map_page();

    if (page == NULL)
        return;
    page->layout = COUNTERS_LAYOUT;
    page->size = sizeof(*page);
    strncpy(page->version, SHAKEOUT_VERSION, sizeof(page->version) - 1);
    page->timeout_ns = timeout_ns;
    page->made_s = (uint64_t)time(NULL);
    page->tracked_address = (uint64_t)(uintptr_t)&tracked;
    page->watched_address = (uint64_t)(uintptr_t)watched;
    /* For the reader in another process: what has the magic is complete. */
    atomic_thread_fence(memory_order_release);
    memcpy(page->magic, COUNTERS_MAGIC, sizeof(page->magic));
    atomic_store_explicit(&counters_page, page, memory_order_release);
}

void counters_took(uint64_t span_ns)
{
    struct counters *page = atomic_load_explicit(&counters_page, memory_order_acquire);
    uint64_t span_us = span_ns / 1000;
    uint64_t longest = atomic_load_explicit(&page->took_longest_us, memory_order_relaxed);

    atomic_fetch_add_explicit(&page->took[histogram_bucket(span_us)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&page->took_sum_us, span_us, memory_order_relaxed);
    while (span_us > longest)
        if (atomic_compare_exchange_weak_explicit(&page->took_longest_us, &longest, span_us,
                                                  memory_order_relaxed, memory_order_relaxed))
            break;
}

void counters_tracked(int change)
{
    atomic_fetch_add_explicit(&tracked, (uint32_t)change, memory_order_relaxed);
}

bool counters_announce(void)
{
    struct counters *page = atomic_load_explicit(&counters_page, memory_order_acquire);

    return atomic_load_explicit(&page->announced, memory_order_relaxed) == 0 &&
           atomic_exchange_explicit(&page->announced, 1, memory_order_relaxed) == 0;
}
