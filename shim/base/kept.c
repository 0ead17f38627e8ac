#include "base/kept.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/high.h"

/* The identity above, the number plus one below; one word, so that both change together. */
static _Atomic uint64_t kept;

static int number_in(uint64_t word)
{
    return (int)(word & UINT32_MAX) - 1;
}

/* 0 when nothing is open there. */
static uint64_t word_for(int fd)
{
    struct stat status;
    uint64_t mixed;

    if (fd < 0 || fstat(fd, &status) != 0)
        return 0;
    mixed = (uint64_t)status.st_ino * UINT64_C(0x9e3779b97f4a7c15) ^
            (uint64_t)status.st_dev * UINT64_C(0xc2b2ae3d27d4eb4f);
    return (mixed & ~(uint64_t)UINT32_MAX) | ((uint64_t)fd + 1);
}

void kept_put(int fd)
{
    int high = high_copy(fd);
    uint64_t word = word_for(high);
    uint64_t none = 0;

    syscall(SYS_close, fd);
    if (word != 0 && !atomic_compare_exchange_strong_explicit(
                         &kept, &none, word, memory_order_acq_rel, memory_order_acquire))
        syscall(SYS_close, high);
}

void kept_replace(int fd)
{
    int number = kept_get();

    if (number < 0) {
        kept_put(fd);
        return;
    }
    syscall(SYS_dup3, fd, number, O_CLOEXEC);
    syscall(SYS_close, fd);
    atomic_store_explicit(&kept, word_for(number), memory_order_release);
}

int kept_number(void)
{
    return number_in(atomic_load_explicit(&kept, memory_order_acquire));
}

int kept_get(void)
{
    uint64_t word = atomic_load_explicit(&kept, memory_order_acquire);

    while (word != 0) {
        int number = number_in(word);

        if (word_for(number) == word)
            return number;
        /* Gone, or replaced by another thread at this moment: that one's word is looked at. */
        if (atomic_compare_exchange_strong_explicit(&kept, &word, 0, memory_order_acq_rel,
                                                    memory_order_acquire))
            break;
    }
    return -1;
}

bool kept_is(int fd)
{
    return fd >= 0 && fd == kept_number() && fd == kept_get();
}

void kept_vacate(int fd)
{
    uint64_t word = atomic_load_explicit(&kept, memory_order_acquire);

    if (kept_is(fd))
        atomic_compare_exchange_strong_explicit(&kept, &word, word_for(high_copy(fd)),
                                                memory_order_acq_rel, memory_order_relaxed);
}
