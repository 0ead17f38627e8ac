/* Byte streams put together piece by piece, for the tests of shim/wire. */
#ifndef TESTS_UNIT_BYTES_H
#define TESTS_UNIT_BYTES_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "client_streams.h"

struct bytes {
    uint8_t at[32768];
    size_t length;
};

static inline void add(struct bytes *to, const void *bytes, size_t length)
{
    assert(length <= sizeof(to->at) - to->length);
    memcpy(to->at + to->length, bytes, length);
    to->length += length;
}

/* A string literal, with its inner zero bytes and without the one at the end. */
#define ADD(to, literal) add((to), (literal), sizeof(literal) - 1)

static inline void add_record(struct bytes *to, unsigned type, const void *payload, size_t length)
{
    uint8_t header[5] = {(uint8_t)type, 3, 1, (uint8_t)(length >> 8), (uint8_t)length};

    add(to, header, sizeof(header));
    add(to, payload, length);
}

/* A handshake message in records with `piece` bytes each. */
static inline void add_fragmented(struct bytes *to, const uint8_t *message, size_t length,
                                  size_t piece)
{
    for (size_t at = 0; at < length; at += piece)
        add_record(to, 22, message + at, length - at < piece ? length - at : piece);
}

static inline const struct client_stream *stream_named(const char *name)
{
    for (size_t i = 0; i < CLIENT_STREAMS; i++) {
        if (strcmp(client_streams[i].name, name) == 0)
            return &client_streams[i];
    }
    assert(!"no such stream");
    return NULL;
}

#endif
