/* The first ClientHello of a stream: where it is found, what is kept of it, what cannot hide it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/hello.h"

#include "bytes.h"

enum { RANDOM_AT = 5 + 4 + 2, RANDOM_END = RANDOM_AT + 32, KEPT_AT = 16 };

static struct hello fed(const uint8_t *bytes, size_t length)
{
    struct hello hello = {0};

    hello_feed(&hello, bytes, length);
    return hello;
}

static void assert_same(const struct hello *one, const struct hello *other)
{
    assert_memory_equal(one, other, sizeof(*one));
}

/* Byte by byte, and in two pieces cut anywhere, the outcome is that of the whole. */
static struct hello fed_in_pieces(const uint8_t *bytes, size_t length)
{
    struct hello whole = fed(bytes, length);
    struct hello single = {0};

    for (size_t cut = 0; cut < length; cut++) {
        struct hello halves = fed(bytes, cut);

        assert_same(&single, &halves);
        hello_feed(&halves, bytes + cut, length - cut);
        assert_same(&whole, &halves);
        hello_feed(&single, bytes + cut, 1);
    }
    assert_same(&whole, &single);
    return whole;
}

static void assert_caught(const struct bytes *stream, const uint8_t *random)
{
    struct hello hello = fed_in_pieces(stream->at, stream->length);

    assert_int_equal(hello_stage(&hello), HELLO_COMPLETE);
    assert_true(hello_random_is(&hello, random));
}

static void assert_none(const struct bytes *stream)
{
    struct hello hello = fed_in_pieces(stream->at, stream->length);

    assert_true(hello_stage(&hello) < HELLO_RANDOM);
}

/* The ClientHello that most tests use. */
static const struct client_stream *usual(void)
{
    return stream_named("tls13");
}

static const uint8_t *usual_random(void)
{
    return usual()->bytes + RANDOM_AT;
}

static void every_client_is_caught(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLIENT_STREAMS; i++) {
        const struct client_stream *stream = &client_streams[i];
        struct hello hello = fed_in_pieces(stream->bytes, stream->length);

        assert_int_equal(hello_stage(&hello), HELLO_COMPLETE);
        assert_true(hello_random_is(&hello, stream->bytes + RANDOM_AT));
    }
}

static void stages_come_with_their_bytes(void **state)
{
    const struct client_stream *stream = usual();

    (void)state;
    for (size_t length = 0; length <= stream->length; length++) {
        struct hello hello = fed(stream->bytes, length);
        enum hello_stage expected = length == 0              ? HELLO_NONE
                                    : length < RANDOM_END    ? HELLO_PARTIAL
                                    : length < stream->hello ? HELLO_RANDOM
                                                             : HELLO_COMPLETE;

        assert_int_equal(hello_stage(&hello), expected);
        assert_int_equal(hello_random_is(&hello, usual_random()), expected >= HELLO_RANDOM);
    }
}

static void nothing_is_nothing(void **state)
{
    struct hello hello = {0};
    const uint8_t zeros[32] = {0};

    (void)state;
    hello_feed(&hello, NULL, 0);
    assert_int_equal(hello_stage(&hello), HELLO_NONE);
    assert_false(hello_random_is(&hello, zeros));
    assert_false(hello_random_has(&hello, 0, 0));
    assert_int_equal(hello_own_key(&hello), 0);
}

static void only_the_kept_half_is_compared(void **state)
{
    struct hello hello = fed(usual()->bytes, usual()->hello);
    uint8_t other[32];

    (void)state;
    for (unsigned at = 0; at < sizeof(other); at++) {
        memcpy(other, usual_random(), sizeof(other));
        assert_true(hello_random_has(&hello, at, other[at]));
        other[at] ^= 0x40;
        assert_int_equal(hello_random_is(&hello, other), at < KEPT_AT);
        assert_int_equal(hello_random_has(&hello, at, other[at]), at < KEPT_AT);
        assert_int_equal(hello_key(other) == hello_own_key(&hello), at < KEPT_AT);
    }
}

static void both_sides_have_the_same_key(void **state)
{
    const uint8_t zeros[32] = {0};

    (void)state;
    for (size_t i = 0; i < CLIENT_STREAMS; i++) {
        const struct client_stream *stream = &client_streams[i];
        struct hello hello = fed(stream->bytes, RANDOM_END);

        assert_int_equal(hello_own_key(&hello), hello_key(stream->bytes + RANDOM_AT));
        hello = fed(stream->bytes, RANDOM_END - 1);
        assert_int_equal(hello_own_key(&hello), 0);
    }
    assert_int_not_equal(hello_key(zeros), 0);
}

static void plaintext_before_it_is_passed_over(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
    } prefixes[] = {
#define PREFIX(literal) {literal, sizeof(literal) - 1}
        PREFIX("EHLO client.example\r\nSTARTTLS\r\n"),
        PREFIX("\0\0\0\10\4\322\26\57"), /* PostgreSQL's SSLRequest: a 0x16 of its own */
        PREFIX("PROXY TCP4 192.0.2.1 192.0.2.2 5635 443\r\n"),
        PREFIX("\r\n\r\n\0\r\nQUIT\n\41\21\0\14\26\3\1\0\26\3\1\1\26\3\1\273"),
        PREFIX("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
        PREFIX("\60\35\2\1\1\167\30\200\0261.3.6.1.4.1.1466.20037"), /* LDAP StartTLS */
        PREFIX("\26"),
        PREFIX("\26\26\26"),
        PREFIX("\26\3"),
        PREFIX("\26\3\26\3\26\3"),
        PREFIX("\26\3\1\0\5\2\0\0\1\3"),     /* a ServerHello */
        PREFIX("\26\3\1\100\1\1\0\2\0\3\3"), /* too long for a record */
        PREFIX("\26\3\1\0\54\1\0\0\50\3\3"), /* too short for a ClientHello */
        PREFIX("\26\3\1\0\54\1\3\0\0\3\3"),  /* too long for one */
        PREFIX("\26\3\1\2\0\1\0\1\374\2\0"), /* of an SSL that never was */
        PREFIX("\26\2\1\2\0\1\0\1\374\3\3"),
        PREFIX("\27\3\3\0\2\26\3"),
#undef PREFIX
    };

    (void)state;
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        struct bytes stream = {.length = 0};

        add(&stream, prefixes[i].bytes, prefixes[i].length);
        assert_none(&stream);
        add(&stream, usual()->bytes, usual()->length);
        assert_caught(&stream, usual_random());
    }
}

static void a_broken_beginning_does_not_hide_it(void **state)
{
    (void)state;
    /* Nine bytes of one and then another are themselves a possible ClientHello. */
    for (size_t broken = 1; broken < 9; broken++) {
        struct bytes stream = {.length = 0};

        add(&stream, usual()->bytes, broken);
        add(&stream, usual()->bytes, usual()->length);
        assert_caught(&stream, usual_random());
    }
}

static void any_fragmentation_is_put_together(void **state)
{
    static const size_t pieces[] = {1, 2, 3, 4, 5, 6, 21, 22, 23, 37, 38, 39, 100};
    size_t length = usual()->hello - 5;

    (void)state;
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        struct bytes stream = {.length = 0};

        add_fragmented(&stream, usual()->bytes + 5, length, pieces[i]);
        assert_caught(&stream, usual_random());
    }
    for (size_t cut = 1; cut < length; cut++) {
        struct bytes stream = {.length = 0};

        add_record(&stream, 22, "", 0);
        add_record(&stream, 22, usual()->bytes + 5, cut);
        add_record(&stream, 22, "", 0);
        add_record(&stream, 22, "", 0);
        add_record(&stream, 22, usual()->bytes + 5 + cut, length - cut);
        assert_caught(&stream, usual_random());
    }
}

static void a_broken_fragmentation_does_not_hide_it(void **state)
{
    (void)state;
    for (size_t whole = 1; whole < 38; whole++) {
        struct bytes stream = {.length = 0};

        add_fragmented(&stream, usual()->bytes + 5, whole, 1);
        ADD(&stream, "\27\3\3\0\1x");
        assert_none(&stream);
        add(&stream, usual()->bytes, usual()->length);
        assert_caught(&stream, usual_random());
    }
}

static void it_may_begin_inside_a_broken_one(void **state)
{
    struct bytes stream = {.length = 0};

    (void)state;
    /* The record header of the real one is taken for the second record of the false one. */
    ADD(&stream, "\26\3\1\0\2\1\0");
    add(&stream, usual()->bytes, usual()->length);
    assert_caught(&stream, usual_random());

    /* Likewise, with the beginning of the false one longer ago than what is remembered. */
    stream.length = 0;
    ADD(&stream, "\26\3\1\0\2\1\0\26\3\1\0\0\26\3\1\0\0");
    add(&stream, usual()->bytes, usual()->length);
    assert_caught(&stream, usual_random());

    /* The false one ends its record inside the random of the real one, which began 16 bytes ago. */
    stream.length = 0;
    ADD(&stream, "\26\3\1\0\23\1\0\1\0");
    add(&stream, usual()->bytes, usual()->length);
    assert_caught(&stream, usual_random());
}

/* Two bytes of length, type, version, three lengths, suites, session id, challenge. */
static void add_v2_hello(struct bytes *stream, size_t session_id, size_t challenge)
{
    static const uint8_t zeros[32];
    uint8_t header[11] = {0x80, 0, 1, 3, 3, 0, 6, 0, (uint8_t)session_id, 0, (uint8_t)challenge};

    header[1] = (uint8_t)(9 + 6 + session_id + challenge);
    add(stream, header, sizeof(header));
    ADD(stream, "\0\0\234\0\0\57");
    add(stream, zeros, session_id);
    for (size_t i = 0; i < challenge; i++)
        add(stream, &(uint8_t){(uint8_t)(i + 1)}, 1);
}

/* As OpenSSL was seen to do: zeros before a short challenge, nothing of the end of a long one. */
static uint8_t v2_random_byte(size_t challenge, size_t at)
{
    if (challenge >= 32)
        return (uint8_t)(at + 1);
    return at + challenge < 32 ? 0 : (uint8_t)(at + challenge - 32 + 1);
}

static void an_sslv2_compatible_hello_is_caught(void **state)
{
    (void)state;
    for (size_t challenge = 0; challenge <= 60; challenge++) {
        struct bytes stream = {.length = 0};
        uint8_t random[32] = {0};
        struct hello hello;

        for (size_t at = 0; at < 32; at++)
            random[at] = v2_random_byte(challenge, at);
        add_v2_hello(&stream, challenge % 3 * 16, challenge);
        hello = fed(stream.at, stream.length - 1);
        assert_int_equal(hello_stage(&hello), HELLO_PARTIAL);
        assert_int_equal(hello_own_key(&hello), 0);
        assert_caught(&stream, random);
        add(&stream, usual()->bytes, usual()->length);
        assert_caught(&stream, random);
    }
}

static void what_only_looks_like_sslv2_hides_nothing(void **state)
{
    static const struct {
        size_t at;
        uint8_t byte;
    } changes[] = {{0, 0x81}, {0, 0}, {1, 0x20}, {2, 4}, {2, 22}, {3, 2}, {6, 7}, {8, 1}, {10, 22}};
    struct bytes empty = {.length = 0};

    (void)state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        struct bytes stream = {.length = 0};

        add_v2_hello(&stream, 0, 16);
        stream.at[changes[i].at] = changes[i].byte;
        assert_none(&stream);
        add(&stream, usual()->bytes, usual()->length);
        assert_caught(&stream, usual_random());
    }
    /* Its three lengths are 0. */
    ADD(&empty, "\200\11\1\3\3\0\0\0\0\0\0");
    add(&empty, usual()->bytes, usual()->length);
    assert_caught(&empty, usual_random());
    /* A real one may begin inside a header that was none. */
    for (size_t length = 1; length < 11; length++) {
        struct bytes stream = {.length = 0};

        add_v2_hello(&stream, 0, 16);
        stream.length = length;
        add(&stream, usual()->bytes, usual()->length);
        assert_caught(&stream, usual_random());
    }
}

static void sslv2_counts_at_the_start_only(void **state)
{
    static const char *const before[] = {"x", "\26x", "\200\56\2"};

    (void)state;
    for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
        struct bytes stream = {.length = 0};

        add(&stream, before[i], strlen(before[i]));
        add_v2_hello(&stream, 0, 16);
        assert_none(&stream);
    }
}

static void limits_are_those_of_the_standard(void **state)
{
    static const struct {
        const char *beginning;
        enum hello_stage stage;
    } examples[] = {
        {"\26\3\1\100\0\1\2\1\104\3\3", HELLO_RANDOM}, /* 16384 bytes in a record */
        {"\26\3\1\100\1\1\2\1\104\3\3", HELLO_NONE},   /* 16385 */
        {"\26\3\1\1\0\1\0\0\51\3\3", HELLO_RANDOM},    /* the shortest ClientHello */
        {"\26\3\1\1\0\1\0\0\50\3\3", HELLO_NONE},      /* a byte less */
        {"\26\3\1\1\0\1\2\377\377\3\3", HELLO_RANDOM}, /* a huge one */
        {"\26\3\1\1\0\1\3\1\1\3\3", HELLO_NONE},       /* larger than any server takes */
        {"\26\3\377\1\0\1\1\1\1\3\1", HELLO_RANDOM},   /* OpenSSL takes any 3.x here */
        {"\26\4\1\1\0\1\1\1\1\3\3", HELLO_NONE},       /* and nothing else */
        {"\26\3\1\1\0\1\1\1\1\377\377", HELLO_RANDOM}, /* a TLS of the future */
        {"\26\3\1\1\0\1\1\1\1\2\377", HELLO_NONE},     /* SSL 2 */
        {"\26\3\1\1\0\2\1\1\1\3\3", HELLO_NONE},       /* a ServerHello */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        struct bytes stream = {.length = 0};
        struct hello hello;

        add(&stream, examples[i].beginning, 11);
        ADD(&stream, "0123456789abcdef0123456789abcdef");
        hello = fed_in_pieces(stream.at, stream.length);
        assert_int_equal(hello_stage(&hello), examples[i].stage);
    }
}

static void nothing_replaces_a_known_random(void **state)
{
    const struct client_stream *other = stream_named("tls12");
    size_t lengths[] = {RANDOM_END, RANDOM_END + 1, usual()->hello - 1, usual()->hello};

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct bytes stream = {.length = 0};
        struct hello hello;

        add(&stream, usual()->bytes, lengths[i]);
        for (int times = 0; times < 3; times++)
            add(&stream, other->bytes, other->length);
        hello = fed_in_pieces(stream.at, stream.length);
        assert_true(hello_stage(&hello) >= HELLO_RANDOM);
        assert_true(hello_random_is(&hello, usual_random()));
        assert_false(hello_random_is(&hello, other->bytes + RANDOM_AT));
    }
}

static void a_message_that_is_cut_off_never_completes(void **state)
{
    struct bytes stream = {.length = 0};
    struct hello hello;

    (void)state;
    add_record(&stream, 22, usual()->bytes + 5, 50);
    ADD(&stream, "\27\3\3\0\1x");
    add_record(&stream, 22, usual()->bytes + 5 + 50, usual()->hello - 5 - 50);
    hello = fed_in_pieces(stream.at, stream.length);
    assert_int_equal(hello_stage(&hello), HELLO_RANDOM);
}

static void garbage_is_no_hello(void **state)
{
    static const char *const units[] = {"\26", "\26\3", "\26\3\1", "\26\3\1\1",
                                        "\26\3\3\26\3\1\26"};
    struct bytes stream;

    (void)state;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        stream.length = 0;
        while (stream.length < 500)
            add(&stream, units[i], strlen(units[i]));
        assert_none(&stream);
        add(&stream, usual()->bytes, usual()->length);
        assert_caught(&stream, usual_random());
    }
    srandom(1);
    for (int round = 0; round < 200; round++) {
        stream.length = 0;
        while (stream.length < 300) {
            uint8_t byte = (uint8_t)(random() % 3 == 0 ? "\26\3\1\0"[random() % 4] : random());

            add(&stream, &byte, 1);
        }
        fed_in_pieces(stream.at, stream.length);
    }
}

static void megabytes_of_text_do_not_matter(void **state)
{
    size_t length = (size_t)16 << 20;
    uint8_t *text = test_malloc(length);
    struct hello hello;

    (void)state;
    memset(text, 'x', length);
    hello = fed(text, length);
    assert_int_equal(hello_stage(&hello), HELLO_NONE);
    hello_feed(&hello, usual()->bytes, usual()->length);
    assert_true(hello_random_is(&hello, usual_random()));
    test_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_client_is_caught),
        cmocka_unit_test(stages_come_with_their_bytes),
        cmocka_unit_test(nothing_is_nothing),
        cmocka_unit_test(only_the_kept_half_is_compared),
        cmocka_unit_test(both_sides_have_the_same_key),
        cmocka_unit_test(plaintext_before_it_is_passed_over),
        cmocka_unit_test(a_broken_beginning_does_not_hide_it),
        cmocka_unit_test(any_fragmentation_is_put_together),
        cmocka_unit_test(a_broken_fragmentation_does_not_hide_it),
        cmocka_unit_test(it_may_begin_inside_a_broken_one),
        cmocka_unit_test(an_sslv2_compatible_hello_is_caught),
        cmocka_unit_test(what_only_looks_like_sslv2_hides_nothing),
        cmocka_unit_test(sslv2_counts_at_the_start_only),
        cmocka_unit_test(limits_are_those_of_the_standard),
        cmocka_unit_test(nothing_replaces_a_known_random),
        cmocka_unit_test(a_message_that_is_cut_off_never_completes),
        cmocka_unit_test(garbage_is_no_hello),
        cmocka_unit_test(megabytes_of_text_do_not_matter),
    };

    return cmocka_run_group_tests_name("hello", tests, NULL, NULL);
}
