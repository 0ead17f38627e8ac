#include "core/count.h"

#include "base/counters.h"

/* COUNTERS: not counted. */
static enum counter counter_of(enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_SERVER_LATE:
        return COUNTER_SERVER_LATE;
    case VERDICT_SHUT_SILENT:
        return COUNTER_SHUT_SILENT;
    case VERDICT_SHUT_PARTIAL:
        return COUNTER_SHUT_PARTIAL;
    case VERDICT_SHUT_HALFWAY:
        return COUNTER_SHUT_HALFWAY;
    case VERDICT_ABSTAIN_PORT:
        return COUNTER_ABSTAIN_PORT;
    case VERDICT_ABSTAIN_PLAIN:
        return COUNTER_ABSTAIN_PLAIN;
    case VERDICT_ABSTAIN_ANSWERED:
        return COUNTER_ABSTAIN_ANSWERED;
    case VERDICT_ABSTAIN_BLIND:
        return COUNTER_ABSTAIN_BLIND;
    case VERDICT_NOT_DUE:
    case VERDICTS:
        break;
    }
    return COUNTERS;
}

void count_verdict(struct conn *conn, enum verdict verdict)
{
    enum counter counter = counter_of(verdict);
    uint16_t bit = (uint16_t)(1U << (unsigned int)verdict);

    _Static_assert(VERDICTS <= 16, "a bit for each verdict");
    if (counter == COUNTERS ||
        (atomic_fetch_or_explicit(&conn->counted, bit, memory_order_relaxed) & bit) != 0)
        return;
    counters_add(counter);
}
