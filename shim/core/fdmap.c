#include "core/fdmap.h"

#include <stddef.h>
#include <sys/mman.h>

_Atomic(_Atomic uint32_t *) fdmap_pieces[FDMAP_PIECES];

/* An entry is a record's number and the last bits of its generation: a record that ended soon lives
 * again, often on the same descriptor, and must not be taken for its former life. */
#define NUMBER_BITS    22U
#define NUMBERS        (1U << NUMBER_BITS)
#define ENTRY_OUTGOING UINT32_MAX

static uint32_t entry_of(conn_handle handle)
{
    if (handle == FDMAP_OUTGOING)
        return ENTRY_OUTGOING;
    return (uint32_t)(handle >> 32) << NUMBER_BITS | conn_number(handle);
}

static conn_handle handle_of(uint32_t entry)
{
    conn_handle handle;

    if (entry == ENTRY_OUTGOING)
        return FDMAP_OUTGOING;
    handle = conn_current(entry % NUMBERS);
    return entry_of(handle) == entry ? handle : 0;
}

conn_handle fdmap_get(int fd)
{
    return handle_of(fdmap_entry(fd));
}

static _Atomic uint32_t *map_piece(uint32_t which)
{
    _Atomic uint32_t *expected = NULL;
    size_t size = FDMAP_PIECE * sizeof(uint32_t);
    void *fresh = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (fresh == MAP_FAILED)
        return NULL;
    /* Pairs with the acquire load in fdmap_get(). */
    if (atomic_compare_exchange_strong_explicit(&fdmap_pieces[which], &expected, fresh,
                                                memory_order_acq_rel, memory_order_acquire))
        return fresh;
    munmap(fresh, size);
    return expected;
}

bool fdmap_set(int fd, conn_handle handle, conn_handle *before)
{
    uint32_t index = (uint32_t)fd;
    _Atomic uint32_t *piece;

    *before = 0;
    if (index >= FDMAP_PIECE * FDMAP_PIECES ||
        (handle != FDMAP_OUTGOING && conn_number(handle) >= NUMBERS - 1))
        return false;
    piece = atomic_load_explicit(&fdmap_pieces[index / FDMAP_PIECE], memory_order_acquire);
    if (piece == NULL && handle == 0)
        return true;
    if (piece == NULL)
        piece = map_piece(index / FDMAP_PIECE);
    if (piece == NULL)
        return false;
    *before = handle_of(atomic_exchange_explicit(&piece[index % FDMAP_PIECE], entry_of(handle),
                                                 memory_order_acq_rel));
    return true;
}

bool fdmap_remove(int fd, conn_handle handle)
{
    uint32_t index = (uint32_t)fd;
    uint32_t entry = entry_of(handle);
    _Atomic uint32_t *piece;

    if (handle == 0 || fdmap_get(fd) != handle)
        return false;
    piece = atomic_load_explicit(&fdmap_pieces[index / FDMAP_PIECE], memory_order_acquire);
    return atomic_compare_exchange_strong_explicit(&piece[index % FDMAP_PIECE], &entry, 0,
                                                   memory_order_acq_rel, memory_order_relaxed);
}

int fdmap_next(unsigned int first, unsigned int last)
{
    unsigned int end = FDMAP_PIECE * FDMAP_PIECES - 1;
    unsigned int fd = first;

    if (last < end)
        end = last;
    while (fd <= end) {
        if (atomic_load_explicit(&fdmap_pieces[fd / FDMAP_PIECE], memory_order_acquire) == NULL) {
            fd = (fd / FDMAP_PIECE + 1) * FDMAP_PIECE;
            continue;
        }
        if (fdmap_entry((int)fd) != 0)
            return (int)fd;
        fd++;
    }
    return -1;
}

int fdmap_find(conn_handle handle, int except)
{
    unsigned int end = FDMAP_PIECE * FDMAP_PIECES - 1;
    int fd = fdmap_next(0, end);

    while (fd >= 0 && (fd == except || fdmap_get(fd) != handle))
        fd = fdmap_next((unsigned int)fd + 1, end);
    return fd;
}
