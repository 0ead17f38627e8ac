#include "wire/hello.h"

#include <string.h>

enum phase {
    SEARCHING, /* for the first byte of a candidate */
    MATCHING,  /* a candidate, up to the end of its random */
    BODY,      /* random known, counting the rest of the message */
    CUT,       /* random known, but other records came before the end of the message */
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
    BODY_MAX_HIGH = 2,           /* OpenSSL takes up to 131396 bytes, 0x020144, no one takes more */
    RANDOM_KEPT_AT = 4 + 2 + 16, /* message header, legacy_version, the half that is not kept */
    RANDOM_END = 4 + 2 + 32,
    KEPT = 16,
    RAW_LOST = KEPT + 1
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
    if (hello->message < RANDOM_KEPT_AT) {
        remember(hello, byte);
    }
    if (hello->header < RECORD_HEADER) {
        return take_header_byte(hello, byte);
    }
    payload_taken(hello, 1);
    return take_message_byte(hello, byte);
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

        memset(hello, 0, sizeof(*hello));
        while (at < length && match(hello, window[at])) {
            at++;
        }
        if (at == length) {
            return;
        }
    }
    memset(hello, 0, sizeof(*hello));
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

void hello_feed(struct hello *hello, const uint8_t *bytes, size_t length)
{
    size_t at = 0;

    while (at < length) {
        switch ((enum phase)hello->phase) {
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
        return HELLO_PARTIAL;
    case BODY:
    case CUT:
        return HELLO_RANDOM;
    case COMPLETE:
        return HELLO_COMPLETE;
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
