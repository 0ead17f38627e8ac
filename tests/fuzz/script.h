/*
 * Turns fuzzer input into a client's stream and a way to cut it into pieces, so that the fuzzer
 * gets deep into handshakes without guessing randoms:
 *
 *     count (0..15), so many piece lengths, then steps until the end:
 *       step & 3 == 0, 1   step >> 2 bytes as they follow
 *       step & 3 == 2      a record header of type 20..24, two bytes of length follow
 *       step & 3 == 3      a part of a real client's stream: from and length follow, in units of 4
 */
#ifndef TESTS_FUZZ_SCRIPT_H
#define TESTS_FUZZ_SCRIPT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/client_streams.h"

struct script {
    uint8_t stream[16384];
    size_t length;
    uint8_t pieces[15];
    size_t piece_count;
};

static inline void require(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "does not hold: %s\n", what);
        abort();
    }
}

struct input {
    const uint8_t *at;
    size_t left;
};

static inline uint8_t next_byte(struct input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->at++;
}

static inline void emit(struct script *script, const uint8_t *bytes, size_t length)
{
    size_t room = sizeof(script->stream) - script->length;

    length = length < room ? length : room;
    memcpy(script->stream + script->length, bytes, length);
    script->length += length;
}

static inline void emit_header(struct script *script, struct input *input, uint8_t choice)
{
    uint8_t high = next_byte(input);
    uint8_t header[5] = {(uint8_t)(20 + choice % 5), 3, 1, high, next_byte(input)};

    emit(script, header, sizeof(header));
}

static inline void emit_part(struct script *script, struct input *input, uint8_t choice)
{
    const struct client_stream *part = &client_streams[choice % CLIENT_STREAMS];
    size_t from = (size_t)next_byte(input) * 4;
    size_t length = (size_t)next_byte(input) * 4;

    from = from < part->length ? from : part->length;
    length = length < part->length - from ? length : part->length - from;
    emit(script, part->bytes + from, length);
}

static inline void read_script(struct script *script, const uint8_t *data, size_t size)
{
    struct input input = {data, size};

    script->length = 0;
    script->piece_count = next_byte(&input) % (sizeof(script->pieces) + 1);
    for (size_t i = 0; i < script->piece_count; i++)
        script->pieces[i] = next_byte(&input);
    while (input.left > 0) {
        uint8_t step = next_byte(&input);
        uint8_t choice = step >> 2;

        if ((step & 3) == 3) {
            emit_part(script, &input, choice);
        } else if ((step & 3) == 2) {
            emit_header(script, &input, choice);
        } else {
            size_t length = choice < input.left ? choice : input.left;

            emit(script, input.at, length);
            input.at += length;
            input.left -= length;
        }
    }
}

/* The length of piece `i` of a stream of which `left` bytes are left. */
static inline size_t piece_length(const struct script *script, size_t i, size_t left)
{
    size_t length = i < script->piece_count ? script->pieces[i] : left;

    return length < left ? length : left;
}

/* A copy of exactly its size, so that the sanitizer sees a read behind its end. */
static inline uint8_t *exact_copy(const uint8_t *bytes, size_t length)
{
    uint8_t *copy = malloc(length > 0 ? length : 1);

    require(copy != NULL, "memory");
    memcpy(copy, bytes, length);
    return copy;
}

#endif
