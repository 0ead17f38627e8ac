/* What is sent to syslog and to the journal. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log_socket.h"

static void syslog_begins_with_the_priority(void **state)
{
    const struct log_entry entry = {.message = LOG_UNPROTECTED, .text = "not protected: because"};
    struct text out = TEXT_EMPTY;
    char expected[100];

    (void)state;
    log_syslog_format(&entry, &out);
    snprintf(expected, sizeof(expected), "<28>shakeout[%d]: not protected: because", (int)getpid());
    assert_string_equal(out.bytes, expected);
}

static const char *journal(const struct log_entry *entry)
{
    static struct text out;
    char *pid;

    out = (struct text)TEXT_EMPTY;
    log_journal_format(entry, &out);
    pid = strstr(out.bytes, "SYSLOG_PID=");
    assert_non_null(pid);
    assert_int_equal(strtol(pid + strlen("SYSLOG_PID="), NULL, 10), getpid());
    return strchr(pid, '\n') + 1;
}

static void the_journal_gets_the_facts(void **state)
{
    struct sockaddr_in client = {.sin_family = AF_INET, .sin_port = htons(51514)};
    const struct log_entry entry = {
        .message = LOG_SHUT,
        .text = "",
        .reason = "silent",
        .client = (const struct sockaddr *)&client,
        .elapsed_ns = 10 * CLOCK_SECOND + 3 * CLOCK_MILLISECOND,
        .received = 0,
        .port = 443,
    };

    (void)state;
    inet_pton(AF_INET, "203.0.113.7", &client.sin_addr);
    assert_string_equal(journal(&entry), "SHAKEOUT_REASON=silent\n"
                                         "SHAKEOUT_CLIENT=203.0.113.7:51514\n"
                                         "SHAKEOUT_SECONDS=10.003\n"
                                         "SHAKEOUT_BYTES=0\n"
                                         "SHAKEOUT_PORT=443\n");
}

static void the_journal_gets_no_fields_for_what_is_not_known(void **state)
{
    (void)state;
    assert_string_equal(journal(&(struct log_entry){.message = LOG_SETTING, .text = ""}), "");
    assert_string_equal(
        journal(&(struct log_entry){.message = LOG_SHUT_MORE, .text = "", .count = 190}),
        "SHAKEOUT_COUNT=190\n");
    assert_string_equal(
        journal(&(struct log_entry){
            .message = LOG_UNPROTECTED, .text = "", .reason = "no thread", .error = 11}),
        "SHAKEOUT_REASON=no thread\nERRNO=11\n");
    assert_string_equal(journal(&(struct log_entry){
                            .message = LOG_PROTECTS, .text = "", .deadline_ns = 10 * CLOCK_SECOND}),
                        "SHAKEOUT_DEADLINE=10.000\n");
}

static void each_message_has_an_id_of_its_own(void **state)
{
    char seen[LOG_MESSAGES][100];

    (void)state;
    for (int i = 0; i < LOG_MESSAGES; i++) {
        struct text out = TEXT_EMPTY;

        log_journal_format(&(struct log_entry){.message = (enum log_message)i, .text = ""}, &out);
        assert_int_equal(sscanf(out.bytes, "MESSAGE_ID=%99[0-9a-f]\nPRIORITY=", seen[i]), 1);
        assert_int_equal(strlen(seen[i]), 32);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(seen[i], seen[j]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syslog_begins_with_the_priority),
        cmocka_unit_test(the_journal_gets_the_facts),
        cmocka_unit_test(the_journal_gets_no_fields_for_what_is_not_known),
        cmocka_unit_test(each_message_has_an_id_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
