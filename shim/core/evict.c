#include "core/evict.h"

#include <stddef.h>

#include "base/clock.h"
#include "core/conn.h"
#include "core/examine.h"
#include "core/ports.h"
#include "core/sources.h"
#include "core/stream.h"
#include "core/waits.h"

#define CANDIDATES      256U
#define DRAWS           (4 * CANDIDATES) /* until there are so many */
#define WAITED_FOR      (CANDIDATES / 4) /* of these, the first */
#define OFFENCES        2U
#define UNTOUCHED_NS    (50 * CLOCK_MILLISECOND)
#define TRUSTED_GRACES  8U /* a source that has finished lately gets so many times the grace */
#define FINISHED_COUNTS 2U /* so many unfinished handshakes does a finished one make up for */

struct candidate {
    conn_handle handle; /* the number may be another client's by the time it is shut */
    uint32_t source;
    uint32_t weight; /* of its source: the heavier, the worse */
    uint32_t credit; /* ... less so much, for what it has finished */
    bool offender;
    bool waited_for; /* a thread of the server does nothing else meanwhile */
    bool with_hello; /* a whole one */
    enum hello_stage stage;
    uint64_t started_ns;
    uint64_t grace_ns;
    uint64_t spared_ns; /* until then */
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

/* Who has brought a hello is judged by those that had, too. The first bytes of others may be on
 * their way. */
static uint32_t shut_of(struct source_record record, bool with_hello)
{
    return with_hello ? record.halfway : record.halfway + record.silent;
}

static bool offends(struct source_record record, bool with_hello)
{
    return record.finished == 0 && shut_of(record, with_hello) >= OFFENCES;
}

bool evict_is_offender(uint32_t source, bool with_hello)
{
    return offends(sources_record(source), with_hello);
}

static uint64_t grace_ns(struct source_record record, bool with_hello)
{
    uint64_t grace = ports_settings()->grace_ns;

    if (offends(record, with_hello))
        return 0;
    return FINISHED_COUNTS * record.finished > shut_of(record, with_hello) ? TRUSTED_GRACES * grace
                                                                           : grace;
}

static bool is_pending(uint32_t number)
{
    return (CONN_IN(conn_state(conn_current(number))) & CONN_UNFINISHED) != 0;
}

/* From when on the grace counts. It is the client's time: what the server took of it is in the
 * deadline. But no server keeps a client from sending its ClientHello. */
static uint64_t own_start_ns(const struct conn *conn, const struct candidate *candidate)
{
    if (!candidate->with_hello)
        return candidate->started_ns;
    return atomic_load_explicit(&conn->deadline_ns, memory_order_relaxed) -
           ports_timeout_ns(atomic_load_explicit(&conn->port, memory_order_relaxed));
}

static bool describe(const struct process *process, uint32_t number, struct candidate *candidate)
{
    conn_handle handle = conn_current(number);
    const struct conn *conn = conn_get(handle);
    enum conn_state state = conn_state(handle);
    struct source_record record;
    struct wire wire;

    if (conn == NULL || (CONN_IN(state) & CONN_UNFINISHED) == 0 || !examine_speaks_tls(conn, state))
        return false;
    stream_wire(conn, &wire);
    candidate->handle = handle;
    candidate->source = atomic_load_explicit(&conn->source, memory_order_relaxed);
    candidate->waited_for = waits_for(process, handle);
    candidate->stage = records_hello_stage(&wire.records, &wire.hello, true);
    candidate->with_hello = candidate->stage == HELLO_COMPLETE;
    candidate->started_ns = atomic_load_explicit(&conn->started_ns, memory_order_relaxed);
    record = sources_record(candidate->source);
    candidate->offender = offends(record, candidate->with_hello);
    candidate->weight = shut_of(record, candidate->with_hello);
    candidate->credit = FINISHED_COUNTS * record.finished;
    candidate->grace_ns = grace_ns(record, candidate->with_hello);
    candidate->spared_ns = clock_after_ns(own_start_ns(conn, candidate), candidate->grace_ns);
    /* The program may be about to make a session of it, and not expect it to be gone already:
     * Python's ssl.wrap_socket() then raises what servers do not catch. */
    return state == CONN_HANDSHAKE ||
           clock_now_ns() >= clock_after_ns(candidate->started_ns, UNTOUCHED_NS);
}

/* Whom threads wait for, as far as there is room for them: whoever's turn it is. */
static uint32_t draw_waited_for(const struct process *process, struct candidate *candidates)
{
    uint32_t first = chance();
    uint32_t count = 0;

    for (uint32_t i = 0; i < WAITS_PLACES && count < WAITED_FOR; i++) {
        conn_handle handle = waits_client(process, (uint16_t)((first + i) % WAITS_PLACES));

        if (handle != 0 && describe(process, conn_number(handle), &candidates[count]))
            count++;
    }
    return count;
}

/* All of a short queue; of a long one as many as there is room for, drawn by lot. Connections stay
 * in the queue when they have finished; what is drawn of them is taken out. */
static uint32_t draw(const struct process *process, struct deadlines *queue,
                     struct candidate *candidates)
{
    uint32_t count = 0;

    if (queue->used <= CANDIDATES) {
        for (uint32_t i = 0; i < queue->used; i++)
            if (describe(process, queue->heap[i].number, &candidates[count]))
                count++;
        return count;
    }
    count = draw_waited_for(process, candidates);
    for (uint32_t i = 0; i < DRAWS && count < CANDIDATES && queue->used != 0; i++) {
        uint32_t number = queue->heap[chance() % queue->used].number;

        if (!is_pending(number))
            deadlines_remove(queue, number);
        else if (describe(process, number, &candidates[count]))
            count++;
    }
    return count;
}

static void weigh(struct candidate *candidates, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < count; j++)
            if (candidates[j].source == candidates[i].source &&
                candidates[j].with_hello == candidates[i].with_hello)
                candidates[i].weight++;
    for (uint32_t i = 0; i < count; i++)
        candidates[i].weight -= candidates[i].credit < candidates[i].weight ? candidates[i].credit
                                                                            : candidates[i].weight;
}

static bool is_worse(const struct candidate *a, const struct candidate *b)
{
    if (a->waited_for != b->waited_for)
        return a->waited_for;
    if (a->weight != b->weight)
        return a->weight > b->weight;
    if (a->stage != b->stage)
        return a->stage < b->stage;
    return a->started_ns < b->started_ns;
}

static bool may_go(const struct candidate *candidate, enum evict_mode mode, uint64_t now)
{
    if (mode == EVICT_WAITED_FOR && !candidate->waited_for)
        return false;
    return mode == EVICT_OFFENDERS ? candidate->offender : now >= candidate->spared_ns;
}

/* The worst of those that may go, taken out; false: none. */
static bool take_worst(struct candidate *candidates, uint32_t *count, enum evict_mode mode,
                       struct candidate *worst)
{
    uint64_t now = clock_now_ns();
    uint32_t at = *count;

    for (uint32_t i = 0; i < *count; i++) {
        if (may_go(&candidates[i], mode, now) &&
            (at == *count || is_worse(&candidates[i], &candidates[at])))
            at = i;
    }
    if (at == *count)
        return false;
    *worst = candidates[at];
    candidates[at] = candidates[--*count];
    return true;
}

uint32_t evict(struct process *process, struct deadlines *queue, uint32_t needed,
               enum evict_mode mode)
{
    static struct candidate candidates[CANDIDATES];
    uint32_t count = draw(process, queue, candidates);
    struct candidate worst;
    uint32_t shut = 0;

    weigh(candidates, count);
    while (shut < needed && take_worst(candidates, &count, mode, &worst))
        if (examine_early(process, worst.handle, worst.grace_ns))
            shut++;
    return shut;
}
