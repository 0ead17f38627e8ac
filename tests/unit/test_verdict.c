/* The judgement, row by row: what the witnesses say, and what must follow from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/verdict.h"

#define DEADLINE UINT64_C(60000000000)
#define LATER    (DEADLINE + 5000)
#define QUIET    UINT64_C(1000000000)

/* What every row below has unless it says otherwise: the deadline has passed, the kernel tells. */
#define DUE    .now_ns = DEADLINE, .deadline_ns = DEADLINE
#define KERNEL .kernel.known = true, .kernel.connected = true

struct row {
    const char *name;
    enum verdict verdict;
    struct facts facts;
};

static const struct row rows[] = {
    /* The clock. */
    {"a session, one nanosecond before its deadline",
     VERDICT_NOT_DUE,
     {.now_ns = DEADLINE - 1, .deadline_ns = DEADLINE, KERNEL, .session_unfinished = true}},
    {"a session, exactly at its deadline",
     VERDICT_SHUT_SILENT,
     {DUE, KERNEL, .session_unfinished = true}},
    {"a silent client of a TLS port before its deadline",
     VERDICT_NOT_DUE,
     {.now_ns = 0, .deadline_ns = DEADLINE, KERNEL, .tls_port = true}},
    {"a plain client before its deadline: it may become TLS yet",
     VERDICT_NOT_DUE,
     {.now_ns = 0, .deadline_ns = DEADLINE, KERNEL}},

    /* The operator's word comes first. */
    {"!port: not even a session is shut",
     VERDICT_ABSTAIN_PORT,
     {DUE, KERNEL, .hands_off = true, .session_unfinished = true}},
    {"!port: nor is a silent client that must own a session",
     VERDICT_ABSTAIN_PORT,
     {DUE, KERNEL, .hands_off = true, .tls_port = true, .owns_waiting = true}},
    {"!port, and not due either",
     VERDICT_ABSTAIN_PORT,
     {.now_ns = 0, .deadline_ns = DEADLINE, KERNEL, .hands_off = true}},

    /* (a) an unfinished session is bound to it. */
    {"session, silent client", VERDICT_SHUT_SILENT, {DUE, KERNEL, .session_unfinished = true}},
    {"session, a byte of a ClientHello",
     VERDICT_SHUT_PARTIAL,
     {DUE, KERNEL, .session_unfinished = true, .hello = HELLO_PARTIAL, .kernel.received = 1}},
    {"session, ClientHello as far as its random",
     VERDICT_SHUT_PARTIAL,
     {DUE, KERNEL, .session_unfinished = true, .hello = HELLO_RANDOM, .kernel.received = 100}},
    {"session, bytes that are no ClientHello",
     VERDICT_SHUT_PARTIAL,
     {DUE, KERNEL, .session_unfinished = true, .kernel.received = 7}},
    {"session, ClientHello answered, then silence",
     VERDICT_SHUT_HALFWAY,
     {DUE, KERNEL, .session_unfinished = true, .hello = HELLO_COMPLETE, .kernel.received = 517,
      .kernel.sent = 1500}},
    {"session after STARTTLS, silent since",
     VERDICT_SHUT_SILENT,
     {DUE, KERNEL, .session_unfinished = true, .kernel.received = 20, .kernel.sent = 80}},
    {"session after STARTTLS, a part of a ClientHello",
     VERDICT_SHUT_PARTIAL,
     {DUE, KERNEL, .session_unfinished = true, .hello = HELLO_PARTIAL, .kernel.received = 25,
      .kernel.sent = 80}},
    {"session, and a kernel without byte counts",
     VERDICT_SHUT_SILENT,
     {DUE, .session_unfinished = true}},
    {"session, a whole ClientHello, and a kernel without byte counts",
     VERDICT_SHUT_HALFWAY,
     {DUE, .session_unfinished = true, .hello = HELLO_COMPLETE}},
    {"session on a TLS port that has answered: it is the session that counts",
     VERDICT_SHUT_HALFWAY,
     {DUE, KERNEL, .session_unfinished = true, .tls_port = true, .hello = HELLO_COMPLETE,
      .kernel.received = 517, .kernel.sent = 1500}},

    {"session, the server works on what the client has sent",
     VERDICT_SERVER_LATE,
     {DUE, KERNEL, .session_unfinished = true, .worked_on = true, .hello = HELLO_COMPLETE,
      .kernel.received = 800, .kernel.sent = 1500}},

    /* (b) a port that speaks TLS from the first byte, and nothing was answered. */
    {"TLS port, silent client", VERDICT_SHUT_SILENT, {DUE, KERNEL, .tls_port = true}},
    {"TLS port, a part of a ClientHello",
     VERDICT_SHUT_PARTIAL,
     {DUE, KERNEL, .tls_port = true, .hello = HELLO_PARTIAL, .kernel.received = 3}},
    {"TLS port, no TLS at all",
     VERDICT_SHUT_PARTIAL,
     {DUE, KERNEL, .tls_port = true, .kernel.received = 14}},
    {"TLS port, the server has sent a byte: a handshake may have finished unseen",
     VERDICT_ABSTAIN_ANSWERED,
     {DUE, KERNEL, .tls_port = true, .kernel.sent = 1}},
    {"TLS port, finished unseen and idle for hours",
     VERDICT_ABSTAIN_ANSWERED,
     {.now_ns = 100 * DEADLINE,
      .deadline_ns = DEADLINE,
      KERNEL,
      .tls_port = true,
      .hello = HELLO_COMPLETE,
      .kernel.received = 800,
      .kernel.sent = 4000}},
    {"TLS port, and a kernel without byte counts", VERDICT_ABSTAIN_BLIND, {DUE, .tls_port = true}},

    /* (b) for a TLS stack that no hook sees: the wire says that it is unfinished. */
    {"TLS port, unseen stack, ClientHello answered, then silence",
     VERDICT_SHUT_HALFWAY,
     {DUE, KERNEL, .tls_port = true, .hello = HELLO_COMPLETE, .records = RECORDS_HELLO,
      .records_bytes = 517, .kernel.received = 517, .kernel.sent = 1500}},
    {"TLS port, unseen stack, a part of a ClientHello after an early alert",
     VERDICT_SHUT_PARTIAL,
     {DUE, KERNEL, .tls_port = true, .hello = HELLO_PARTIAL, .records = RECORDS_PARTIAL_HELLO,
      .records_bytes = 9, .kernel.received = 9, .kernel.sent = 7}},
    {"TLS port, unseen stack, the client has sent its Finished",
     VERDICT_ABSTAIN_ANSWERED,
     {DUE, KERNEL, .tls_port = true, .hello = HELLO_COMPLETE, .records = RECORDS_FINISHED,
      .records_bytes = 600, .kernel.received = 600, .kernel.sent = 1500}},
    {"TLS port, unseen stack, records that cannot be followed",
     VERDICT_ABSTAIN_ANSWERED,
     {DUE, KERNEL, .tls_port = true, .hello = HELLO_COMPLETE, .records = RECORDS_NOT_TLS,
      .records_bytes = 600, .kernel.received = 600, .kernel.sent = 1500}},
    {"TLS port, unseen stack, somebody else has read some of its bytes",
     VERDICT_ABSTAIN_ANSWERED,
     {DUE, KERNEL, .tls_port = true, .hello = HELLO_COMPLETE, .records = RECORDS_HELLO,
      .records_bytes = 517, .kernel.received = 600, .kernel.sent = 1500}},
    {"TLS port, unseen stack, an urgent byte after its ClientHello",
     VERDICT_SHUT_HALFWAY,
     {DUE, KERNEL, .tls_port = true, .hello = HELLO_COMPLETE, .records = RECORDS_HELLO,
      .records_bytes = 517, .kernel.received = 518, .kernel.sent = 1500, .kernel.quiet_ns = QUIET}},
    {"TLS port, unseen stack, a byte that may be on its way to the program",
     VERDICT_ABSTAIN_ANSWERED,
     {DUE, KERNEL, .tls_port = true, .hello = HELLO_COMPLETE, .records = RECORDS_HELLO,
      .records_bytes = 517, .kernel.received = 518, .kernel.sent = 1500,
      .kernel.quiet_ns = QUIET - 1}},
    {"TLS port, unseen stack, an urgent byte, and somebody else has read one",
     VERDICT_ABSTAIN_ANSWERED,
     {DUE, KERNEL, .tls_port = true, .hello = HELLO_COMPLETE, .records = RECORDS_HELLO,
      .records_bytes = 517, .kernel.received = 519, .kernel.sent = 1500, .kernel.quiet_ns = QUIET}},
    {"TLS port, the TLS library had its session: the wire is not asked",
     VERDICT_ABSTAIN_ANSWERED,
     {DUE, KERNEL, .tls_port = true, .had_session = true, .hello = HELLO_COMPLETE,
      .records = RECORDS_HELLO, .records_bytes = 517, .kernel.received = 517, .kernel.sent = 1500}},
    {"TLS port, unseen stack, its next bytes lie unread",
     VERDICT_SERVER_LATE,
     {DUE, KERNEL, .tls_port = true, .hello = HELLO_COMPLETE, .records = RECORDS_HELLO,
      .records_bytes = 517, .kernel.received = 597, .kernel.unread = 80, .kernel.sent = 1500}},
    {"plain port, what looks like a handshake on the wire",
     VERDICT_ABSTAIN_PLAIN,
     {DUE, KERNEL, .hello = HELLO_COMPLETE, .records = RECORDS_HELLO, .records_bytes = 517,
      .kernel.received = 517, .kernel.sent = 1500}},

    /* (c) it must own one of the sessions that wait. */
    {"pigeonhole, silent client",
     VERDICT_SHUT_SILENT,
     {DUE, KERNEL, .owns_waiting = true, .waiting_due_ns = DEADLINE}},
    {"pigeonhole, silent client: from accept, whenever the session was made",
     VERDICT_SHUT_SILENT,
     {DUE, KERNEL, .owns_waiting = true, .waiting_due_ns = LATER}},
    {"pigeonhole, a part of a ClientHello",
     VERDICT_SHUT_PARTIAL,
     {DUE, KERNEL, .owns_waiting = true, .hello = HELLO_PARTIAL, .kernel.received = 2}},
    {"pigeonhole after a plaintext phase, the last session not due",
     VERDICT_NOT_DUE,
     {DUE, KERNEL, .owns_waiting = true, .waiting_due_ns = LATER, .kernel.received = 9,
      .kernel.sent = 9}},
    {"pigeonhole after a plaintext phase, all of the sessions due",
     VERDICT_SHUT_SILENT,
     {.now_ns = LATER,
      .deadline_ns = DEADLINE,
      KERNEL,
      .owns_waiting = true,
      .waiting_due_ns = LATER,
      .kernel.received = 9,
      .kernel.sent = 9}},
    {"pigeonhole, and a kernel without byte counts",
     VERDICT_ABSTAIN_BLIND,
     {DUE, .owns_waiting = true, .waiting_due_ns = DEADLINE}},
    {"pigeonhole on a TLS port that has answered",
     VERDICT_SHUT_SILENT,
     {DUE, KERNEL, .tls_port = true, .owns_waiting = true, .waiting_due_ns = DEADLINE,
      .kernel.sent = 9}},

    /* Plaintext is never shut. */
    {"plain port, silent client", VERDICT_ABSTAIN_PLAIN, {DUE, KERNEL}},
    {"plain port, busy client",
     VERDICT_ABSTAIN_PLAIN,
     {DUE, KERNEL, .kernel.received = 5000, .kernel.sent = 90000}},
    {"plain port, a client that sends a ClientHello: its bytes make no port TLS",
     VERDICT_ABSTAIN_PLAIN,
     {DUE, KERNEL, .hello = HELLO_COMPLETE, .kernel.received = 517}},
    {"plain port, and a kernel without byte counts", VERDICT_ABSTAIN_PLAIN, {DUE}},
    {"STARTTLS protocol before STARTTLS, its greeting sent",
     VERDICT_ABSTAIN_PLAIN,
     {DUE, KERNEL, .kernel.sent = 40}},

    /* Only the client's time. */
    {"session, the client's bytes lie unread",
     VERDICT_SERVER_LATE,
     {DUE, KERNEL, .session_unfinished = true, .kernel.received = 517, .kernel.unread = 517}},
    {"session, the client's answer lies unread halfway",
     VERDICT_SERVER_LATE,
     {DUE, KERNEL, .session_unfinished = true, .hello = HELLO_COMPLETE, .kernel.received = 600,
      .kernel.sent = 1500, .kernel.unread = 1}},
    {"session, unread bytes, and a kernel without byte counts",
     VERDICT_SERVER_LATE,
     {DUE, .session_unfinished = true, .kernel.unread = 1}},
    {"TLS port, the client waits with its bytes for a busy worker",
     VERDICT_SERVER_LATE,
     {DUE, KERNEL, .tls_port = true, .kernel.received = 517, .kernel.unread = 517}},
    {"pigeonhole, unread bytes",
     VERDICT_SERVER_LATE,
     {DUE, KERNEL, .owns_waiting = true, .waiting_due_ns = DEADLINE, .kernel.received = 517,
      .kernel.unread = 517}},
    {"session, a whole ClientHello was read and not answered yet",
     VERDICT_SERVER_LATE,
     {DUE, KERNEL, .session_unfinished = true, .hello = HELLO_COMPLETE, .kernel.received = 517}},
    {"TLS port, a whole ClientHello was read and not answered yet",
     VERDICT_SERVER_LATE,
     {DUE, KERNEL, .tls_port = true, .hello = HELLO_COMPLETE, .kernel.received = 517}},
    {"session, a ClientHello that is not whole is the client's affair",
     VERDICT_SHUT_PARTIAL,
     {DUE, KERNEL, .session_unfinished = true, .hello = HELLO_RANDOM, .kernel.received = 50}},
    {"plain port, unread bytes: nothing to be late with",
     VERDICT_ABSTAIN_PLAIN,
     {DUE, KERNEL, .kernel.received = 10, .kernel.unread = 10}},
};

static void every_row(void **state)
{
    int wrong = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum verdict verdict = verdict_of(&rows[i].facts);

        if (verdict != rows[i].verdict) {
            print_error("%s: \"%s\" instead of \"%s\"\n", rows[i].name, verdict_reason(verdict),
                        verdict_reason(rows[i].verdict));
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

/* Every combination of what the facts can say, as far as it can matter. */
enum { COMBINATIONS = 4 * 5 * 3 << 11 };

static unsigned int take(unsigned int *number, unsigned int choices)
{
    unsigned int choice = *number % choices;

    *number /= choices;
    return choice;
}

static struct facts combination(unsigned int number)
{
    struct facts facts = {.deadline_ns = DEADLINE};

    facts.hello = (enum hello_stage)take(&number, 4);
    facts.records = (enum records_progress)take(&number, 5);
    facts.records_bytes = take(&number, 2);
    facts.kernel.quiet_ns = take(&number, 2) * QUIET;
    facts.had_session = take(&number, 2) != 0;
    facts.hands_off = take(&number, 2) != 0;
    facts.session_unfinished = take(&number, 2) != 0;
    facts.tls_port = take(&number, 2) != 0;
    facts.owns_waiting = take(&number, 2) != 0;
    facts.waiting_due_ns = take(&number, 2) != 0 ? DEADLINE : LATER;
    facts.kernel.known = take(&number, 2) != 0;
    facts.kernel.received = take(&number, 2);
    facts.kernel.unread = (uint32_t)take(&number, 2);
    facts.kernel.connected = true;
    switch (take(&number, 3)) {
    case 0:
        facts.now_ns = DEADLINE - 1;
        break;
    case 1:
        facts.now_ns = DEADLINE;
        break;
    default:
        facts.now_ns = LATER;
    }
    return facts;
}

/* The promises, said once more as what must hold for everything that is shut. */
static void assert_may_be_shut(const struct facts *facts)
{
    bool answered = facts->kernel.sent != 0;

    assert_false(facts->hands_off);
    assert_true(facts->now_ns >= facts->deadline_ns);
    assert_int_equal(facts->kernel.unread, 0);
    if (facts->session_unfinished)
        return;
    assert_true(facts->kernel.known);
    assert_true(facts->tls_port || facts->owns_waiting);
    if (!answered)
        return;
    if (facts->owns_waiting) {
        assert_true(facts->now_ns >= facts->waiting_due_ns);
    } else {
        assert_true(facts->tls_port);
        assert_false(facts->had_session);
        assert_in_range(facts->kernel.received - facts->records_bytes, 0,
                        facts->kernel.quiet_ns >= QUIET);
        assert_in_range(facts->records, RECORDS_PARTIAL_HELLO, RECORDS_HELLO);
    }
}

static void nothing_else_is_shut(void **state)
{
    unsigned int shut = 0;

    (void)state;
    for (unsigned int sent = 0; sent < 2; sent++) {
        for (unsigned int i = 0; i < COMBINATIONS; i++) {
            struct facts facts = combination(i);

            facts.kernel.sent = sent;
            if (verdict_shuts(verdict_of(&facts))) {
                assert_may_be_shut(&facts);
                shut++;
            }
        }
    }
    assert_true(shut > 100);
}

static void time_never_saves_a_stalled_client(void **state)
{
    (void)state;
    for (unsigned int i = 0; i < COMBINATIONS; i++) {
        struct facts facts = combination(i);

        if (!verdict_shuts(verdict_of(&facts)))
            continue;
        facts.now_ns = UINT64_MAX;
        assert_true(verdict_shuts(verdict_of(&facts)));
    }
}

static void only_counts_that_differ_may_pass(void **state)
{
    struct facts facts = {DUE,
                          KERNEL,
                          .tls_port = true,
                          .hello = HELLO_COMPLETE,
                          .records = RECORDS_HELLO,
                          .records_bytes = 517,
                          .kernel.received = 518,
                          .kernel.sent = 1500};

    (void)state;
    assert_true(verdict_may_pass(&facts));
    facts.had_session = true;
    assert_false(verdict_may_pass(&facts));
    facts.had_session = false;
    facts.records = RECORDS_FINISHED;
    assert_false(verdict_may_pass(&facts));
    facts.records = RECORDS_HELLO;
    facts.kernel.received = 517;
    assert_false(verdict_may_pass(&facts));
    assert_true(verdict_shuts(verdict_of(&facts)));
}

static void each_verdict_has_its_reason(void **state)
{
    (void)state;
    for (int one = 0; one < VERDICTS; one++) {
        assert_true(strlen(verdict_reason((enum verdict)one)) > 3);
        for (int other = 0; other < one; other++)
            assert_string_not_equal(verdict_reason((enum verdict)one),
                                    verdict_reason((enum verdict)other));
    }
    assert_string_equal(verdict_reason(VERDICTS), "unknown");
}

static void three_verdicts_shut(void **state)
{
    int shutting = 0;

    (void)state;
    for (int verdict = 0; verdict < VERDICTS; verdict++)
        shutting += verdict_shuts((enum verdict)verdict);
    assert_int_equal(shutting, 3);
    assert_true(verdict_shuts(VERDICT_SHUT_SILENT));
    assert_true(verdict_shuts(VERDICT_SHUT_PARTIAL));
    assert_true(verdict_shuts(VERDICT_SHUT_HALFWAY));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row),
        cmocka_unit_test(nothing_else_is_shut),
        cmocka_unit_test(time_never_saves_a_stalled_client),
        cmocka_unit_test(only_counts_that_differ_may_pass),
        cmocka_unit_test(each_verdict_has_its_reason),
        cmocka_unit_test(three_verdicts_shut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
