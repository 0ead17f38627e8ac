/* Which connection a descriptor belongs to.
 *
 * A table of 32-bit entries by descriptor number, in pieces that are mapped when a descriptor of
 * their range is first tracked. Lock-free, no malloc(): any thread or signal handler; a vfork child
 * may only look. What it says can be out of date (a raw system call closed the descriptor): whoever
 * acts on it asks the kernel for SO_COOKIE first. */
#ifndef SHAKEOUT_CORE_FDMAP_H
#define SHAKEOUT_CORE_FDMAP_H

#include <stddef.h>

#include "core/conn.h"

#define FDMAP_PIECE  4096U
#define FDMAP_PIECES 1024U

/* Stands for a descriptor that connect() was called on: outgoing, never shut. It names no record.
 */
#define FDMAP_OUTGOING UINT64_MAX

extern _Atomic(_Atomic uint32_t *) fdmap_pieces[FDMAP_PIECES];

/* What the table says of this descriptor, 0 for none. The price of every read() of the program. */
static inline uint32_t fdmap_entry(int fd)
{
    uint32_t index = (uint32_t)fd;
    _Atomic uint32_t *piece;

    if (index >= FDMAP_PIECE * FDMAP_PIECES)
        return 0;
    piece = atomic_load_explicit(&fdmap_pieces[index / FDMAP_PIECE], memory_order_acquire);
    if (piece == NULL)
        return 0;
    return atomic_load_explicit(&piece[index % FDMAP_PIECE], memory_order_acquire);
}

/* The handle at this descriptor; 0: none. A record that the table names is alive: the table holds a
 * reference to it. */
conn_handle fdmap_get(int fd);

/* Puts a handle there (0 takes it out) and returns the one that was there. False: no memory. */
bool fdmap_set(int fd, conn_handle handle, conn_handle *before);

/* Takes it out only if it is still this one. */
bool fdmap_remove(int fd, conn_handle handle);

/* Some descriptor of this connection other than `except`; -1: none. Looks at the whole table. */
int fdmap_find(conn_handle handle, int except);

/* The lowest tracked descriptor in [first, last]; -1: none. */
int fdmap_next(unsigned int first, unsigned int last);

#endif
