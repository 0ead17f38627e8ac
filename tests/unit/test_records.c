/* How far a client's handshake is, by its records alone; in doubt it is finished. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/records.h"

#include "bytes.h"

struct follower {
    struct records records;
    struct hello hello;
};

static void feed(struct follower *follower, const uint8_t *bytes, size_t length, bool sent)
{
    records_feed(&follower->records, &follower->hello, bytes, length, sent);
}

/* The bytes from..to of a stream whose server sends its first byte after `before_server`. */
static void feed_part(struct follower *follower, const uint8_t *bytes, size_t from, size_t to,
                      size_t before_server)
{
    if (from < before_server) {
        size_t end = to < before_server ? to : before_server;

        feed(follower, bytes + from, end - from, false);
        from = end;
    }
    if (from < to)
        feed(follower, bytes + from, to - from, true);
}

/* Byte by byte, and in two pieces cut anywhere, the outcome is that of the whole. */
static enum records_progress fed_in_pieces(const uint8_t *bytes, size_t length,
                                           size_t before_server)
{
    struct follower whole = {0};
    struct follower single = {0};
    enum records_progress last = RECORDS_NOTHING;

    feed_part(&whole, bytes, 0, length, before_server);
    for (size_t cut = 0; cut < length; cut++) {
        struct follower halves = {0};

        feed_part(&halves, bytes, 0, cut, before_server);
        assert_memory_equal(&halves, &single, sizeof(single));
        feed_part(&halves, bytes, cut, length, before_server);
        assert_memory_equal(&halves, &whole, sizeof(whole));
        feed_part(&single, bytes, cut, cut + 1, before_server);
        assert_true(records_progress(&single.records) >= last);
        last = records_progress(&single.records);
    }
    assert_memory_equal(&single, &whole, sizeof(whole));
    assert_int_equal(records_bytes(&whole.records), length);
    return last;
}

static enum records_progress of(const struct bytes *stream, size_t before_server)
{
    return fed_in_pieces(stream->at, stream->length, before_server);
}

static enum records_progress after_hello(const struct bytes *rest)
{
    const struct client_stream *usual = stream_named("tls12");
    struct bytes stream = {.length = 0};

    add(&stream, usual->bytes, usual->hello);
    add(&stream, rest->at, rest->length);
    return of(&stream, usual->hello);
}

/* Where the follower says "finished"; for two streams it cannot but be too early. */
static size_t finished_at(const struct client_stream *stream)
{
    if (strcmp(stream->name, "tls13_early_data") == 0 ||
        strcmp(stream->name, "tls13_client_certificate") == 0) {
        assert_true(stream->first_data < stream->handshake);
        return stream->first_data;
    }
    return stream->handshake;
}

static void every_client_is_followed(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLIENT_STREAMS; i++) {
        const struct client_stream *stream = &client_streams[i];
        struct follower follower = {0};

        for (size_t length = 0; length <= stream->length; length++) {
            enum records_progress expected = length == 0                    ? RECORDS_NOTHING
                                             : length < stream->hello       ? RECORDS_PARTIAL_HELLO
                                             : length < finished_at(stream) ? RECORDS_HELLO
                                                                            : RECORDS_FINISHED;

            assert_int_equal(records_progress(&follower.records), expected);
            if (length < stream->length)
                feed_part(&follower, stream->bytes, length, length + 1, stream->before_server);
        }
        assert_int_equal(hello_stage(&follower.hello), HELLO_COMPLETE);
        assert_true(hello_random_is(&follower.hello, stream->bytes + 11));
        fed_in_pieces(stream->bytes, stream->length, stream->before_server);
    }
}

/* Whoever does not know whether the server has sent may say yes: a good client still finishes. */
static void a_doubtful_server_finishes_no_later(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLIENT_STREAMS; i++) {
        const struct client_stream *stream = &client_streams[i];

        assert_int_equal(fed_in_pieces(stream->bytes, finished_at(stream), 0), RECORDS_FINISHED);
    }
}

static void what_comes_after_the_finish_changes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLIENT_STREAMS; i++) {
        const struct client_stream *stream = &client_streams[i];
        struct bytes longer = {.length = 0};

        add(&longer, stream->bytes, stream->handshake);
        ADD(&longer, "no record at all, \26\3\1\0\1\1\26\3\1");
        add(&longer, stream->bytes, stream->length);
        assert_int_equal(of(&longer, stream->before_server), RECORDS_FINISHED);
    }
}

/* A whole ClientHello, in a record. */
static void add_usual(struct bytes *to)
{
    const struct client_stream *usual = stream_named("tls13");

    add(to, usual->bytes, usual->hello);
}

static enum hello_stage stage_of(const struct bytes *stream, bool server_has_sent)
{
    struct follower follower = {0};

    fed_in_pieces(stream->at, stream->length, SIZE_MAX);
    feed(&follower, stream->at, stream->length, false);
    return records_hello_stage(&follower.records, &follower.hello, server_has_sent);
}

static void a_hello_is_complete_as_it_was(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLIENT_STREAMS; i++) {
        const struct client_stream *stream = &client_streams[i];
        struct follower follower = {0};

        for (size_t length = 0; length <= stream->length; length++) {
            assert_int_equal(records_hello_stage(&follower.records, &follower.hello, false),
                             hello_stage(&follower.hello));
            if (length < stream->length)
                feed_part(&follower, stream->bytes, length, length + 1, stream->before_server);
        }
    }
}

/* What a TLS library reads these bytes as has not ended, whatever lies in them. */
static void a_hello_where_no_library_looks_is_not_complete(void **state)
{
    static const struct {
        const char *beginning;
        size_t length;
    } decoys[] = {
#define DECOY(literal) {literal, sizeof(literal) - 1}
        DECOY("\26\3\1\100\0\1\0\0\5"),                  /* a record that goes on */
        DECOY("\26\3\1\100\0\2\0\0\5"),                  /* ... of no ClientHello */
        DECOY("\25\3\1\100\0"),                          /* ... of no handshake */
        DECOY("G\3\1\100\0"),                            /* ... of no known type */
        DECOY("\26\3\1\110\0"),                          /* ... as long as one can be */
        DECOY("\277\3\3\100\0"),                         /* ... but for a bit one of SSL 2 */
        DECOY("\277\360\1\3\3\0\0\0\0\0\0"),             /* one of SSL 2 */
        DECOY("\26\3\1\0\6\1\0\47\20\2\0"),              /* a message that goes on */
        DECOY("\25\3\1\0\2\1\132\26\3\1\100\0\1\0\0\5"), /* after an alert */
        DECOY("\25\3\1\0\2\1\132\277\3\1\100\0"),
        DECOY("\26\3\1\0\4\1\0\0\5\26\3\1\100\0"),
        DECOY("\26\3\1\0\0\26\3\1\100\0"),
        DECOY("\277\377\0\0\0"),                   /* GnuTLS takes any such bit for SSL 2 */
        DECOY("\26\0\0\77\377"),                   /* wolfSSL takes any version */
        DECOY("\27\0\0\77\377"),                   /* ... and type */
        DECOY("\26\3\1\110\1"),                    /* too long for a record */
        DECOY("\26\3\1\0\4\0\0\0\0\27\3\3\100\0"), /* after a message of another type */
        DECOY("\26\3\1\0\4\1\3\0\0"),              /* after one that is too long */
#undef DECOY
    };
    struct bytes whole = {.length = 0};

    (void)state;
    for (size_t i = 0; i < sizeof(decoys) / sizeof(decoys[0]); i++) {
        struct bytes stream = {.length = 0};

        add(&stream, decoys[i].beginning, decoys[i].length);
        add_usual(&stream);
        if (stage_of(&stream, false) != HELLO_RANDOM)
            fail_msg("decoy %zu: stage %d", i, stage_of(&stream, false));
    }
    /* The message is there, its record goes on. */
    add_usual(&whole);
    whole.at[3] = 0x3f;
    assert_int_equal(stage_of(&whole, false), HELLO_RANDOM);
}

/* All that a library waits for is there: it is the server's turn, if only to say what is wrong. */
static void a_hello_where_a_library_looks_is_complete(void **state)
{
    static const struct {
        const char *beginning;
        size_t length;
    } prefixes[] = {
#define PREFIX(literal) {literal, sizeof(literal) - 1}
        PREFIX("\25\3\1\0\2\1\132"), /* an alert: OpenSSL passes it over */
        PREFIX("\26\3\1\0\0"),       /* an empty record */
#undef PREFIX
    };

    (void)state;
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        struct bytes stream = {.length = 0};

        add(&stream, prefixes[i].beginning, prefixes[i].length);
        add_usual(&stream);
        assert_int_equal(stage_of(&stream, false), HELLO_COMPLETE);
    }
}

#define BLOCK "\r\n\r\n\0\r\nQUIT\n"

static const struct {
    const char *at;
    size_t length;
} proxy_headers[] = {
#define HEADER(literal)                                                                            \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }
    HEADER("PROXY TCP4 192.0.2.1 192.0.2.2 5635 443\r\n"),
    HEADER("PROXY UNKNOWN\r\n"),
    HEADER("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
           "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
    HEADER(BLOCK "\40\0\0\0"),
    HEADER(BLOCK "\41\21\0\14\26\3\1\100\26\3\1\1\26\3\1\273"),
    HEADER(BLOCK "\41\21\0\14\300\0\2\1\300\0\2\2\26\3\1\26"),
#undef HEADER
};

static void a_proxy_header_is_passed_over(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(proxy_headers) / sizeof(proxy_headers[0]); i++) {
        const struct client_stream *usual = stream_named("tls12");
        struct bytes stream = {.length = 0};
        size_t before;

        add(&stream, proxy_headers[i].at, proxy_headers[i].length);
        assert_int_equal(of(&stream, SIZE_MAX), RECORDS_NOTHING);
        before = stream.length + usual->before_server;
        add(&stream, usual->bytes, usual->hello - 1);
        assert_int_equal(of(&stream, before), RECORDS_PARTIAL_HELLO);
        add(&stream, usual->bytes + usual->hello - 1, 1);
        assert_int_equal(of(&stream, before), RECORDS_HELLO);
        assert_int_equal(stage_of(&stream, false), HELLO_COMPLETE);
        add(&stream, usual->bytes + usual->hello, usual->handshake - usual->hello);
        assert_int_equal(of(&stream, before), RECORDS_FINISHED);
    }
}

static void a_hello_inside_of_a_proxy_header_is_forgotten(void **state)
{
    struct bytes stream = {.length = 0};
    size_t header;

    (void)state;
    ADD(&stream, BLOCK "\41\21");
    ADD(&stream, "\0\0");
    add_usual(&stream);
    stream.at[14] = (uint8_t)((stream.length - 16) >> 8);
    stream.at[15] = (uint8_t)(stream.length - 16);
    assert_int_equal(stage_of(&stream, true), HELLO_NONE);
    header = stream.length--;
    assert_int_equal(stage_of(&stream, false), HELLO_RANDOM);
    stream.length = header;
    add_usual(&stream);
    assert_int_equal(stage_of(&stream, false), HELLO_COMPLETE);
}

/* The records behind it are followed, so no ClientHello can be hidden there either. */
static void a_hello_that_is_hidden_behind_a_proxy_header_is_not_complete(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(proxy_headers) / sizeof(proxy_headers[0]); i++) {
        struct bytes stream = {.length = 0};

        add(&stream, proxy_headers[i].at, proxy_headers[i].length);
        ADD(&stream, "\26\3\1\77\377\0\0\0\0");
        add_usual(&stream);
        assert_int_not_equal(stage_of(&stream, false), HELLO_COMPLETE);
    }
}

static void what_is_no_proxy_header_is_not_passed_over(void **state)
{
    static const struct {
        const char *at;
        size_t length;
    } beginnings[] = {
#define BEGINNING(literal) {literal, sizeof(literal) - 1}
        BEGINNING("PROXY\r\n"),
        BEGINNING("POST / HTTP/1.1\r\n"),
        BEGINNING(
            "PROXY one more byte than the longest line that there may be, of which one cannot say "
            "what it is, but long 34\r\n"),
        BEGINNING("\r\nQUIT\r\n"),
        BEGINNING("\r\n\r\n\0\r\nQUIT\r\41\21\0\0"),
#undef BEGINNING
    };

    (void)state;
    for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
        struct bytes stream = {.length = 0};

        add(&stream, beginnings[i].at, beginnings[i].length);
        assert_int_equal(of(&stream, 0), RECORDS_NOT_TLS);
        add_usual(&stream);
        assert_int_equal(of(&stream, 0), RECORDS_NOT_TLS);
        assert_int_equal(stage_of(&stream, true), HELLO_COMPLETE);
    }
}

/* It counts where the server has answered what came before. */
static void a_hello_after_plaintext_waits_for_no_first_answer(void **state)
{
    static const struct {
        const char *beginning;
        size_t length;
    } phases[] = {
#define PHASE(literal) {literal, sizeof(literal) - 1}
        PHASE("EHLO client.example\r\nSTARTTLS\r\n"),
        PHASE("\0\0\0\10\4\322\26\57"), /* PostgreSQL's SSLRequest */
        PHASE("\26\2\1\100\0"),
#undef PHASE
    };

    (void)state;
    for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
        struct bytes stream = {.length = 0};

        add(&stream, phases[i].beginning, phases[i].length);
        add_usual(&stream);
        assert_int_equal(stage_of(&stream, false), HELLO_RANDOM);
        assert_int_equal(stage_of(&stream, true), HELLO_COMPLETE);
    }
}

static void a_hello_of_ssl_2_is_complete_with_its_record(void **state)
{
    struct bytes stream = {.length = 0};

    (void)state;
    ADD(&stream, "\200\37\1\3\3\0\6\0\0\0\20\0\0\234\0\0\57");
    ADD(&stream, "0123456789abcde");
    assert_int_equal(stage_of(&stream, false), HELLO_PARTIAL);
    ADD(&stream, "f");
    assert_int_equal(stage_of(&stream, false), HELLO_COMPLETE);
}

static void a_plaintext_beginning_is_not_followed(void **state)
{
    const struct client_stream *usual = stream_named("tls13");
    struct follower follower = {0};
    struct bytes stream = {.length = 0};

    (void)state;
    ADD(&stream, "EHLO client.example\r\nSTARTTLS\r\n");
    add(&stream, usual->bytes, usual->length);
    assert_int_equal(of(&stream, 0), RECORDS_NOT_TLS);

    feed(&follower, stream.at, stream.length, true);
    assert_true(hello_random_is(&follower.hello, usual->bytes + 11));
}

static void what_is_no_client_hello_is_not_followed(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
    } beginnings[] = {
#define BEGINNING(literal) {literal, sizeof(literal) - 1}
        BEGINNING("\0"),
        BEGINNING("G"),
        BEGINNING("\25\3\1\0\2\2\50"),            /* an alert */
        BEGINNING("\24\3\3\0\1\1"),               /* a ChangeCipherSpec */
        BEGINNING("\27\3\3\0\1x"),                /* application data */
        BEGINNING("\26\2\1"),                     /* no version 3.x */
        BEGINNING("\26\3\1\0\5\2"),               /* a ServerHello */
        BEGINNING("\26\3\1\1\0\1\0\1\0\2\26"),    /* a version 2 */
        BEGINNING("\26\3\1\110\1"),               /* longer than any record */
        BEGINNING("\26\3\1\0\1\1\27"),            /* application data inside the ClientHello */
        BEGINNING("\200\56\1\3\3\0\25\0\0\0\20"), /* an SSLv2-compatible ClientHello */
#undef BEGINNING
    };

    (void)state;
    for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
        const uint8_t *bytes = (const uint8_t *)beginnings[i].bytes;

        if (beginnings[i].length > 1)
            assert_int_not_equal(fed_in_pieces(bytes, 0, 0), RECORDS_NOT_TLS);
        assert_int_equal(fed_in_pieces(bytes, beginnings[i].length, 0), RECORDS_NOT_TLS);
    }
}

static void a_fragmented_hello_is_followed(void **state)
{
    const struct client_stream *usual = stream_named("tls13");

    (void)state;
    for (size_t piece = 1; piece < 60; piece++) {
        struct bytes stream = {.length = 0};
        size_t hello;

        ADD(&stream, "\26\3\1\0\0");
        add_fragmented(&stream, usual->bytes + 5, usual->hello - 5, piece);
        hello = stream.length;
        assert_int_equal(fed_in_pieces(stream.at, hello - 1, hello), RECORDS_PARTIAL_HELLO);
        assert_int_equal(of(&stream, hello), RECORDS_HELLO);
        add(&stream, usual->bytes + usual->hello, usual->handshake - usual->hello);
        assert_int_equal(of(&stream, hello), RECORDS_FINISHED);
    }
}

static size_t payload_at(const struct client_stream *stream, size_t record)
{
    return (size_t)stream->bytes[record + 3] << 8 | stream->bytes[record + 4];
}

/* Where the record of the second hello begins, behind the ChangeCipherSpec. */
static size_t second_hello(const struct client_stream *retry)
{
    size_t record = retry->before_server + 5 + payload_at(retry, retry->before_server);

    assert_int_equal(retry->bytes[retry->before_server], 20);
    assert_int_equal(retry->bytes[record], 22);
    return record;
}

/* A client that answers a HelloRetryRequest and then stalls, however it cuts its second hello. */
static void a_second_hello_is_no_finish(void **state)
{
    const struct client_stream *retry = stream_named("tls13_retry");
    size_t second = second_hello(retry);
    size_t length = payload_at(retry, second);
    size_t rest = second + 5 + length;

    (void)state;
    for (size_t piece = 1; piece < 60; piece++) {
        struct bytes stream = {.length = 0};

        add(&stream, retry->bytes, second);
        add_fragmented(&stream, retry->bytes + second + 5, length, piece);
        assert_int_equal(of(&stream, retry->before_server), RECORDS_HELLO);
        add_record(&stream, 20, "\1", 1);
        add_record(&stream, 22, "and more of the same", 20);
        assert_int_equal(of(&stream, retry->before_server), RECORDS_HELLO);
        add(&stream, retry->bytes + rest, retry->handshake - rest);
        assert_int_equal(of(&stream, retry->before_server), RECORDS_FINISHED);
    }
}

/* One byte of a second hello changed: now it is a Finished that looks a little like one. */
static void another_message_is_no_second_hello(void **state)
{
    static const struct {
        size_t at; /* in the message */
        uint8_t byte;
    } changes[] = {{0, 20}, {0, 0}, {1, 3}, {4, 2}, {22, 0}, {37, 0}};
    const struct client_stream *retry = stream_named("tls13_retry");
    size_t second = second_hello(retry);

    (void)state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        struct bytes stream = {.length = 0};
        uint8_t *changed = stream.at + second + 5 + changes[i].at;

        add(&stream, retry->bytes, second + 5 + payload_at(retry, second));
        assert_int_equal(of(&stream, retry->before_server), RECORDS_HELLO);
        *changed = changes[i].byte != 0 ? changes[i].byte : (uint8_t) ~*changed;
        assert_int_equal(of(&stream, retry->before_server), RECORDS_FINISHED);
        stream.length -= 1; /* its record is not complete */
        assert_int_equal(of(&stream, retry->before_server), RECORDS_HELLO);
    }
}

static void a_hello_that_is_cut_off_is_lost(void **state)
{
    const struct client_stream *usual = stream_named("tls13");
    struct bytes stream = {.length = 0};

    (void)state;
    add_record(&stream, 22, usual->bytes + 5, 50);
    assert_int_equal(of(&stream, stream.length), RECORDS_PARTIAL_HELLO);
    add_record(&stream, 23, "x", 1);
    assert_int_equal(of(&stream, stream.length), RECORDS_NOT_TLS);
}

static void clients_that_stall_are_not_finished(void **state)
{
    struct bytes rest = {.length = 0};

    (void)state;
    assert_int_equal(after_hello(&rest), RECORDS_HELLO);
    add_record(&rest, 22, "\20\0\0\41ClientKeyExchange", 21);
    assert_int_equal(after_hello(&rest), RECORDS_HELLO);
    add_record(&rest, 20, "\1", 1);
    assert_int_equal(after_hello(&rest), RECORDS_HELLO);
    add_record(&rest, 20, "\1", 1);
    add_record(&rest, 21, "\1\0", 2);
    add_record(&rest, 22, "", 0);
    assert_int_equal(after_hello(&rest), RECORDS_HELLO);
    ADD(&rest, "\26\3\3\0\50the Finished without its last byte.....");
    assert_int_equal(after_hello(&rest), RECORDS_HELLO);
    ADD(&rest, ".");
    assert_int_equal(after_hello(&rest), RECORDS_FINISHED);
}

static void alerts_are_no_progress(void **state)
{
    struct bytes rest = {.length = 0};

    (void)state;
    for (int times = 0; times < 10; times++)
        add_record(&rest, 21, "\1\132", 2);
    assert_int_equal(after_hello(&rest), RECORDS_HELLO);
}

static void application_data_counts_once_the_server_has_sent(void **state)
{
    const struct client_stream *usual = stream_named("tls13");
    struct bytes stream = {.length = 0};
    size_t begun;

    (void)state;
    add(&stream, usual->bytes, usual->hello);
    add_record(&stream, 23, "0-RTT data", 10);
    begun = stream.length;
    add_record(&stream, 23, "more of it", 10);
    assert_int_equal(of(&stream, stream.length), RECORDS_HELLO);
    /* Its header came before the server sent, its payload after. */
    assert_int_equal(of(&stream, begun + 5), RECORDS_HELLO);
    assert_int_equal(of(&stream, begun + 1), RECORDS_HELLO);
    assert_int_equal(of(&stream, begun), RECORDS_FINISHED);
}

static void what_is_no_record_of_a_handshake_is_lost(void **state)
{
    static const char *const headers[] = {
        "\30\3\3\0\1", /* a heartbeat */
        "\23\3\3\0\1", "\0\3\3\0\1",    "\27\2\3\0\1",
        "\27\4\3\0\1", "\27\3\3\110\1", /* 18433 bytes */
    };
    struct bytes rest;

    (void)state;
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        rest.length = 0;
        add(&rest, headers[i], 5);
        assert_int_equal(after_hello(&rest), RECORDS_NOT_TLS);
        add_record(&rest, 23, "x", 1);
        assert_int_equal(after_hello(&rest), RECORDS_NOT_TLS);
    }
    rest.length = 0;
    ADD(&rest, "\27\3\3\110\0"); /* 18432 bytes */
    assert_int_equal(after_hello(&rest), RECORDS_HELLO);
}

static void nothing_is_nothing(void **state)
{
    struct follower follower = {0};

    (void)state;
    feed(&follower, NULL, 0, true);
    assert_int_equal(records_progress(&follower.records), RECORDS_NOTHING);
    assert_int_equal(records_bytes(&follower.records), 0);
}

static void a_server_is_known_by_its_first_bytes(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        bool expected;
    } examples[] = {
        {"\26\3\3\0\172\2", 6, true},
        {"\26\3\3\0\172\2\0\0\166\3\3", 11, true},
        {"\26\3\3\0\172", 5, false},
        {"", 0, false},
        {"\26\3\3\0\172\1", 6, false}, /* a ClientHello */
        {"\26\3\3\0\0\2", 6, false},
        {"\26\3\3\177\0\2", 6, false},
        {"\26\2\3\0\172\2", 6, false},
        {"\25\3\3\0\2\2\50", 7, true},
        {"\25\3\1\0\2\1\0", 7, true},
        {"\25\3\1\0\2\3\0", 7, false},
        {"\25\3\1\0\32\2\0", 7, false}, /* an encrypted alert cannot come first */
        {"\27\3\3\0\2\2", 6, false},
        {"220 mail.example ESMTP", 22, false},
        {"SN", 2, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        const uint8_t *bytes = (const uint8_t *)examples[i].bytes;

        assert_int_equal(records_is_server_hello(bytes, examples[i].length), examples[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_client_is_followed),
        cmocka_unit_test(a_doubtful_server_finishes_no_later),
        cmocka_unit_test(what_comes_after_the_finish_changes_nothing),
        cmocka_unit_test(a_hello_is_complete_as_it_was),
        cmocka_unit_test(a_hello_where_no_library_looks_is_not_complete),
        cmocka_unit_test(a_hello_where_a_library_looks_is_complete),
        cmocka_unit_test(a_proxy_header_is_passed_over),
        cmocka_unit_test(a_hello_inside_of_a_proxy_header_is_forgotten),
        cmocka_unit_test(a_hello_that_is_hidden_behind_a_proxy_header_is_not_complete),
        cmocka_unit_test(what_is_no_proxy_header_is_not_passed_over),
        cmocka_unit_test(a_hello_after_plaintext_waits_for_no_first_answer),
        cmocka_unit_test(a_hello_of_ssl_2_is_complete_with_its_record),
        cmocka_unit_test(a_plaintext_beginning_is_not_followed),
        cmocka_unit_test(what_is_no_client_hello_is_not_followed),
        cmocka_unit_test(a_fragmented_hello_is_followed),
        cmocka_unit_test(a_second_hello_is_no_finish),
        cmocka_unit_test(another_message_is_no_second_hello),
        cmocka_unit_test(a_hello_that_is_cut_off_is_lost),
        cmocka_unit_test(clients_that_stall_are_not_finished),
        cmocka_unit_test(alerts_are_no_progress),
        cmocka_unit_test(application_data_counts_once_the_server_has_sent),
        cmocka_unit_test(what_is_no_record_of_a_handshake_is_lost),
        cmocka_unit_test(nothing_is_nothing),
        cmocka_unit_test(a_server_is_known_by_its_first_bytes),
    };

    return cmocka_run_group_tests_name("records", tests, NULL, NULL);
}
