#include "core/charge.h"

#include "base/clock.h"
#include "core/kernel.h"

bool charge_server(struct conn *conn, uint64_t now_ns, uint64_t quiet_ns)
{
    uint64_t from = quiet_ns < now_ns ? now_ns - quiet_ns : 0;
    uint64_t charged = atomic_load_explicit(&conn->charged_ns, memory_order_relaxed);

    if (now_ns < clock_after_ns(charged, CHARGE_IGNORES_NS))
        return false;
    /* Whoever moves charged_ns owns the stretch between: two threads do not add it twice. */
    if (!atomic_compare_exchange_strong_explicit(&conn->charged_ns, &charged, now_ns,
                                                 memory_order_relaxed, memory_order_relaxed))
        return false;
    if (from < charged)
        from = charged;
    if (now_ns < clock_after_ns(from, CHARGE_IGNORES_NS))
        return false;
    atomic_fetch_add_explicit(&conn->deadline_ns, now_ns - from, memory_order_relaxed);
    return true;
}

static bool worth_asking(const struct conn *conn, uint64_t now)
{
    uint64_t charged = atomic_load_explicit(&conn->charged_ns, memory_order_relaxed);

    return now >= clock_after_ns(charged, CHARGE_IGNORES_NS);
}

void charge_read(struct conn *conn, int fd)
{
    uint64_t now = clock_now_ns();
    struct kernel_facts facts;

    if (!worth_asking(conn, now))
        return;
    kernel_look(fd, &facts);
    charge_server(conn, now, facts.quiet_ns);
}

void charge_answer(struct conn *conn, uint64_t written)
{
    uint64_t now = clock_now_ns();
    struct kernel_facts facts;

    if (!worth_asking(conn, now))
        return;
    kernel_look(atomic_load_explicit(&conn->fd, memory_order_relaxed), &facts);
    if (facts.known && facts.sent == written && facts.unread == 0)
        charge_server(conn, now, facts.quiet_ns);
}
