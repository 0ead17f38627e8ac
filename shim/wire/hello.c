#include "wire/hello.h"

#include <string.h>

enum phase {
    START,     /* before the first byte of the stream */
    SEARCHING, /* for the first byte of a candidate */
    MATCHING,  /* a candidate, up to the end of its random */
    BODY,      /* random known, counting the rest of the message */
    CUT,       /* random known, but other records came before the end of the message */
    V2_HEADER, /* in what may be an SSLv2-compatible ClientHello, up to its three lengths */
    V2_BODY,   /* in the rest of it: cipher suites, session id, challenge */
    COMPLETE
};

enum {
    TYPE_HANDSHAKE = 22,
    VERSION_MAJOR = 3,
    RECORD_HEADER = 5,
    PLAINTEXT_MAX = 16384, /* RFC 8446 section 5.1 */
    CLIENT_HELLO = 1,
    /* The shortest body: version, random, empty session id, one suite, one compression method. */
    BODY_MIN = 2 + 32 + 1 + 2 + 2 + 1 + 1,
    BODY_MAX_HIGH = 2, /* OpenSSL takes up to 131396 bytes, 0x020144, no one takes more */
    RANDOM_LENGTH = 32,
    RANDOM_KEPT_AT = 4 + 2 + 16, /* message header, legacy_version, the half that is not kept */
    RANDOM_END = 4 + 2 + 32,
    KEPT = 16,
    RAW_LOST = KEPT + 1,
    V2_LENGTH_BIT = 0x80, /* the first bit of a two-byte record header, RFC 5246 appendix E.2 */
    V2_LENGTH = 2,
    V2_TYPE_END = 3,
    V2_MAJOR_END = 4,
    V2_LENGTHS = 5,
    V2_HEADER_END = 11
};

static void remember(struct hello *hello, uint8_t byte)
{
    if (hello->raw < KEPT) {
        hello->kept[hello->raw++] = byte;
        return;
    }
    memmove(hello->kept, hello->kept + 1, KEPT - 1);
    hello->kept[KEPT - 1] = byte;
    hello->raw = RAW_LOST;
}

static bool take_header_byte(struct hello *hello, uint8_t byte)
{
    switch (hello->header++) {
    case 0:
        return byte == TYPE_HANDSHAKE;
    case 1:
        return byte == VERSION_MAJOR;
    case 2:
        return true;
    case 3:
        hello->record_left = (uint16_t)(byte << 8);
        return hello->record_left <= PLAINTEXT_MAX;
    default:
        break;
    }
    hello->record_left = (uint16_t)(hello->record_left | byte);
    if (hello->record_left == 0) {
        hello->header = 0;
    }
    return hello->record_left <= PLAINTEXT_MAX;
}

static bool take_message_byte(struct hello *hello, uint8_t byte)
{
    unsigned at = hello->message++;

    switch (at) {
    case 0:
        return byte == CLIENT_HELLO;
    case 1:
        hello->body_left = byte & 0x3U;
        return byte <= BODY_MAX_HIGH;
    case 2:
    case 3:
        hello->body_left = ((uint32_t)hello->body_left << 8 | byte) & 0x3ffffU;
        return at == 2 || hello->body_left >= BODY_MIN;
    default:
        break;
    }
    hello->body_left--;
    if (at == 4) {
        return byte >= VERSION_MAJOR;
    }
    if (at >= RANDOM_KEPT_AT) {
        hello->raw = 0;
        hello->kept[at - RANDOM_KEPT_AT] = byte;
    }
    if (hello->message == RANDOM_END) {
        hello->phase = BODY;
    }
    return true;
}

static void payload_taken(struct hello *hello, size_t length)
{
    hello->record_left = (uint16_t)(hello->record_left - length);
    if (hello->record_left == 0) {
        hello->header = 0;
    }
}

/* One byte of a candidate; false: it is none. */
static bool match(struct hello *hello, uint8_t byte)
{
    hello->phase = MATCHING;
    /* Also the headers between the two halves of the random: `kept` is free until byte 16. */
    if (hello->message < RANDOM_KEPT_AT || hello->raw > 0) {
        remember(hello, byte);
    }
    if (hello->header < RECORD_HEADER) {
        return take_header_byte(hello, byte);
    }
    payload_taken(hello, 1);
    return take_message_byte(hello, byte);
}

static void back_to_search(struct hello *hello)
{
    memset(hello, 0, sizeof(*hello));
    hello->phase = SEARCHING;
}

/* Starts over behind the first byte of a candidate that failed at `byte`. */
static void search_again(struct hello *hello, uint8_t byte)
{
    uint8_t window[KEPT] = {byte};
    size_t length = 1;
    size_t start = 0;

    if (hello->raw > 0) {
        length = hello->raw < KEPT ? hello->raw : KEPT;
        start = hello->raw == RAW_LOST ? 0 : 1;
        memcpy(window, hello->kept, length);
    }
    for (; start < length; start++) {
        size_t at = start;

        back_to_search(hello);
        while (at < length && match(hello, window[at])) {
            at++;
        }
        if (at == length) {
            return;
        }
    }
    back_to_search(hello);
}

static size_t search(struct hello *hello, const uint8_t *bytes, size_t length)
{
    const uint8_t *start = memchr(bytes, TYPE_HANDSHAKE, length);

    if (start == NULL) {
        return length;
    }
    hello->phase = MATCHING;
    return (size_t)(start - bytes);
}

static size_t take_body(struct hello *hello, const uint8_t *bytes, size_t length)
{
    size_t taken = length;

    if (hello->header < RECORD_HEADER) {
        if (!take_header_byte(hello, bytes[0])) {
            hello->phase = CUT;
        }
        return 1;
    }
    taken = taken < hello->record_left ? taken : hello->record_left;
    taken = taken < hello->body_left ? taken : hello->body_left;
    hello->body_left = (hello->body_left - (uint32_t)taken) & 0x3ffffU;
    payload_taken(hello, taken);
    if (hello->body_left == 0) {
        hello->phase = COMPLETE;
    }
    return taken;
}

static void begin_stream(struct hello *hello, uint8_t byte)
{
    hello->phase = (byte & V2_LENGTH_BIT) != 0 ? V2_HEADER : SEARCHING;
}

static uint16_t number_at(const uint8_t bytes[2])
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* The header is in `kept`. From here on record_left counts the body, body_left is the challenge. */
static bool begin_v2_body(struct hello *hello)
{
    const uint8_t *lengths = hello->kept + V2_LENGTHS;
    uint16_t record = number_at(hello->kept) & 0x7fff;
    uint16_t challenge = number_at(lengths + 4);
    unsigned body = 0U + number_at(lengths) + number_at(lengths + 2) + challenge;

    if (body == 0 || V2_HEADER_END - V2_LENGTH + body != record) {
        return false;
    }
    back_to_search(hello);
    hello->phase = V2_BODY;
    hello->record_left = (uint16_t)body;
    hello->body_left = challenge;
    return true;
}

static bool match_v2(struct hello *hello, uint8_t byte)
{
    remember(hello, byte);
    switch (hello->raw) {
    case V2_TYPE_END:
        return byte == CLIENT_HELLO;
    case V2_MAJOR_END:
        return byte == VERSION_MAJOR;
    case V2_HEADER_END:
        return begin_v2_body(hello);
    default:
        return true;
    }
}

/* The challenge is the end of the random; of a longer one, OpenSSL takes the first 32 bytes. */
static void take_v2_byte(struct hello *hello, uint8_t byte)
{
    unsigned challenge = hello->body_left;

    if (hello->record_left <= challenge) {
        unsigned at = challenge - hello->record_left;

        at += challenge < RANDOM_LENGTH ? RANDOM_LENGTH - challenge : 0;
        if (at >= RANDOM_LENGTH - KEPT && at < RANDOM_LENGTH) {
            hello->kept[at - (RANDOM_LENGTH - KEPT)] = byte;
        }
    }
    if (--hello->record_left == 0) {
        hello->phase = COMPLETE;
    }
}

void hello_feed(struct hello *hello, const uint8_t *bytes, size_t length)
{
    size_t at = 0;

    while (at < length) {
        switch ((enum phase)hello->phase) {
        case START:
            begin_stream(hello, bytes[at]);
            break;
        case SEARCHING:
            at += search(hello, bytes + at, length - at);
            break;
        case MATCHING:
            if (!match(hello, bytes[at])) {
                search_again(hello, bytes[at]);
            }
            at++;
            break;
        case BODY:
            at += take_body(hello, bytes + at, length - at);
            break;
        case V2_HEADER:
            if (!match_v2(hello, bytes[at])) {
                search_again(hello, bytes[at]);
            }
            at++;
            break;
        case V2_BODY:
            take_v2_byte(hello, bytes[at++]);
            break;
        case CUT:
        case COMPLETE:
            return;
        }
    }
}

enum hello_stage hello_stage(const struct hello *hello)
{
    switch ((enum phase)hello->phase) {
    case MATCHING:
    case V2_HEADER:
    case V2_BODY:
        return HELLO_PARTIAL;
    case BODY:
    case CUT:
        return HELLO_RANDOM;
    case COMPLETE:
        return HELLO_COMPLETE;
    case START:
    case SEARCHING:
        break;
    }
    return HELLO_NONE;
}

static bool random_known(const struct hello *hello)
{
    return hello_stage(hello) >= HELLO_RANDOM;
}

bool hello_random_has(const struct hello *hello, unsigned at, uint8_t byte)
{
    return random_known(hello) && (at < KEPT || hello->kept[at - KEPT] == byte);
}

bool hello_random_is(const struct hello *hello, const uint8_t random[32])
{
    return random_known(hello) && memcmp(hello->kept, random + 16, KEPT) == 0;
}

static uint64_t key_of(const uint8_t kept[KEPT])
{
    uint64_t low;
    uint64_t high;
    uint64_t key;

    memcpy(&low, kept, sizeof(low));
    memcpy(&high, kept + sizeof(low), sizeof(high));
    /* An odd multiplier spreads the bits upwards, the shift brings them down again. */
    key = (low ^ (high >> 32) ^ (high << 32)) * UINT64_C(0x9e3779b97f4a7c15);
    key ^= key >> 32;
    return key != 0 ? key : 1;
}

uint64_t hello_key(const uint8_t random[32])
{
    return key_of(random + 16);
}

uint64_t hello_own_key(const struct hello *hello)
{
    return random_known(hello) ? key_of(hello->kept) : 0;
}
