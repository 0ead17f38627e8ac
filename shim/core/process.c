#include "core/process.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"

static struct process *_Atomic page;
static _Atomic uint16_t last_epoch; /* not wiped: the children count on */
static _Atomic bool refused;
static _Atomic bool let_go;

void process_let_go(void)
{
    atomic_store_explicit(&let_go, true, memory_order_release);
}

bool process_is_let_go(void)
{
    return atomic_load_explicit(&let_go, memory_order_acquire);
}

static struct process *map_page(void)
{
    struct process *expected = NULL;
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *fresh = MAP_FAILED;

    if (atomic_load_explicit(&refused, memory_order_relaxed))
        return NULL;
    fresh = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (fresh == MAP_FAILED)
        return NULL;
    if (madvise(fresh, size, MADV_WIPEONFORK) != 0) {
        munmap(fresh, size);
        if (!atomic_exchange_explicit(&refused, true, memory_order_relaxed))
            log_unprotected("this kernel cannot wipe memory on fork (Linux 4.14)", errno);
        return NULL;
    }
    /* Pairs with the acquire loads of `page`: whoever sees the pointer sees a mapped page. */
    if (!atomic_compare_exchange_strong_explicit(&page, &expected, fresh, memory_order_acq_rel,
                                                 memory_order_acquire)) {
        munmap(fresh, size);
        return expected;
    }
    return fresh;
}

struct process *process_here(void)
{
    struct process *process = atomic_load_explicit(&page, memory_order_acquire);
    int32_t self;
    int32_t owner = 0;
    uint16_t number = 0;

    if (process_is_let_go())
        return NULL;
    self = (int32_t)getpid();
    if (process == NULL)
        process = map_page();
    if (process == NULL)
        return NULL;
    if (!atomic_compare_exchange_strong_explicit(&process->pid, &owner, self, memory_order_acq_rel,
                                                 memory_order_acquire) &&
        owner != self)
        return NULL;
    /* Two threads that come here first agree on the number: the exchange lets one of them win, and
     * both leave the winner's behind for the next child. */
    if (atomic_compare_exchange_strong_explicit(
            &process->epoch, &number,
            (uint16_t)(atomic_load_explicit(&last_epoch, memory_order_relaxed) + 1),
            memory_order_acq_rel, memory_order_acquire))
        number = atomic_load_explicit(&process->epoch, memory_order_relaxed);
    if (atomic_load_explicit(&last_epoch, memory_order_relaxed) != number)
        atomic_store_explicit(&last_epoch, number, memory_order_relaxed);
    return process;
}

void process_claim(void)
{
    struct process *process = atomic_load_explicit(&page, memory_order_acquire);
    int32_t owner = 0;

    if (process != NULL)
        atomic_compare_exchange_strong_explicit(&process->pid, &owner, (int32_t)getpid(),
                                                memory_order_acq_rel, memory_order_relaxed);
}

struct process *process_known(void)
{
    struct process *process = atomic_load_explicit(&page, memory_order_acquire);

    if (process == NULL || process_is_let_go() ||
        atomic_load_explicit(&process->epoch, memory_order_acquire) == 0)
        return NULL;
    return process;
}

struct process *process_ours(void)
{
    struct process *process = process_known();

    return process != NULL ? process : process_here();
}

bool process_is_new(void)
{
    const struct process *process = atomic_load_explicit(&page, memory_order_acquire);

    return process != NULL && atomic_load_explicit(&process->epoch, memory_order_acquire) == 0;
}

uint16_t process_epoch(void)
{
    const struct process *process = process_known();

    return process != NULL ? atomic_load_explicit(&process->epoch, memory_order_relaxed) : 0;
}
