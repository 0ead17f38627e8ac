/* Who a client is to us, and what is remembered of it. The clock and the peers' addresses are the
 * test's own: the Makefile puts __wrap_clock_gettime() and __wrap_getpeername() in their place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "core/sources.h"

#define HALF_LIFE_NS (60 * CLOCK_SECOND)
#define LONGER_NS    (4 * HALF_LIFE_NS)
#define MOST         255U
#define PLACES       8192U /* tags that are equal modulo this share a place */

/* On the start of a half-life of either kind. */
static uint64_t now_ns = 1000 * LONGER_NS;

int __wrap_clock_gettime(clockid_t id, struct timespec *now);

int __wrap_clock_gettime(clockid_t id, struct timespec *now)
{
    assert_int_equal(id, CLOCK_MONOTONIC);
    now->tv_sec = (time_t)(now_ns / CLOCK_SECOND);
    now->tv_nsec = (long)(now_ns % CLOCK_SECOND);
    return 0;
}

static union {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
} peer;

int __wrap_getpeername(int fd, struct sockaddr *address, socklen_t *length);

int __wrap_getpeername(int fd, struct sockaddr *address, socklen_t *length)
{
    if (fd < 0) {
        errno = ENOTCONN;
        return -1;
    }
    memcpy(address, &peer, *length < sizeof(peer) ? *length : sizeof(peer));
    *length = sizeof(peer);
    return 0;
}

static uint32_t source_of_port(const char *address, uint16_t port)
{
    memset(&peer, 0, sizeof(peer));
    if (strchr(address, ':') != NULL) {
        peer.in6.sin6_family = AF_INET6;
        peer.in6.sin6_port = htons(port);
        assert_int_equal(inet_pton(AF_INET6, address, &peer.in6.sin6_addr), 1);
    } else {
        peer.in.sin_family = AF_INET;
        peer.in.sin_port = htons(port);
        assert_int_equal(inet_pton(AF_INET, address, &peer.in.sin_addr), 1);
    }
    return sources_of(0);
}

static uint32_t source_of(const char *address)
{
    return source_of_port(address, 40000);
}

/* A tag that no other test has used, with a place of its own. */
static uint32_t stranger(void)
{
    static uint32_t last = 100;

    return ++last;
}

static void assert_all(uint32_t source, uint32_t finished, uint32_t silent, uint32_t halfway)
{
    struct source_record record = sources_record(source);

    assert_int_equal(record.finished, finished);
    assert_int_equal(record.silent, silent);
    assert_int_equal(record.halfway, halfway);
}

static void assert_record(uint32_t source, uint32_t finished, uint32_t silent)
{
    assert_all(source, finished, silent, 0);
}

static void an_ipv4_address_is_one_source(void **state)
{
    (void)state;
    assert_int_equal(source_of_port("192.0.2.1", 1), source_of_port("192.0.2.1", 65535));
    assert_int_not_equal(source_of("192.0.2.1"), 0);
    assert_int_not_equal(source_of("192.0.2.1"), source_of("192.0.2.2"));
    assert_int_not_equal(source_of("192.0.2.1"), source_of("192.0.3.1"));
    assert_int_not_equal(source_of("192.0.2.1"), source_of("1.2.0.192"));
}

static void an_ipv6_network_of_64_bits_is_one_source(void **state)
{
    uint32_t one = source_of("2001:db8:1:2::1");

    (void)state;
    assert_int_not_equal(one, 0);
    assert_int_equal(one, source_of("2001:db8:1:2:ffff:ffff:ffff:ffff"));
    assert_int_not_equal(one, source_of("2001:db8:1:3::1"));
    assert_int_not_equal(one, source_of("2001:db8:2:2::1"));
    assert_int_equal(source_of("::1"), source_of("::2"));
}

static void a_mapped_ipv4_address_is_that_address(void **state)
{
    (void)state;
    assert_int_equal(source_of("::ffff:192.0.2.1"), source_of("192.0.2.1"));
    assert_int_not_equal(source_of("::ffff:192.0.2.1"), source_of("::ffff:192.0.2.2"));
}

/* 32.1.13.184 and 2001:db8:: begin with the same four bytes. */
static void an_ipv4_address_is_no_ipv6_network(void **state)
{
    (void)state;
    assert_int_not_equal(source_of("32.1.13.184"), source_of("2001:db8::1"));
    assert_int_not_equal(source_of("0.0.0.0"), source_of("::1"));
}

static void nobody_is_remembered_for_nobody(void **state)
{
    (void)state;
    peer.any.sa_family = AF_UNIX;
    assert_int_equal(sources_of(0), 0);
    assert_int_equal(sources_of(-1), 0);
    sources_finished(0);
    sources_shut(0, false);
    assert_record(0, 0, 0);
}

static void what_became_of_them_is_counted(void **state)
{
    uint32_t one = stranger();
    uint32_t other = stranger();

    (void)state;
    assert_record(one, 0, 0);
    sources_finished(one);
    sources_finished(one);
    sources_shut(one, false);
    sources_shut(other, false);
    assert_record(one, 2, 1);
    assert_record(other, 0, 1);
    sources_shut(one, true);
    sources_shut(one, true);
    assert_all(one, 2, 1, 2);
}

static void counts_stop_at_the_most(void **state)
{
    uint32_t one = stranger();

    (void)state;
    for (uint32_t i = 1; i < MOST + 45; i++) {
        sources_finished(one);
        sources_shut(one, false);
        sources_shut(one, true);
        assert_all(one, i < MOST ? i : MOST, i < MOST ? i : MOST, i < MOST ? i : MOST);
    }
}

static void shut_ones_are_halved_every_minute(void **state)
{
    uint32_t one = stranger();

    (void)state;
    for (unsigned int i = 0; i < 8; i++) {
        sources_shut(one, false);
        sources_shut(one, true);
    }
    now_ns += HALF_LIFE_NS - 1;
    assert_all(one, 0, 8, 8);
    now_ns += 1;
    assert_all(one, 0, 4, 4);
    now_ns += 2 * HALF_LIFE_NS;
    assert_all(one, 0, 1, 1);
    now_ns += HALF_LIFE_NS;
    assert_all(one, 0, 0, 0);
}

static void finished_ones_are_halved_every_four_minutes(void **state)
{
    uint32_t one = stranger();

    (void)state;
    now_ns += LONGER_NS - now_ns % LONGER_NS;
    for (unsigned int i = 0; i < 8; i++)
        sources_finished(one);
    now_ns += LONGER_NS - 1;
    assert_record(one, 8, 0);
    now_ns += 1;
    assert_record(one, 4, 0);
    now_ns += 3 * LONGER_NS;
    assert_record(one, 0, 0);
}

/* Nobody stays trusted by being shut all the time. */
static void new_offences_do_not_keep_old_merits_alive(void **state)
{
    uint32_t one = stranger();

    (void)state;
    sources_finished(one);
    for (unsigned int i = 0; i < 60; i++) {
        now_ns += 8 * CLOCK_SECOND;
        sources_shut(one, false);
    }
    assert_int_equal(sources_record(one).finished, 0);
    assert_true(sources_record(one).silent >= 3);
}

static void all_is_forgotten_in_the_end(void **state)
{
    uint32_t one = stranger();

    (void)state;
    for (unsigned int i = 0; i < MOST; i++) {
        sources_finished(one);
        sources_shut(one, false);
        sources_shut(one, true);
    }
    now_ns += 9 * LONGER_NS;
    assert_all(one, 0, 0, 0);
}

static void who_was_shut_makes_room(void **state)
{
    uint32_t old = stranger();
    uint32_t young = old + PLACES;

    (void)state;
    sources_shut(old, false);
    sources_shut(young, false);
    assert_record(old, 0, 0);
    assert_record(young, 0, 1);
    sources_finished(old);
    assert_record(old, 1, 0);
    assert_record(young, 0, 0);
}

static void who_has_finished_keeps_its_place_against_a_flood(void **state)
{
    uint32_t good = stranger();
    uint32_t other_good = good + 40000 * PLACES;

    (void)state;
    sources_finished(good);
    for (uint32_t i = 1; i < 20000; i++)
        sources_shut(good + i * PLACES, false);
    assert_record(good, 1, 0);
    sources_finished(other_good);
    assert_record(other_good, 1, 0);
    assert_record(good, 0, 0);
}

static void a_place_is_free_again_when_its_owner_is_forgotten(void **state)
{
    uint32_t good = stranger();
    uint32_t bad = good + PLACES;

    (void)state;
    sources_finished(good);
    sources_shut(bad, false);
    assert_record(bad, 0, 0);
    now_ns += LONGER_NS;
    sources_shut(bad, false);
    assert_record(bad, 0, 1);
}

static void *add_fifty(void *source)
{
    for (unsigned int i = 0; i < 50; i++)
        sources_shut(*(uint32_t *)source, false);
    return NULL;
}

static void threads_lose_no_count(void **state)
{
    uint32_t one = stranger();
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_fifty, &one), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_record(one, 0, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ipv4_address_is_one_source),
        cmocka_unit_test(an_ipv6_network_of_64_bits_is_one_source),
        cmocka_unit_test(a_mapped_ipv4_address_is_that_address),
        cmocka_unit_test(an_ipv4_address_is_no_ipv6_network),
        cmocka_unit_test(nobody_is_remembered_for_nobody),
        cmocka_unit_test(what_became_of_them_is_counted),
        cmocka_unit_test(counts_stop_at_the_most),
        cmocka_unit_test(shut_ones_are_halved_every_minute),
        cmocka_unit_test(finished_ones_are_halved_every_four_minutes),
        cmocka_unit_test(new_offences_do_not_keep_old_merits_alive),
        cmocka_unit_test(all_is_forgotten_in_the_end),
        cmocka_unit_test(who_was_shut_makes_room),
        cmocka_unit_test(who_has_finished_keeps_its_place_against_a_flood),
        cmocka_unit_test(a_place_is_free_again_when_its_owner_is_forgotten),
        cmocka_unit_test(threads_lose_no_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
