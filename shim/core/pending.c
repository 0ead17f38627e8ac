#include "core/pending.h"

#include <stddef.h>

#include "base/clock.h"

static void note_first(struct process *process, uint64_t when_ns)
{
    uint64_t first = atomic_load_explicit(&process->inbox_first_ns, memory_order_seq_cst);

    while (first == 0 || when_ns < first)
        if (atomic_compare_exchange_weak_explicit(&process->inbox_first_ns, &first, when_ns,
                                                  memory_order_seq_cst, memory_order_seq_cst))
            return;
}

void pending_push(struct process *process, conn_handle handle)
{
    uint32_t number = conn_number(handle);
    uint16_t epoch = atomic_load_explicit(&process->epoch, memory_order_relaxed);
    struct conn *conn = conn_numbered(number);
    uint32_t head;

    /* Pairs with the exchange in pending_take(): either the reaper sees this record's new deadline
     * when it takes it, or we find the mark gone and push again. */
    if (atomic_exchange_explicit(&conn->queued, epoch, memory_order_acq_rel) != epoch) {
        head = atomic_load_explicit(&process->inbox, memory_order_relaxed);
        do {
            atomic_store_explicit(&conn->in_inbox, head, memory_order_relaxed);
        } while (!atomic_compare_exchange_weak_explicit(
            &process->inbox, &head, number, memory_order_release, memory_order_relaxed));
    }
    /* After the push: the reaper forgets the first time before it takes the records. */
    note_first(process, atomic_load_explicit(&conn->deadline_ns, memory_order_relaxed));
}

uint64_t pending_first_ns(struct process *process)
{
    uint64_t first = atomic_load_explicit(&process->inbox_first_ns, memory_order_seq_cst);

    return first != 0 ? first : CLOCK_NEVER;
}

void pending_take(struct process *process, void (*each)(uint32_t number))
{
    uint32_t number;

    atomic_store_explicit(&process->inbox_first_ns, 0, memory_order_seq_cst);
    number = atomic_exchange_explicit(&process->inbox, 0, memory_order_acquire);
    while (number != 0) {
        struct conn *conn = conn_numbered(number);
        uint32_t next = atomic_load_explicit(&conn->in_inbox, memory_order_relaxed);

        atomic_exchange_explicit(&conn->queued, 0, memory_order_acq_rel);
        each(number);
        number = next;
    }
}
