/* Lines of the log, put together without stdio. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/text.h"

static void strings_follow_each_other(void **state)
{
    struct text text = TEXT_EMPTY;

    (void)state;
    text_string(&text, "");
    assert_string_equal(text.bytes, "");
    text_string(&text, "one");
    text_string(&text, " two");
    assert_string_equal(text.bytes, "one two");
    assert_int_equal(text.length, 7);
}

static const char *number(uint64_t value)
{
    static struct text text;

    text.length = 0;
    text_number(&text, value);
    return text.bytes;
}

static void numbers(void **state)
{
    (void)state;
    assert_string_equal(number(0), "0");
    assert_string_equal(number(9), "9");
    assert_string_equal(number(10), "10");
    assert_string_equal(number(65535), "65535");
    assert_string_equal(number(UINT64_MAX), "18446744073709551615");
}

static const char *seconds(uint64_t span_ns)
{
    static struct text text;

    text.length = 0;
    text_seconds(&text, span_ns);
    return text.bytes;
}

/* Down: a connection that was shut at its deadline must not look as if it were shut early, and
 * never earlier than it was. */
static void seconds_are_rounded_down(void **state)
{
    (void)state;
    assert_string_equal(seconds(0), "0.000");
    assert_string_equal(seconds(999999), "0.000");
    assert_string_equal(seconds(1000000), "0.001");
    assert_string_equal(seconds(UINT64_C(10003456789)), "10.003");
    assert_string_equal(seconds(UINT64_C(10050000000)), "10.050");
    assert_string_equal(seconds(UINT64_C(59999999999)), "59.999");
}

static const char *address(int family, const char *host, uint16_t port)
{
    static struct text text;
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } of = {.any.sa_family = (sa_family_t)family};

    if (family == AF_INET) {
        of.in.sin_port = htons(port);
        assert_int_equal(inet_pton(AF_INET, host, &of.in.sin_addr), 1);
    } else if (family == AF_INET6) {
        of.in6.sin6_port = htons(port);
        assert_int_equal(inet_pton(AF_INET6, host, &of.in6.sin6_addr), 1);
    }
    text.length = 0;
    text_address(&text, &of.any);
    return text.bytes;
}

static void addresses(void **state)
{
    (void)state;
    assert_string_equal(address(AF_INET, "203.0.113.7", 51514), "203.0.113.7:51514");
    assert_string_equal(address(AF_INET6, "2001:db8::1", 443), "[2001:db8::1]:443");
    assert_string_equal(address(AF_INET6, "::ffff:192.0.2.9", 80), "192.0.2.9:80");
    assert_string_equal(address(AF_UNSPEC, NULL, 0), "unknown");
    assert_string_equal(address(AF_UNIX, NULL, 0), "unknown");
}

static const char *utc(uint64_t seconds)
{
    static struct text text;

    text.length = 0;
    text_utc(&text, seconds);
    return text.bytes;
}

static void times(void **state)
{
    (void)state;
    assert_string_equal(utc(0), "1970-01-01T00:00:00Z");
    assert_string_equal(utc(951782399), "2000-02-28T23:59:59Z");
    assert_string_equal(utc(951782400), "2000-02-29T00:00:00Z");
    assert_string_equal(utc(951868800), "2000-03-01T00:00:00Z");
    assert_string_equal(utc(4107542400), "2100-03-01T00:00:00Z");
}

static void every_day_is_libc_s(void **state)
{
    (void)state;
    for (uint64_t day = 0; day < 400UL * 366; day++) {
        time_t seconds = (time_t)(day * 86400 + day % 86400);
        char expected[64];
        struct tm tm;

        gmtime_r(&seconds, &tm);
        strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%SZ", &tm);
        assert_string_equal(utc((uint64_t)seconds), expected);
    }
}

static void what_does_not_fit_is_cut_off(void **state)
{
    struct text text = TEXT_EMPTY;

    (void)state;
    for (int i = 0; i < 100; i++)
        text_string(&text, "0123456789");
    assert_int_equal(text.length, sizeof(text.bytes) - 1);
    assert_int_equal(strlen(text.bytes), sizeof(text.bytes) - 1);
    text_number(&text, 12345);
    text_seconds(&text, 12345);
    assert_int_equal(strlen(text.bytes), sizeof(text.bytes) - 1);
}

static void a_number_may_be_cut_in_the_middle(void **state)
{
    struct text text = TEXT_EMPTY;

    (void)state;
    while (text.length < sizeof(text.bytes) - 3)
        text_string(&text, "x");
    text_number(&text, 12345);
    assert_string_equal(text.bytes + sizeof(text.bytes) - 3, "12");
}

static const char *of_error(int error)
{
    static struct text text;

    text.length = 0;
    text_error(&text, error);
    return text.bytes;
}

static void errors(void **state)
{
    (void)state;
    assert_string_equal(of_error(EACCES), " (errno 13, permission denied)");
    assert_string_equal(of_error(EMFILE), " (errno 24, too many open files)");
    assert_string_equal(of_error(4095), " (errno 4095)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_follow_each_other),
        cmocka_unit_test(numbers),
        cmocka_unit_test(seconds_are_rounded_down),
        cmocka_unit_test(addresses),
        cmocka_unit_test(times),
        cmocka_unit_test(errors),
        cmocka_unit_test(every_day_is_libc_s),
        cmocka_unit_test(what_does_not_fit_is_cut_off),
        cmocka_unit_test(a_number_may_be_cut_in_the_middle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
