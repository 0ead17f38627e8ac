#include "core/evict.h"

#include <stddef.h>

#include "base/clock.h"
#include "core/conn.h"
#include "core/examine.h"
#include "core/ports.h"
#include "core/sources.h"
#include "core/stream.h"

#define CANDIDATES      256U
#define OFFENCES        3U
#define TRUSTED_GRACES  8U /* a source that has finished lately gets so many times the grace */
#define FINISHED_COUNTS 2U /* so many unfinished handshakes does a finished one make up for */

struct candidate {
    uint32_t number;
    uint32_t source;
    uint32_t weight; /* of its source: the heavier, the worse */
    enum hello_stage stage;
    uint64_t started_ns;
};

/* Seeded by nothing that a client sees: which of a thousand like ones is drawn is nobody's choice.
 */
static uint32_t chance(void)
{
    static uint64_t state;

    if (state == 0)
        state = clock_now_ns() | 1;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

bool evict_is_offender(uint32_t source)
{
    struct source_record record = sources_record(source);

    return record.finished == 0 && record.shut >= OFFENCES;
}

static uint64_t grace_ns(uint32_t source)
{
    uint64_t grace = ports_settings()->grace_ns;

    if (evict_is_offender(source))
        return 0;
    return sources_record(source).finished != 0 ? TRUSTED_GRACES * grace : grace;
}

static bool speaks_tls(const struct conn *conn, enum conn_state state)
{
    return state == CONN_HANDSHAKE ||
           ports_learned(atomic_load_explicit(&conn->listener, memory_order_relaxed)) ||
           ports_speak_tls(atomic_load_explicit(&conn->port, memory_order_relaxed));
}

static bool describe(uint32_t number, struct candidate *candidate)
{
    conn_handle handle = conn_current(number);
    const struct conn *conn = conn_get(handle);
    enum conn_state state = conn_state(handle);
    struct wire wire;

    if (conn == NULL || (CONN_IN(state) & CONN_UNFINISHED) == 0 || !speaks_tls(conn, state))
        return false;
    stream_wire(conn, &wire);
    candidate->number = number;
    candidate->source = atomic_load_explicit(&conn->source, memory_order_relaxed);
    candidate->stage = hello_stage(&wire.hello);
    candidate->started_ns = atomic_load_explicit(&conn->started_ns, memory_order_relaxed);
    return true;
}

/* All of a short queue; of a long one as many as there is room for, drawn by lot. */
static uint32_t draw(const struct deadlines *queue, struct candidate *candidates)
{
    uint32_t count = 0;

    if (queue->used <= CANDIDATES) {
        for (uint32_t i = 0; i < queue->used; i++)
            if (describe(queue->heap[i].number, &candidates[count]))
                count++;
        return count;
    }
    for (uint32_t i = 0; i < CANDIDATES; i++)
        if (describe(queue->heap[chance() % queue->used].number, &candidates[count]))
            count++;
    return count;
}

static void weigh(struct candidate *candidates, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct source_record record = sources_record(candidates[i].source);
        uint32_t weight = record.shut;

        for (uint32_t j = 0; j < count; j++)
            if (candidates[j].source == candidates[i].source)
                weight++;
        candidates[i].weight = weight > FINISHED_COUNTS * record.finished
                                   ? weight - FINISHED_COUNTS * record.finished
                                   : 0;
    }
}

static bool is_worse(const struct candidate *a, const struct candidate *b)
{
    if (a->weight != b->weight)
        return a->weight > b->weight;
    if (a->stage != b->stage)
        return a->stage < b->stage;
    return a->started_ns < b->started_ns;
}

static bool may_go(const struct candidate *candidate, enum evict_mode mode)
{
    switch (mode) {
    case EVICT_OFFENDERS:
        return evict_is_offender(candidate->source);
    case EVICT_OLD:
        return clock_now_ns() >= clock_after_ns(candidate->started_ns, grace_ns(candidate->source));
    case EVICT_ANY:
        break;
    }
    return true;
}

/* The worst of those that may go, taken out; false: none. */
static bool take_worst(struct candidate *candidates, uint32_t *count, enum evict_mode mode,
                       struct candidate *worst)
{
    uint32_t at = *count;

    for (uint32_t i = 0; i < *count; i++) {
        if (may_go(&candidates[i], mode) &&
            (at == *count || is_worse(&candidates[i], &candidates[at])))
            at = i;
    }
    if (at == *count)
        return false;
    *worst = candidates[at];
    candidates[at] = candidates[--*count];
    return true;
}

static uint32_t evict_some(struct process *process, struct candidate *candidates, uint32_t *count,
                           uint32_t needed, enum evict_mode mode)
{
    struct candidate worst;
    uint32_t shut = 0;

    while (shut < needed && take_worst(candidates, count, mode, &worst))
        if (examine_early(process, conn_current(worst.number)))
            shut++;
    return shut;
}

uint32_t evict(struct process *process, struct deadlines *queue, uint32_t needed,
               enum evict_mode mode)
{
    static struct candidate candidates[CANDIDATES];
    uint32_t count = draw(queue, candidates);
    uint32_t shut;

    weigh(candidates, count);
    shut = evict_some(process, candidates, &count, needed, mode == EVICT_ANY ? EVICT_OLD : mode);
    if (shut < needed && mode == EVICT_ANY)
        shut += evict_some(process, candidates, &count, needed - shut, EVICT_ANY);
    return shut;
}
