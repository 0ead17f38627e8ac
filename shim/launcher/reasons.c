#include "launcher/reasons.h"

const struct reason reasons[REASON_GROUPS][REASONS_MOST] = {
    [REASONS_SHUT] =
        {
            {COUNTER_SHUT_SILENT, "silent", "silent"},
            {COUNTER_SHUT_PARTIAL, "partial_hello", "partial hello"},
            {COUNTER_SHUT_HALFWAY, "halfway", "halfway"},
        },
    [REASONS_ABSTAINED] =
        {
            {COUNTER_ABSTAIN_PORT, "port", "port left alone"},
            {COUNTER_ABSTAIN_PLAIN, "plain", "not known to speak TLS"},
            {COUNTER_ABSTAIN_ANSWERED, "answered", "answered without a known session"},
            {COUNTER_ABSTAIN_BLIND, "blind", "kernel gives no byte counts"},
        },
    [REASONS_UNPROTECTED] =
        {
            {COUNTER_NO_MEMORY, "memory", "no memory"},
            {COUNTER_NO_DESCRIPTOR, "descriptor", "no descriptor"},
            {COUNTER_NO_THREAD, "thread", "no thread"},
        },
};

uint64_t reasons_sum(const struct snapshot *snapshot, enum reason_group group)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < REASONS_MOST && reasons[group][i].word; i++)
        sum += snapshot->count[reasons[group][i].counter];
    return sum;
}
