#include "wire/records.h"

/* What a proxy says of the client, in front of the client's own bytes. */
enum proxy {
    PROXY_POSSIBLE, /* before the first byte of the stream */
    PROXY_LINE,     /* version 1: a line */
    PROXY_BLOCK,    /* version 2: a signature, a version, a family, a length, and so many bytes */
    PROXY_OVER
};

enum phase {
    HELLO,          /* up to the end of the first ClientHello */
    FLIGHT,         /* after it, no ChangeCipherSpec yet */
    CHANGED,        /* after a ChangeCipherSpec: Finished or a second ClientHello comes next */
    FINISHED_BEGUN, /* inside the record that cannot be a second ClientHello */
    RETRIED,        /* after a second ClientHello: this is TLS 1.3, only type 23 can finish */
    FINISHED,
    ODD, /* records so far, but not those of a handshake */
    NOT_TLS
};

/* The client's first message, as far as its own length goes. */
enum message {
    MESSAGE_BODY = 4, /* after so many bytes of its header */
    MESSAGE_WHOLE,    /* the record that it ends in may go on */
    MESSAGE_TAKEN,    /* nothing keeps a TLS library from looking at it */
    MESSAGE_OTHER     /* it is no ClientHello */
};

enum {
    TYPE_CHANGE_CIPHER_SPEC = 20,
    TYPE_ALERT = 21,
    TYPE_HANDSHAKE = 22,
    TYPE_APPLICATION_DATA = 23,
    VERSION_MAJOR = 3,
    RECORD_HEADER = 5,
    V2_LENGTH_BIT = 0x80,       /* of an SSLv2 record header, RFC 5246 appendix E.2 */
    PAYLOAD_MAX = 16384 + 2048, /* RFC 5246 section 6.2.3 */
    CLIENT_HELLO = 1,
    SERVER_HELLO = 2,
    ALERT_LENGTH = 2,
    ALERT_WARNING = 1,
    ALERT_FATAL = 2,
    HELLO_MAX_HIGH = 2, /* of the 24-bit length, as in hello.c */
    RANDOM_AT = 4 + 2,
    RANDOM_END = RANDOM_AT + 32,
    PROXY_LINE_MAX = 107,
    PROXY_SIGNATURE = 12,
    PROXY_LENGTH_AT = 14,
    PROXY_BLOCK_HEADER = 16
};

static const uint8_t proxy_line[] = {'P', 'R', 'O', 'X', 'Y', ' '};
static const uint8_t proxy_signature[PROXY_SIGNATURE] = {'\r', '\n', '\r', '\n', 0,   '\r',
                                                         '\n', 'Q',  'U',  'I',  'T', '\n'};

static bool in_proxy_header(const struct records *records)
{
    return records->proxy == PROXY_LINE || records->proxy == PROXY_BLOCK;
}

static void begin_stream(struct records *records, uint8_t byte)
{
    if (byte == proxy_line[0]) {
        records->proxy = PROXY_LINE;
    } else if (byte == proxy_signature[0]) {
        records->proxy = PROXY_BLOCK;
    } else {
        records->proxy = PROXY_OVER;
    }
}

/* The records begin behind it, as if nothing had been before. */
static void end_proxy_header(struct records *records, struct hello *hello)
{
    *records = (struct records){.bytes = records->bytes, .proxy = PROXY_OVER};
    *hello = (struct hello){0};
}

/* False: it is no PROXY header. */
static bool take_line_byte(struct records *records, struct hello *hello, uint8_t byte)
{
    unsigned at = records->second++;

    if (at < sizeof(proxy_line)) {
        return byte == proxy_line[at];
    }
    if (records->type == '\r' && byte == '\n') {
        end_proxy_header(records, hello);
        return true;
    }
    records->type = byte;
    return records->second < PROXY_LINE_MAX;
}

static bool take_block(struct records *records, struct hello *hello, const uint8_t *bytes,
                       size_t length)
{
    unsigned at = records->second;

    if (at < PROXY_SIGNATURE && bytes[0] != proxy_signature[at]) {
        return false;
    }
    if (at < PROXY_BLOCK_HEADER) {
        records->second++;
        if (at >= PROXY_LENGTH_AT) {
            records->left = (uint16_t)(records->left << 8 | bytes[0]);
        }
    } else {
        records->left = (uint16_t)(records->left - length);
    }
    if (records->second == PROXY_BLOCK_HEADER && records->left == 0) {
        end_proxy_header(records, hello);
    }
    return true;
}

static bool take_proxy_header(struct records *records, struct hello *hello, const uint8_t *bytes,
                              size_t length)
{
    return records->proxy == PROXY_LINE ? take_line_byte(records, hello, bytes[0])
                                        : take_block(records, hello, bytes, length);
}

static bool type_fits(const struct records *records, uint8_t type)
{
    if (records->phase == ODD) {
        return true;
    }
    if (records->phase == HELLO) {
        return type == TYPE_HANDSHAKE;
    }
    return type >= TYPE_CHANGE_CIPHER_SPEC && type <= TYPE_APPLICATION_DATA;
}

static bool may_be_v2(const struct records *records)
{
    return !records->later && (records->type & V2_LENGTH_BIT) != 0;
}

/* OpenSSL takes such a record at the start only. It waits for all of it before it looks inside. */
static void take_v2_header(struct records *records)
{
    records->left = (uint16_t)((records->type & ~V2_LENGTH_BIT) << 8 | records->left);
    records->left = (uint16_t)(records->left - (records->left > 0));
    records->header = RECORD_HEADER;
    records->message = MESSAGE_WHOLE;
}

/* False: this is no record. */
static bool take_header_byte(struct records *records, uint8_t byte, bool server_has_sent)
{
    switch (records->header++) {
    case 0:
        records->type = byte;
        records->after_server = server_has_sent;
        return true;
    case 1:
        records->left = byte;
        return byte == VERSION_MAJOR || may_be_v2(records);
    case 2:
        if (may_be_v2(records) && byte == CLIENT_HELLO) {
            take_v2_header(records);
            return true;
        }
        return records->left == VERSION_MAJOR;
    case 3:
        records->left = (uint16_t)(byte << 8);
        return true;
    default:
        records->left = (uint16_t)(records->left | byte);
        return records->left <= PAYLOAD_MAX;
    }
}

/* Whatever is wrong with a ClientHello, a TLS library says so when it has all of it. What is of
 * another type, or of a length that none has, is no ClientHello that waits for its answer. */
static size_t take_message_header(struct records *records, const uint8_t *bytes, size_t length)
{
    size_t at = 0;

    for (; at < length && records->message < MESSAGE_BODY; at++, records->message++) {
        if ((records->message == 0 && bytes[at] != CLIENT_HELLO) ||
            (records->message == 1 && bytes[at] > HELLO_MAX_HIGH)) {
            records->message = MESSAGE_OTHER;
            break;
        }
        records->body_left =
            records->message == 0 ? 0 : ((uint32_t)records->body_left << 8 | bytes[at]) & 0x3ffffU;
    }
    return at;
}

static void follow_message(struct records *records, const uint8_t *bytes, size_t length)
{
    size_t at = take_message_header(records, bytes, length);
    size_t rest = length - at < records->body_left ? length - at : records->body_left;

    if (records->message != MESSAGE_BODY) {
        return;
    }
    records->body_left = (records->body_left - (uint32_t)rest) & 0x3ffffU;
    if (records->body_left == 0) {
        records->message = MESSAGE_WHOLE;
    }
}

static bool second_hello_fits(const struct hello *hello, unsigned at, uint8_t byte)
{
    switch (at) {
    case 0:
        return byte == CLIENT_HELLO;
    case 1:
        return byte <= HELLO_MAX_HIGH;
    case 4:
        return byte >= VERSION_MAJOR;
    default:
        return at < RANDOM_AT || hello_random_has(hello, at - RANDOM_AT, byte);
    }
}

/* A handshake record after ChangeCipherSpec: encrypted bytes, or a second ClientHello. */
static void look_for_second_hello(struct records *records, const struct hello *hello,
                                  const uint8_t *bytes, size_t length)
{
    for (size_t at = 0; at < length && records->phase == CHANGED; at++) {
        if (!second_hello_fits(hello, records->second, bytes[at])) {
            records->phase = FINISHED_BEGUN;
        } else if (++records->second == RANDOM_END) {
            records->phase = RETRIED;
        }
    }
}

static void record_complete(struct records *records)
{
    bool data = records->type == TYPE_APPLICATION_DATA && records->after_server;

    records->header = 0;
    records->later = 1;
    if (records->message == MESSAGE_WHOLE) {
        records->message = MESSAGE_TAKEN;
    }
    if (records->phase == ODD) {
        return;
    }
    if (data || records->phase == FINISHED_BEGUN) {
        records->phase = FINISHED;
    } else if (records->type == TYPE_CHANGE_CIPHER_SPEC && records->phase == FLIGHT) {
        records->phase = CHANGED;
    }
}

/* Whether the next byte is looked at by itself. */
static bool goes_byte_by_byte(const struct records *records, const struct hello *hello)
{
    if (in_proxy_header(records)) {
        return records->proxy == PROXY_LINE || records->second < PROXY_BLOCK_HEADER;
    }
    return records->header < RECORD_HEADER ||
           (records->phase == HELLO && hello_stage(hello) < HELLO_RANDOM);
}

/* How many of the next bytes can be taken at once. */
static size_t step_length(const struct records *records, const struct hello *hello, size_t length)
{
    if (goes_byte_by_byte(records, hello)) {
        return 1;
    }
    return length < records->left ? length : records->left;
}

/* The handshake cannot be followed. Up to the end of its first message the records still are. */
static void lose_track(struct records *records)
{
    records->phase = records->message != MESSAGE_TAKEN ? ODD : NOT_TLS;
}

/* False: these are no records. */
static bool take_step(struct records *records, struct hello *hello, const uint8_t *bytes,
                      size_t length, bool server_has_sent)
{
    if (records->proxy == PROXY_POSSIBLE) {
        begin_stream(records, bytes[0]);
    }
    if (in_proxy_header(records)) {
        return take_proxy_header(records, hello, bytes, length);
    }
    if (records->header < RECORD_HEADER) {
        if (!take_header_byte(records, bytes[0], server_has_sent)) {
            return false;
        }
        if (!type_fits(records, records->type)) {
            lose_track(records);
        }
    } else {
        records->left = (uint16_t)(records->left - length);
        if (records->type == TYPE_HANDSHAKE && records->message <= MESSAGE_BODY) {
            follow_message(records, bytes, length);
        }
        if (records->phase == CHANGED && records->type == TYPE_HANDSHAKE) {
            look_for_second_hello(records, hello, bytes, length);
        }
    }
    if (records->phase == HELLO) {
        if (hello_stage(hello) == HELLO_NONE) {
            lose_track(records);
        } else if (hello_stage(hello) == HELLO_COMPLETE) {
            records->phase = FLIGHT;
        }
    }
    if (records->header == RECORD_HEADER && records->left == 0) {
        record_complete(records);
    }
    return true;
}

static bool is_followed(const struct records *records)
{
    return records->phase == ODD ? records->message != MESSAGE_TAKEN
                                 : records_progress(records) < RECORDS_FINISHED;
}

void records_feed(struct records *records, struct hello *hello, const uint8_t *bytes, size_t length,
                  bool server_has_sent)
{
    size_t at = 0;

    records->bytes += length;
    while (at < length && is_followed(records)) {
        size_t step = step_length(records, hello, length - at);

        hello_feed(hello, bytes + at, step);
        if (!take_step(records, hello, bytes + at, step, server_has_sent)) {
            records->phase = NOT_TLS;
        }
        at += step;
    }
    if (at < length) {
        hello_feed(hello, bytes + at, length - at);
    }
}

enum records_progress records_progress(const struct records *records)
{
    switch ((enum phase)records->phase) {
    case HELLO:
        return records->header == 0 && !records->later ? RECORDS_NOTHING : RECORDS_PARTIAL_HELLO;
    case FLIGHT:
    case CHANGED:
    case FINISHED_BEGUN:
    case RETRIED:
        return RECORDS_HELLO;
    case FINISHED:
        return RECORDS_FINISHED;
    case ODD:
    case NOT_TLS:
        break;
    }
    return RECORDS_NOT_TLS;
}

enum hello_stage records_hello_stage(const struct records *records, const struct hello *hello,
                                     bool server_has_sent)
{
    enum hello_stage stage = hello_stage(hello);
    bool after_plaintext = records->phase == NOT_TLS && server_has_sent;

    return stage == HELLO_COMPLETE && records->message != MESSAGE_TAKEN && !after_plaintext
               ? HELLO_RANDOM
               : stage;
}

uint64_t records_bytes(const struct records *records)
{
    return records->bytes;
}

bool records_is_server_hello(const uint8_t *bytes, size_t length)
{
    if (length <= RECORD_HEADER || bytes[1] != VERSION_MAJOR) {
        return false;
    }
    unsigned payload = (unsigned)bytes[3] << 8 | bytes[4];

    if (bytes[0] == TYPE_ALERT) {
        return payload == ALERT_LENGTH && (bytes[5] == ALERT_WARNING || bytes[5] == ALERT_FATAL);
    }
    return bytes[0] == TYPE_HANDSHAKE && payload > 0 && payload <= PAYLOAD_MAX &&
           bytes[5] == SERVER_HELLO;
}
