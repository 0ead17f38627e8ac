#include "core/verdict.h"

#include "base/clock.h"

#define QUIET_NS CLOCK_SECOND

static enum verdict shut(const struct facts *facts)
{
    if (facts->hello == HELLO_COMPLETE)
        return VERDICT_SHUT_HALFWAY;
    if (facts->hello != HELLO_NONE)
        return VERDICT_SHUT_PARTIAL;
    /* No ClientHello has begun. Bytes that the server answered were a plaintext phase (STARTTLS);
     * in the handshake itself the client was silent. */
    if (facts->kernel.received == 0 || facts->kernel.sent != 0)
        return VERDICT_SHUT_SILENT;
    return VERDICT_SHUT_PARTIAL;
}

/* A TLS stack that no hook sees: the client's records tell, if all of its bytes were seen. */
static bool unfinished_in_its_records(const struct facts *facts)
{
    return !facts->had_session &&
           (facts->records == RECORDS_PARTIAL_HELLO || facts->records == RECORDS_HELLO);
}

/* An urgent byte is received, and no read gives it. One byte more than was seen, after a while in
 * which none came and every read has long been told of, is no handshake that finished unseen. */
static bool all_was_seen(const struct facts *facts)
{
    uint64_t unseen = facts->kernel.received - facts->kernel.unread - facts->records_bytes;

    return unseen == 0 || (unseen == 1 && facts->kernel.quiet_ns >= QUIET_NS);
}

/* Only the client's time is charged. */
static bool server_is_late(const struct facts *facts)
{
    if (facts->kernel.unread != 0 || facts->worked_on)
        return true;
    /* A whole ClientHello without any answer: the server has read it and is busy. */
    return facts->kernel.known && facts->hello == HELLO_COMPLETE && facts->kernel.sent == 0;
}

enum verdict verdict_of(const struct facts *facts)
{
    bool answered = facts->kernel.sent != 0;

    if (facts->hands_off)
        return VERDICT_ABSTAIN_PORT;
    if (facts->now_ns < facts->deadline_ns)
        return VERDICT_NOT_DUE;
    if (!facts->session_unfinished) {
        if (!facts->tls_port && !facts->owns_waiting)
            return VERDICT_ABSTAIN_PLAIN;
        if (!facts->kernel.known)
            return VERDICT_ABSTAIN_BLIND;
        if (answered && !facts->owns_waiting &&
            !(unfinished_in_its_records(facts) && all_was_seen(facts)))
            return VERDICT_ABSTAIN_ANSWERED;
        /* Answered, so there was a plaintext phase: the clock is that of the handshake, and all
         * that is known of it is that it is one of those that wait. */
        if (answered && facts->owns_waiting && facts->now_ns < facts->waiting_due_ns)
            return VERDICT_NOT_DUE;
    }
    if (server_is_late(facts))
        return VERDICT_SERVER_LATE;
    return shut(facts);
}

bool verdict_may_pass(const struct facts *facts)
{
    return verdict_of(facts) == VERDICT_ABSTAIN_ANSWERED && unfinished_in_its_records(facts);
}

const char *verdict_reason(enum verdict verdict)
{
    static const char *const reasons[VERDICTS] = {
        [VERDICT_NOT_DUE] = "not due",
        [VERDICT_SERVER_LATE] = "server late",
        [VERDICT_SHUT_SILENT] = "silent",
        [VERDICT_SHUT_PARTIAL] = "partial hello",
        [VERDICT_SHUT_HALFWAY] = "halfway",
        [VERDICT_ABSTAIN_PORT] = "left alone",
        [VERDICT_ABSTAIN_PLAIN] = "not known to speak TLS",
        [VERDICT_ABSTAIN_ANSWERED] = "answered without a known session",
        [VERDICT_ABSTAIN_BLIND] = "kernel gives no byte counts",
    };

    return verdict < VERDICTS ? reasons[verdict] : "unknown";
}
