/*
 * An incremental catcher of the first ClientHello in a stream of client bytes.
 *
 * A connection keeps one `struct hello`, all zero at the start, and feeds it every byte that the
 * program reads, in order, in pieces of any size: the pieces never change the result. What is kept
 * of the ClientHello is the half of its random that ties a TLS session to its socket.
 *
 * What counts as a ClientHello: a record header 16 03 xx LLLL (RFC 8446 section 5.1, RFC 5246
 * section 6.2.1), handshake type 01, a 24-bit length, legacy_version of 3.x or later, 32 bytes of
 * random (RFC 8446 section 4.1.2). The message may be spread over several handshake records, also
 * empty ones. It may follow any other bytes: a STARTTLS conversation, a PostgreSQL SSLRequest, a
 * PROXY header. Versions are checked no more strictly than OpenSSL 3.0 was seen to do, for a client
 * must not become invisible by an odd one.
 *
 * An SSLv2-compatible ClientHello for TLS (RFC 5246 appendix E.2) is caught at the start of the
 * stream only: OpenSSL still takes it there, with its challenge as the end of the random. It goes
 * from HELLO_PARTIAL to HELLO_COMPLETE, as the challenge comes last.
 *
 * Where a candidate fails, the search goes on behind its first byte:
 *   - A candidate that fails within 16 bytes of its start is searched again completely. All that
 *     is checked in a ClientHello whose random lies in one record is in its first 10 bytes, so
 *     such a candidate hides nothing.
 *   - A candidate that is spread over several records can fail later, at the header of one of
 *     them. Before byte 16 of its random, the last 16 bytes are searched again; after it, only the
 *     byte that failed is. A ClientHello that began earlier inside such a candidate is missed.
 * Once the random is complete it stays: no later record, no second ClientHello (HelloRetryRequest)
 * and no application data changes it. So bytes that pass for a ClientHello in a plaintext phase do
 * hide the real one; whoever sees the server answer them in plaintext may zero the state.
 *
 * All functions are pure: no allocation, no globals, no system call, O(length). Any thread, any
 * signal handler, any vfork child may call them on its own copy of the state.
 */
#ifndef SHAKEOUT_WIRE_HELLO_H
#define SHAKEOUT_WIRE_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hello_stage {
    HELLO_NONE,    /* no byte that could belong to a ClientHello */
    HELLO_PARTIAL, /* a ClientHello seems to have begun; falls back to NONE if it was none */
    HELLO_RANDOM,  /* the random is known, the message is not complete */
    HELLO_COMPLETE /* the last byte of the ClientHello has been seen */
};

/* The fields are private to hello.c. Three uint64_t words for those who store it as such. */
struct hello {
    uint8_t kept[16];        /* the last bytes of a candidate, then bytes 16..31 of the random */
    uint16_t record_left;    /* payload bytes of the current record still to come */
    uint8_t phase;           /* enum phase of hello.c */
    uint8_t raw;             /* how many bytes of a candidate are in `kept`, 17: some were lost */
    uint32_t body_left : 18; /* bytes of the message's body still to come */
    uint32_t message : 6;    /* bytes of the message seen, up to the end of the random */
    uint32_t header : 3;     /* bytes of the current record header seen */
    uint32_t unused : 5;
};
_Static_assert(sizeof(struct hello) == 24, "a connection stores it in three words");
_Static_assert(_Alignof(struct hello) <= 8, "and copies it in and out of them");

/* Takes the next `length` bytes of the client's stream. `bytes` may be NULL if `length` is 0. */
void hello_feed(struct hello *hello, const uint8_t *bytes, size_t length);

/* How far the first ClientHello is. From HELLO_RANDOM on, it never goes back. */
enum hello_stage hello_stage(const struct hello *hello);

/*
 * Whether the ClientHello that was caught has this random, as SSL_get_client_random(3) tells it.
 * Compares bytes 16..31: the first four are the time in old clients (RFC 5246 section 7.4.1.2).
 * False before HELLO_RANDOM.
 */
bool hello_random_is(const struct hello *hello, const uint8_t random[32]);

/*
 * Whether byte `at` (0..31) of the random that was caught may be `byte`: always, for the half that
 * is not kept. False before HELLO_RANDOM.
 */
bool hello_random_has(const struct hello *hello, unsigned at, uint8_t byte);

/*
 * A key for an index of ClientHellos by random: equal for equal randoms, never 0. The client
 * chooses it, so an index must expect collisions.
 */
uint64_t hello_key(const uint8_t random[32]);

/* hello_key() of the random that was caught; 0 before HELLO_RANDOM. */
uint64_t hello_own_key(const struct hello *hello);

#endif
