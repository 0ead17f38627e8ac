/*
 * The ClientHello catcher against hostile streams: pieces do not matter, a random once known stays,
 * and what is caught is what a slow reader finds who sees the whole stream at once.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "wire/hello.h"

#include "script.h"

/* One candidate, read by the book from `start` on. */
struct candidate {
    bool failed;
    size_t end;        /* of what was read; the byte that failed is the last */
    size_t message;    /* how many bytes of the message were seen */
    uint8_t first[38]; /* of the message: header, version, random */
    size_t wanted;     /* length of the message, once known */
};

static bool header_fits(const uint8_t *header, size_t length)
{
    return (length < 1 || header[0] == 22) && (length < 2 || header[1] == 3) &&
           (length < 4 || header[3] <= 64) && (length < 5 || header[3] < 64 || header[4] == 0);
}

static bool message_fits(struct candidate *candidate)
{
    const uint8_t *first = candidate->first;
    size_t length = candidate->message;

    if (length >= 4)
        candidate->wanted = 4 + ((size_t)first[1] << 16 | (size_t)first[2] << 8 | first[3]);
    return (length < 1 || first[0] == 1) && (length < 2 || first[1] <= 2) &&
           (length < 4 || candidate->wanted >= 4 + 41) && (length < 5 || first[4] >= 3);
}

static struct candidate read_candidate(const uint8_t *stream, size_t length, size_t start)
{
    struct candidate candidate = {.end = start, .wanted = SIZE_MAX};
    size_t at = start;

    while (at < length && candidate.message < candidate.wanted) {
        for (size_t seen = 1; seen <= 5; seen++) {
            if (at + seen > length)
                return candidate;
            candidate.end = at + seen;
            candidate.failed = !header_fits(stream + at, seen);
            if (candidate.failed)
                return candidate;
        }
        size_t payload = (size_t)stream[at + 3] << 8 | stream[at + 4];

        at += 5;
        for (; payload > 0 && at < length && candidate.message < candidate.wanted; payload--) {
            if (candidate.message < sizeof(candidate.first))
                candidate.first[candidate.message] = stream[at];
            candidate.message++;
            candidate.end = ++at;
            candidate.failed = !message_fits(&candidate);
            if (candidate.failed)
                return candidate;
        }
    }
    return candidate;
}

static size_t number_at(const uint8_t *bytes)
{
    return (size_t)bytes[0] << 8 | bytes[1];
}

/* An SSLv2-compatible ClientHello at the start of the stream; its random goes where others have it.
 */
static struct candidate read_v2(const uint8_t *stream, size_t length)
{
    struct candidate candidate = {.failed = true, .wanted = SIZE_MAX};
    size_t lengths[3];

    if (length == 0 || stream[0] < 0x80 || (length > 2 && stream[2] != 1) ||
        (length > 3 && stream[3] != 3))
        return candidate;
    candidate.failed = false;
    if (length < 11)
        return candidate;
    for (size_t i = 0; i < 3; i++)
        lengths[i] = number_at(stream + 5 + 2 * i);
    size_t total = 11 + lengths[0] + lengths[1] + lengths[2];

    candidate.failed = total == 11 || 2 + (number_at(stream) & 0x7fff) != total;
    if (candidate.failed || length < total)
        return candidate;
    size_t used = lengths[2] < 32 ? lengths[2] : 32;

    memcpy(candidate.first + 38 - used, stream + total - lengths[2], used);
    candidate.message = candidate.wanted = sizeof(candidate.first);
    return candidate;
}

/* The candidate that counts, by the guarantee in hello.h. */
static struct candidate slow_search(const uint8_t *stream, size_t length)
{
    struct candidate candidate = read_v2(stream, length);
    size_t start = 0;

    if (!candidate.failed)
        return candidate;
    while (start < length) {
        if (stream[start] != 22) {
            start++;
            continue;
        }
        candidate = read_candidate(stream, length, start);
        if (!candidate.failed || candidate.message >= sizeof(candidate.first))
            return candidate;
        if (candidate.end - start <= 16)
            start++;
        else if (candidate.message <= 4 + 2 + 16)
            start = candidate.end - 16;
        else
            start = candidate.end - 1;
    }
    candidate.failed = true;
    candidate.message = 0;
    return candidate;
}

static void require_what_slow_search_finds(const struct hello *hello, const uint8_t *stream,
                                           size_t length)
{
    struct candidate candidate = slow_search(stream, length);
    enum hello_stage expected = HELLO_PARTIAL;

    if (candidate.message >= sizeof(candidate.first)) {
        bool complete = !candidate.failed && candidate.message == candidate.wanted;

        expected = complete ? HELLO_COMPLETE : HELLO_RANDOM;
        require(hello_random_is(hello, candidate.first + 6),
                "the random is that of the slow search");
        require(hello_own_key(hello) == hello_key(candidate.first + 6), "so is the key");
    } else if (candidate.failed) {
        expected = HELLO_NONE;
    }
    require(hello_stage(hello) == expected, "the stage is that of the slow search");
}

static void require_no_way_back(const struct hello *before, const struct hello *after)
{
    if (hello_stage(before) < HELLO_RANDOM) {
        require(hello_own_key(before) == 0, "no key without a random");
        return;
    }
    require(hello_stage(after) >= hello_stage(before), "the stage does not go back");
    require(hello_own_key(after) == hello_own_key(before), "a known random stays");
    require(memcmp(after->kept, before->kept, sizeof(before->kept)) == 0, "every bit of it");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct script script;
    struct hello whole = {0};
    struct hello pieces = {0};
    uint8_t *stream;
    size_t at = 0;

    read_script(&script, data, size);
    stream = exact_copy(script.stream, script.length);
    hello_feed(&whole, stream, script.length);
    for (size_t i = 0; at < script.length; i++) {
        size_t length = piece_length(&script, i, script.length - at);
        uint8_t *piece = exact_copy(stream + at, length);
        struct hello before = pieces;

        hello_feed(&pieces, piece, length);
        require_no_way_back(&before, &pieces);
        free(piece);
        at += length;
        require_what_slow_search_finds(&pieces, stream, at);
    }
    require(memcmp(&whole, &pieces, sizeof(whole)) == 0, "pieces do not matter");
    free(stream);
    return 0;
}
