/* Settings: defaults, every variable, and what is said about bad values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/settings.h"

#define S UINT64_C(1000000000)

enum { MAX_COMPLAINTS = 400, MAX_TEXT = 512 };

struct complaints {
    int count;
    char text[MAX_COMPLAINTS][MAX_TEXT];
};

static struct complaints complaints;
static struct settings settings;

static void note(void *context, const char *text)
{
    struct complaints *all = context;

    assert_true(all->count < MAX_COMPLAINTS);
    assert_true(strlen(text) < MAX_TEXT);
    snprintf(all->text[all->count++], MAX_TEXT, "%s", text);
}

/* Reads an environment of up to two variables (NULL: none) and checks the number of complaints. */
static void read_two(const char *first, const char *second, int expected)
{
    char *environment[] = {NULL, NULL, NULL};
    size_t count = 0;

    if (first)
        environment[count++] = strdup(first);
    if (second)
        environment[count++] = strdup(second);
    complaints.count = 0;
    memset(&settings, 0xa5, sizeof(settings));
    int bad = settings_read(&settings, environment, note, &complaints);
    while (count > 0)
        free(environment[--count]);
    assert_int_equal(bad, complaints.count);
    if (bad != expected)
        fail_msg("%s %s: %d complaints (%s)", first, second ? second : "", bad,
                 bad ? complaints.text[0] : "");
}

static void read_one(const char *variable, int expected)
{
    read_two(variable, NULL, expected);
}

static void assert_says(const char *part)
{
    assert_true(complaints.count > 0);
    if (!strstr(complaints.text[0], part))
        fail_msg("'%s' does not say '%s'", complaints.text[0], part);
}

static void nothing_set_means_the_defaults(void **state)
{
    (void)state;
    read_two("PATH=/bin", "XSHAKEOUT_TIMEOUT=5", 0);
    assert_true(settings.enabled);
    assert_int_equal(settings.timeout_ns, 60 * S);
    assert_int_equal(settings.port_count, 0);
    assert_int_equal(settings.log, LOG_STDERR);
    assert_string_equal(settings.log_path, "");
    assert_null(settings_port(&settings, 443));
    assert_true(settings.pressure);
    assert_int_equal(settings.grace_ns, S / 4);
    assert_int_equal(settings.max_pending, 0);
}

static void timeout(void **state)
{
    (void)state;
    read_one("SHAKEOUT_TIMEOUT=10", 0);
    assert_int_equal(settings.timeout_ns, 10 * S);
    read_one("SHAKEOUT_TIMEOUT=1.5s", 0);
    assert_int_equal(settings.timeout_ns, 3 * S / 2);
    read_one("SHAKEOUT_TIMEOUT=off", 0);
    assert_false(settings.enabled);
    assert_int_equal(settings.timeout_ns, 60 * S);
    read_two("SHAKEOUT_TIMEOUT=1", "SHAKEOUT_TIMEOUT=2", 0);
    assert_int_equal(settings.timeout_ns, S);
}

static void a_bad_timeout_keeps_the_default_and_is_named(void **state)
{
    static const char *const bad[] = {"",    "0",   "-1",   "nan", "inf",   "1e3", "0x1",
                                      "ten", "OFF", "off ", "5 s", "9999h", "on",  "1d"};
    char variable[64];
    char quoted[32];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(variable, sizeof(variable), "SHAKEOUT_TIMEOUT=%s", bad[i]);
        snprintf(quoted, sizeof(quoted), "'%s'", bad[i]);
        read_one(variable, 1);
        assert_true(settings.enabled);
        assert_int_equal(settings.timeout_ns, 60 * S);
        assert_says("SHAKEOUT_TIMEOUT: ");
        assert_says(quoted);
        assert_says("a number of seconds above 0");
        assert_says("8760h");
        assert_says("off");
    }
}

static void the_old_name_is_read_when_the_new_one_is_not_set(void **state)
{
    (void)state;
    read_one("PYSSLPROTO37_HANDSHAKE_TIMEOUT=5.0", 0);
    assert_int_equal(settings.timeout_ns, 5 * S);
    read_one("PYSSLPROTO37_HANDSHAKE_TIMEOUT= 0.5\n", 0);
    assert_int_equal(settings.timeout_ns, S / 2);
    read_two("PYSSLPROTO37_HANDSHAKE_TIMEOUT=5", "SHAKEOUT_TIMEOUT=7", 0);
    assert_int_equal(settings.timeout_ns, 7 * S);
    read_two("PYSSLPROTO37_HANDSHAKE_TIMEOUT=5", "SHAKEOUT_TIMEOUT=off", 0);
    assert_false(settings.enabled);
    read_two("PYSSLPROTO37_HANDSHAKE_TIMEOUT=junk", "SHAKEOUT_TIMEOUT=7", 0);
    read_two("PYSSLPROTO37_HANDSHAKE_TIMEOUT=5", "SHAKEOUT_TIMEOUT=bad", 1);
    assert_int_equal(settings.timeout_ns, 60 * S);

    static const char *const bad[] = {"", " ", "5s", "off", "0", "-5", "nan", "inf", "5 5"};
    char variable[64];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(variable, sizeof(variable), "PYSSLPROTO37_HANDSHAKE_TIMEOUT=%s", bad[i]);
        read_one(variable, 1);
        assert_says("PYSSLPROTO37_HANDSHAKE_TIMEOUT: ");
        assert_int_equal(settings.timeout_ns, 60 * S);
    }
}

static void assert_rule(size_t at, uint16_t port, enum port_kind kind, uint64_t timeout_ns)
{
    assert_true(at < settings.port_count);
    assert_int_equal(settings.ports[at].port, port);
    assert_int_equal(settings.ports[at].kind, kind);
    assert_int_equal(settings.ports[at].timeout_ns, timeout_ns);
    assert_ptr_equal(settings_port(&settings, port), &settings.ports[at]);
}

static void ports_are_sorted_and_found(void **state)
{
    (void)state;
    read_one("SHAKEOUT_PORTS=8443=5s,993=30s , 443,\t!9000 ,65535,1=250ms", 0);
    assert_int_equal(settings.port_count, 6);
    assert_rule(0, 1, PORT_TLS, S / 4);
    assert_rule(1, 443, PORT_TLS, 0);
    assert_rule(2, 993, PORT_TLS, 30 * S);
    assert_rule(3, 8443, PORT_TLS, 5 * S);
    assert_rule(4, 9000, PORT_NEVER, 0);
    assert_rule(5, 65535, PORT_TLS, 0);
    assert_null(settings_port(&settings, 0));
    assert_null(settings_port(&settings, 2));
    assert_null(settings_port(&settings, 9001));
    assert_null(settings_port(&settings, 65534));
}

static void empty_ports_mean_none(void **state)
{
    (void)state;
    read_one("SHAKEOUT_PORTS=", 0);
    assert_int_equal(settings.port_count, 0);
    read_one("SHAKEOUT_PORTS= \t", 0);
    assert_int_equal(settings.port_count, 0);
}

static void a_bad_port_is_named_and_the_good_ones_stay(void **state)
{
    static const char *const bad[] = {
        "0",     "65536", "99999", "123456", "-1",      "+1",     "1.5",        "https",
        "443x",  "0x1bb", "44 3",  "!",      "!0",      "! 443",  "!!443",      "443!",
        "443=",  "=5",    "443=0", "443=-1", "=",       "!9=5s",  "443 =5",     "443= 5",
        "5=5=5", "5=5d",  "5:6",   "1-9",    "443=off", "443;80", "4294967739", /* 2^32 + 443 */ "",
        " ",
    };
    char variable[64];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(variable, sizeof(variable), "SHAKEOUT_PORTS=8443,%s,!22", bad[i]);
        read_one(variable, 1);
        assert_says("SHAKEOUT_PORTS: ");
        assert_says("1 to 65535");
        assert_int_equal(settings.port_count, 2);
        assert_rule(0, 22, PORT_NEVER, 0);
        assert_rule(1, 8443, PORT_TLS, 0);
    }
    read_one("SHAKEOUT_PORTS=443,https,80,70000", 2);
    assert_says("'https'");
    assert_int_equal(settings.port_count, 2);
    read_one("SHAKEOUT_PORTS=443,", 1);
    assert_says("''");
    read_one("SHAKEOUT_PORTS=,", 2);
}

static void the_same_port_twice_must_agree(void **state)
{
    (void)state;
    read_one("SHAKEOUT_PORTS=443,443,8443=5s,8443=5000ms,!9,!9", 0);
    assert_int_equal(settings.port_count, 3);
    read_one("SHAKEOUT_PORTS=443=5s,443=6s", 1);
    assert_says("'443=6s' contradicts");
    assert_rule(0, 443, PORT_TLS, 5 * S);
    read_one("SHAKEOUT_PORTS=443,!443", 1);
    assert_rule(0, 443, PORT_TLS, 0);
    read_one("SHAKEOUT_PORTS=!443,443=5s", 1);
    assert_rule(0, 443, PORT_NEVER, 0);
}

static void too_many_ports(void **state)
{
    char variable[4096] = "SHAKEOUT_PORTS=1000";
    size_t length = strlen(variable);

    (void)state;
    for (unsigned port = 1001; port < 1256; port++)
        length += (size_t)snprintf(variable + length, sizeof(variable) - length, ",%u", port);
    read_one(variable, 0);
    assert_int_equal(settings.port_count, SETTINGS_MAX_PORTS);
    assert_non_null(settings_port(&settings, 1000));
    assert_non_null(settings_port(&settings, 1255));

    snprintf(variable + length, sizeof(variable) - length, ",1005,5");
    read_one(variable, 1);
    assert_says("'5' is one too many");
    assert_says("256");
    assert_int_equal(settings.port_count, SETTINGS_MAX_PORTS);
    assert_null(settings_port(&settings, 5));
}

static void pressure_is_on_or_off(void **state)
{
    static const char *const bad[] = {"", "ON", "Off", "1", "0", "yes", "no", " on", "on ", "offf"};
    char variable[64];
    char quoted[32];

    (void)state;
    read_one("SHAKEOUT_PRESSURE=on", 0);
    assert_true(settings.pressure);
    read_one("SHAKEOUT_PRESSURE=off", 0);
    assert_false(settings.pressure);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(variable, sizeof(variable), "SHAKEOUT_PRESSURE=%s", bad[i]);
        snprintf(quoted, sizeof(quoted), "'%s'", bad[i]);
        read_one(variable, 1);
        assert_true(settings.pressure);
        assert_says("SHAKEOUT_PRESSURE: ");
        assert_says(quoted);
        assert_says("on or off");
    }
}

static void grace_is_a_duration_or_nothing(void **state)
{
    static const char *const bad[] = {"",    "-1",  "00",  "0s",  "0.0", "off",
                                      "nan", "inf", "1 s", "ten", "1e3", "9999h"};
    char variable[64];
    char quoted[32];

    (void)state;
    read_one("SHAKEOUT_GRACE=0", 0);
    assert_int_equal(settings.grace_ns, 0);
    read_one("SHAKEOUT_GRACE=1", 0);
    assert_int_equal(settings.grace_ns, S);
    read_one("SHAKEOUT_GRACE=50ms", 0);
    assert_int_equal(settings.grace_ns, S / 20);
    read_one("SHAKEOUT_GRACE=1.5s", 0);
    assert_int_equal(settings.grace_ns, 3 * S / 2);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(variable, sizeof(variable), "SHAKEOUT_GRACE=%s", bad[i]);
        snprintf(quoted, sizeof(quoted), "'%s'", bad[i]);
        read_one(variable, 1);
        assert_int_equal(settings.grace_ns, S / 4);
        assert_says("SHAKEOUT_GRACE: ");
        assert_says(quoted);
        assert_says("give 0, or ");
    }
}

static void max_pending_is_a_number(void **state)
{
    static const char *const bad[] = {"",   "-1", "+1",         "1.5",        "ten", "0x10",
                                      "5 ", " 5", "1000000000", "4294967297", "off", "1k"};
    char variable[64];
    char quoted[32];

    (void)state;
    read_one("SHAKEOUT_MAX_PENDING=0", 0);
    assert_int_equal(settings.max_pending, 0);
    read_one("SHAKEOUT_MAX_PENDING=1", 0);
    assert_int_equal(settings.max_pending, 1);
    read_one("SHAKEOUT_MAX_PENDING=000512", 0);
    assert_int_equal(settings.max_pending, 512);
    read_one("SHAKEOUT_MAX_PENDING=999999999", 0);
    assert_int_equal(settings.max_pending, 999999999);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(variable, sizeof(variable), "SHAKEOUT_MAX_PENDING=%s", bad[i]);
        snprintf(quoted, sizeof(quoted), "'%s'", bad[i]);
        read_one(variable, 1);
        assert_int_equal(settings.max_pending, 0);
        assert_says("SHAKEOUT_MAX_PENDING: ");
        assert_says(quoted);
        assert_says("0 for no limit");
    }
}

static void log_kinds(void **state)
{
    (void)state;
    read_one("SHAKEOUT_LOG=stderr", 0);
    assert_int_equal(settings.log, LOG_STDERR);
    read_one("SHAKEOUT_LOG=syslog", 0);
    assert_int_equal(settings.log, LOG_SYSLOG);
    read_one("SHAKEOUT_LOG=journal", 0);
    assert_int_equal(settings.log, LOG_JOURNAL);
    read_one("SHAKEOUT_LOG=off", 0);
    assert_int_equal(settings.log, LOG_OFF);
    assert_string_equal(settings.log_path, "");
    read_one("SHAKEOUT_LOG=/var/log/shakeout.log", 0);
    assert_int_equal(settings.log, LOG_FILE);
    assert_string_equal(settings.log_path, "/var/log/shakeout.log");
}

static void bad_log_kinds(void **state)
{
    static const char *const bad[] = {"", "Stderr", "file", "shakeout.log", "./a", "stderr ", "1"};
    char variable[64];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(variable, sizeof(variable), "SHAKEOUT_LOG=%s", bad[i]);
        read_one(variable, 1);
        assert_says("SHAKEOUT_LOG: ");
        assert_says("journal");
        assert_int_equal(settings.log, LOG_STDERR);
    }
}

static void the_longest_log_path(void **state)
{
    char variable[8192] = "SHAKEOUT_LOG=";
    size_t start = strlen(variable);

    (void)state;
    memset(variable + start, '/', sizeof(settings.log_path) - 1);
    variable[start + sizeof(settings.log_path) - 1] = '\0';
    read_one(variable, 0);
    assert_string_equal(settings.log_path, variable + start);

    variable[start + sizeof(settings.log_path) - 1] = '/';
    read_one(variable, 1);
    assert_int_equal(settings.log, LOG_STDERR);
    assert_string_equal(settings.log_path, "");
    assert_says("4095");
}

static void unknown_names_are_named(void **state)
{
    (void)state;
    read_two("SHAKEOUT_TIMEOTU=5", "SHAKEOUT_TIMEOUT=7", 1);
    assert_says("'SHAKEOUT_TIMEOTU' is not a setting");
    assert_says("SHAKEOUT_LOG, SHAKEOUT_TIMEOUT, SHAKEOUT_PORTS");
    assert_says("SHAKEOUT_PRESSURE, SHAKEOUT_GRACE, SHAKEOUT_MAX_PENDING");
    assert_int_equal(settings.timeout_ns, 7 * S);
    read_two("SHAKEOUT_=1", "SHAKEOUT_TIMEOUTS=1", 2);
    read_two("SHAKEOUT_LO=off", "shakeout_log=off", 1);
    assert_int_equal(settings.log, LOG_STDERR);
    read_two("SHAKEOUT", "SHAKEOUTX=5", 0);
}

static void complaints_are_short_and_printable(void **state)
{
    char variable[2048] = "SHAKEOUT_TIMEOUT=\x1b[31m\n\x7f\xc3\xa4";

    (void)state;
    read_one(variable, 1);
    assert_says("'?[31m?\?\?\?'"); /* no trigraph */

    memset(variable + strlen("SHAKEOUT_TIMEOUT="), 'x', 1024);
    read_one(variable, 1);
    assert_says("xxx...'");
    assert_says("or off");
    assert_true(strlen(complaints.text[0]) < 300);

    memset(variable, 0, sizeof(variable));
    strcpy(variable, "SHAKEOUT_");
    memset(variable + strlen("SHAKEOUT_"), 'Y', 1024);
    read_one(variable, 1);
    assert_says("YYY...' is not a setting");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_set_means_the_defaults),
        cmocka_unit_test(timeout),
        cmocka_unit_test(a_bad_timeout_keeps_the_default_and_is_named),
        cmocka_unit_test(the_old_name_is_read_when_the_new_one_is_not_set),
        cmocka_unit_test(ports_are_sorted_and_found),
        cmocka_unit_test(empty_ports_mean_none),
        cmocka_unit_test(a_bad_port_is_named_and_the_good_ones_stay),
        cmocka_unit_test(the_same_port_twice_must_agree),
        cmocka_unit_test(too_many_ports),
        cmocka_unit_test(pressure_is_on_or_off),
        cmocka_unit_test(grace_is_a_duration_or_nothing),
        cmocka_unit_test(max_pending_is_a_number),
        cmocka_unit_test(log_kinds),
        cmocka_unit_test(bad_log_kinds),
        cmocka_unit_test(the_longest_log_path),
        cmocka_unit_test(unknown_names_are_named),
        cmocka_unit_test(complaints_are_short_and_printable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
