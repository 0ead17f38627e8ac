#include "core/alarm.h"

#include "core/own.h"

bool alarm_settle(struct process *process)
{
    uint64_t armed = atomic_load_explicit(&process->armed_ns, memory_order_seq_cst);
    uint64_t set;

    do {
        set = armed;
        if (!own_timer_set(set))
            return false;
        armed = atomic_load_explicit(&process->armed_ns, memory_order_seq_cst);
    } while (armed != set);
    return true;
}

bool alarm_by(struct process *process, uint64_t when_ns)
{
    uint64_t armed = atomic_load_explicit(&process->armed_ns, memory_order_seq_cst);

    do {
        if (armed != 0 && armed <= when_ns)
            return true;
    } while (!atomic_compare_exchange_weak_explicit(&process->armed_ns, &armed, when_ns,
                                                    memory_order_seq_cst, memory_order_seq_cst));
    return alarm_settle(process);
}

bool alarm_off(struct process *process)
{
    atomic_store_explicit(&process->armed_ns, 0, memory_order_seq_cst);
    return alarm_settle(process);
}
