/*
 * The record follower against hostile streams: pieces do not matter, it never goes back, it agrees
 * with the catcher of the ClientHello, and saying "the server has sent" never makes it later.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "wire/records.h"

#include "script.h"

struct follower {
    struct records records;
    struct hello hello;
};

/* Feeds the bytes from..to of a stream whose server sends its first byte after `before_server`. */
static void feed(struct follower *follower, const uint8_t *stream, size_t from, size_t to,
                 size_t before_server)
{
    while (from < to) {
        bool server_has_sent = from >= before_server;
        size_t end = !server_has_sent && before_server < to ? before_server : to;
        uint8_t *piece = exact_copy(stream + from, end - from);

        records_feed(&follower->records, &follower->hello, piece, end - from, server_has_sent);
        free(piece);
        from = end;
    }
}

static void require_sense(const struct follower *before, const struct follower *after,
                          bool may_be_proxied)
{
    enum records_progress was = records_progress(&before->records);
    enum records_progress is = records_progress(&after->records);

    require(is >= was, "it does not go back");
    if (was >= RECORDS_FINISHED)
        require(is == was, "the end is the end");
    if (is == RECORDS_NOTHING)
        require(records_bytes(&after->records) == 0 || may_be_proxied, "a byte is not nothing");
    if (is == RECORDS_PARTIAL_HELLO) {
        require(hello_stage(&after->hello) != HELLO_NONE, "a ClientHello has begun");
        require(hello_stage(&after->hello) != HELLO_COMPLETE, "and has not ended");
    }
    if (is == RECORDS_HELLO || is == RECORDS_FINISHED)
        require(hello_stage(&after->hello) == HELLO_COMPLETE, "the ClientHello is complete");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct script script;
    struct follower whole = {0};
    struct follower pieces = {0};
    struct follower doubtful = {0};
    struct hello alone = {0};
    size_t before_server;
    bool may_be_proxied;
    size_t at = 0;

    if (size < 2)
        return 0;
    before_server = (size_t)data[0] << 4 | data[1];
    read_script(&script, data + 2, size - 2);
    may_be_proxied = script.length > 0 && (script.stream[0] == 'P' || script.stream[0] == '\r');

    feed(&whole, script.stream, 0, script.length, before_server);
    for (size_t i = 0; at < script.length; i++) {
        size_t end = at + piece_length(&script, i, script.length - at);
        struct follower before = pieces;

        feed(&pieces, script.stream, at, end, before_server);
        require_sense(&before, &pieces, may_be_proxied);
        at = end;
    }
    require(memcmp(&whole, &pieces, sizeof(whole)) == 0, "pieces do not matter");
    require(records_bytes(&whole.records) == script.length, "every byte is counted");

    hello_feed(&alone, script.stream, script.length);
    require(may_be_proxied || memcmp(&whole.hello, &alone, sizeof(alone)) == 0,
            "the catcher gets every byte, once");

    feed(&doubtful, script.stream, 0, script.length, 0);
    require(records_progress(&doubtful.records) >= records_progress(&whole.records) ||
                records_progress(&doubtful.records) == RECORDS_FINISHED,
            "a doubt does not make it later");
    return 0;
}
