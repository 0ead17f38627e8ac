/* Which ports speak TLS: by the operator's word, by IANA's, by what the process has shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/loaded.h"
#include "base/settings.h"
#include "core/ports.h"

#define SECOND UINT64_C(1000000000)

static struct settings settings;
static bool tls_loaded;

/* Stands in for the look at the loader's list. */
bool loaded_tls_library(void)
{
    return tls_loaded;
}

static void refuse(void *context, const char *text)
{
    (void)context;
    fail_msg("%s", text);
}

static int start(void **state)
{
    char timeout[] = "SHAKEOUT_TIMEOUT=10";
    char rules[] = "SHAKEOUT_PORTS=8443,9443=3s,!9000,!993,995=1s";
    char *environment[] = {timeout, rules, NULL};

    (void)state;
    tls_loaded = true;
    settings_read(&settings, environment, refuse, NULL);
    ports_start(&settings);
    return 0;
}

static void the_operators_ports_speak_tls(void **state)
{
    (void)state;
    assert_true(ports_speak_tls(8443));
    assert_true(ports_speak_tls(9443));
    assert_false(ports_speak_tls(8444));
    assert_false(ports_hands_off(8443));
}

static void the_operators_word_needs_no_tls_library(void **state)
{
    (void)state;
    tls_loaded = false;
    assert_true(ports_speak_tls(8443));
}

static void each_port_may_have_its_own_deadline(void **state)
{
    (void)state;
    assert_true(ports_timeout_ns(9443) == 3 * SECOND);
    assert_true(ports_timeout_ns(995) == 1 * SECOND);
    assert_true(ports_timeout_ns(8443) == 10 * SECOND);
    assert_true(ports_timeout_ns(12345) == 10 * SECOND);
    assert_true(ports_timeout_ns(0) == 10 * SECOND);
}

static void hands_off_means_neither_tls_nor_anything(void **state)
{
    (void)state;
    assert_true(ports_hands_off(9000));
    assert_false(ports_speak_tls(9000));
}

static void an_iana_port_can_be_taken_out(void **state)
{
    (void)state;
    assert_true(ports_hands_off(993));
    assert_false(ports_speak_tls(993));
    assert_false(ports_hands_off(443));
    assert_true(ports_speak_tls(443));
}

static void iana_ports_speak_tls(void **state)
{
    static const uint16_t tls[] = {443, 465, 563,  636,  853,  989,  990,  992,
                                   995, 994, 5061, 5671, 6514, 6697, 8883, 2083};
    static const uint16_t plain[] = {21,  22,  25,   53,   80,   110,  119,  143,  389, 514,
                                     587, 993, 5060, 5222, 5432, 5672, 6667, 1883, 8080};

    (void)state;
    for (size_t i = 0; i < sizeof(tls) / sizeof(tls[0]); i++)
        assert_true(ports_speak_tls(tls[i]));
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
        assert_false(ports_speak_tls(plain[i]));
}

static void iana_counts_only_where_tls_is_loaded(void **state)
{
    (void)state;
    tls_loaded = false;
    assert_false(ports_speak_tls(443));
    tls_loaded = true;
    assert_true(ports_speak_tls(443));
}

/* Port 0 stands for what is no TCP socket. */
static void no_port_is_left_alone(void **state)
{
    (void)state;
    assert_true(ports_hands_off(0));
    assert_false(ports_speak_tls(0));
}

static void what_was_learned_stays(void **state)
{
    (void)state;
    assert_false(ports_learned(77));
    assert_true(ports_learn(77));
    assert_false(ports_learn(77)); /* no news */
    assert_true(ports_learned(77));
    assert_false(ports_learned(78));
}

static void nobody_is_never_learned(void **state)
{
    (void)state;
    assert_false(ports_learn(0));
    assert_false(ports_learned(0));
}

static void a_newer_listener_may_push_an_older_one_out(void **state)
{
    (void)state;
    assert_true(ports_learn(1000));
    assert_true(ports_learn(1000 + 1024));
    assert_true(ports_learned(1000 + 1024));
    assert_false(ports_learned(1000));
    assert_true(ports_learn(1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_operators_ports_speak_tls, start),
        cmocka_unit_test_setup(the_operators_word_needs_no_tls_library, start),
        cmocka_unit_test_setup(each_port_may_have_its_own_deadline, start),
        cmocka_unit_test_setup(hands_off_means_neither_tls_nor_anything, start),
        cmocka_unit_test_setup(an_iana_port_can_be_taken_out, start),
        cmocka_unit_test_setup(iana_ports_speak_tls, start),
        cmocka_unit_test_setup(iana_counts_only_where_tls_is_loaded, start),
        cmocka_unit_test_setup(no_port_is_left_alone, start),
        cmocka_unit_test_setup(what_was_learned_stays, start),
        cmocka_unit_test_setup(nobody_is_never_learned, start),
        cmocka_unit_test_setup(a_newer_listener_may_push_an_older_one_out, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
