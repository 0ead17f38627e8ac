#include "wire/records.h"

enum phase {
    HELLO,          /* up to the end of the first ClientHello */
    FLIGHT,         /* after it, no ChangeCipherSpec yet */
    CHANGED,        /* after a ChangeCipherSpec: Finished or a second ClientHello comes next */
    FINISHED_BEGUN, /* inside the record that cannot be a second ClientHello */
    RETRIED,        /* after a second ClientHello: this is TLS 1.3, only type 23 can finish */
    FINISHED,
    NOT_TLS
};

enum {
    TYPE_CHANGE_CIPHER_SPEC = 20,
    TYPE_ALERT = 21,
    TYPE_HANDSHAKE = 22,
    TYPE_APPLICATION_DATA = 23,
    VERSION_MAJOR = 3,
    RECORD_HEADER = 5,
    PAYLOAD_MAX = 16384 + 2048, /* RFC 5246 section 6.2.3 */
    CLIENT_HELLO = 1,
    SERVER_HELLO = 2,
    ALERT_LENGTH = 2,
    ALERT_WARNING = 1,
    ALERT_FATAL = 2,
    HELLO_MAX_HIGH = 2, /* of the 24-bit length, as in hello.c */
    RANDOM_AT = 4 + 2,
    RANDOM_END = RANDOM_AT + 32
};

static bool type_fits(const struct records *records, uint8_t type)
{
    if (records->phase == HELLO) {
        return type == TYPE_HANDSHAKE;
    }
    return type >= TYPE_CHANGE_CIPHER_SPEC && type <= TYPE_APPLICATION_DATA;
}

/* False: this is no record of a TLS handshake. */
static bool take_header_byte(struct records *records, uint8_t byte, bool server_has_sent)
{
    switch (records->header++) {
    case 0:
        records->type = byte;
        records->after_server = server_has_sent;
        return type_fits(records, byte);
    case 1:
        return byte == VERSION_MAJOR;
    case 2:
        return true;
    case 3:
        records->left = (uint16_t)(byte << 8);
        return true;
    default:
        records->left = (uint16_t)(records->left | byte);
        return records->left <= PAYLOAD_MAX;
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
    if (data || records->phase == FINISHED_BEGUN) {
        records->phase = FINISHED;
    } else if (records->type == TYPE_CHANGE_CIPHER_SPEC && records->phase == FLIGHT) {
        records->phase = CHANGED;
    }
}

/* How many of the next bytes can be taken at once. */
static size_t step_length(const struct records *records, const struct hello *hello, size_t length)
{
    bool header = records->header < RECORD_HEADER;

    if (header || (records->phase == HELLO && hello_stage(hello) < HELLO_RANDOM)) {
        return 1;
    }
    return length < records->left ? length : records->left;
}

static bool take_step(struct records *records, const struct hello *hello, const uint8_t *bytes,
                      size_t length, bool server_has_sent)
{
    if (records->header < RECORD_HEADER) {
        if (!take_header_byte(records, bytes[0], server_has_sent)) {
            return false;
        }
    } else {
        records->left = (uint16_t)(records->left - length);
        if (records->phase == CHANGED && records->type == TYPE_HANDSHAKE) {
            look_for_second_hello(records, hello, bytes, length);
        }
    }
    if (records->phase == HELLO) {
        if (hello_stage(hello) == HELLO_NONE) {
            return false;
        }
        if (hello_stage(hello) == HELLO_COMPLETE) {
            records->phase = FLIGHT;
        }
    }
    if (records->header == RECORD_HEADER && records->left == 0) {
        record_complete(records);
    }
    return true;
}

void records_feed(struct records *records, struct hello *hello, const uint8_t *bytes, size_t length,
                  bool server_has_sent)
{
    size_t at = 0;

    records->bytes += length;
    while (at < length && records_progress(records) < RECORDS_FINISHED) {
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
        return records->bytes == 0 ? RECORDS_NOTHING : RECORDS_PARTIAL_HELLO;
    case FLIGHT:
    case CHANGED:
    case FINISHED_BEGUN:
    case RETRIED:
        return RECORDS_HELLO;
    case FINISHED:
        return RECORDS_FINISHED;
    case NOT_TLS:
        break;
    }
    return RECORDS_NOT_TLS;
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
