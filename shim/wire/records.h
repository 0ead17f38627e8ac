/*
 * A follower of the TLS records that a client sends, for TLS stacks that no hook sees.
 *
 * It is fed every byte that the program reads from the connection, from the first one on, in order,
 * in pieces of any size, and tells how far the client's side of the handshake is. The pieces never
 * change the result, as long as the flag `server_has_sent` is the same for the same bytes.
 *
 * The client's Finished is encrypted; what is seen of it is a record (RFC 8446 section 5,
 * appendix D.4; RFC 5246 sections 7.1 and 7.4.9):
 *   TLS 1.3   the first complete record of type 23 that begins after the server has sent. What
 * comes before is 0-RTT data. With a client certificate the first such record may be that. TLS 1.2
 * the first complete record of type 22 after the client's ChangeCipherSpec, in a full handshake as
 * in a resumed one. A ClientHello with the random of the first one is none: it is the answer to a
 * HelloRetryRequest (RFC 8446 section 4.1.2), which may follow a ChangeCipherSpec of the middlebox
 * compatibility mode. Where that leaves a doubt, the answer is RECORDS_FINISHED or RECORDS_NOT_TLS.
 * Both mean: leave the connection alone. Known cases of FINISHED too early: 0-RTT data, or anything
 * of type 23 from a hostile client, that is sent after the server's flight; a client certificate in
 * TLS 1.3. An SSLv2-compatible ClientHello is RECORDS_NOT_TLS.
 *
 * A PROXY header (version 1 or 2, as haproxy's proxy-protocol.txt has it) at the very beginning is
 * passed over: what follows it is the first byte, and a ClientHello that lay in it is forgotten.
 *
 * The follower feeds the connection's `struct hello` on the way: call hello_feed() or
 * records_feed() for a byte, never both.
 *
 * All functions are pure: no allocation, no globals, no system call, O(length). Any thread, any
 * signal handler, any vfork child may call them on its own copy of the state.
 */
#ifndef SHAKEOUT_WIRE_RECORDS_H
#define SHAKEOUT_WIRE_RECORDS_H

#include "wire/hello.h"

/* In this order: it never goes back. FINISHED and NOT_TLS are final. */
enum records_progress {
    RECORDS_NOTHING,       /* no byte yet, but of a PROXY header */
    RECORDS_PARTIAL_HELLO, /* the ClientHello has begun */
    RECORDS_HELLO,         /* it is complete, the client's finishing flight is not */
    RECORDS_FINISHED,      /* the client has done its part */
    RECORDS_NOT_TLS        /* these bytes cannot be followed */
};

/* All zero at the start. The fields are private to records.c. Two uint64_t words. */
struct records {
    uint64_t bytes; /* fed so far */
    uint16_t left;  /* payload bytes of the current record (or header) still to come */
    uint8_t type;   /* of the current record; the last byte of a PROXY line */
    uint8_t second; /* bytes after a ChangeCipherSpec that agree with a second ClientHello; bytes of
                       a PROXY header */
    uint32_t body_left : 18;   /* bytes of the first message's body still to come */
    uint32_t message : 3;      /* bytes of its header seen, then enum message of records.c */
    uint32_t header : 3;       /* bytes of the current record header seen */
    uint32_t phase : 3;        /* enum phase of records.c */
    uint32_t after_server : 1; /* the current record began after the server had sent */
    uint32_t later : 1;        /* the current record is not the first */
    uint32_t proxy : 2;        /* enum proxy of records.c */
    uint32_t unused : 1;
};
_Static_assert(sizeof(struct records) == 16, "a connection stores it in two words");

/*
 * Takes the next `length` bytes of the client's stream, and feeds them to `hello`.
 * `server_has_sent`: whether the server had sent anything on this connection by the time these
 * bytes had been read. Find it out after the read, not before it; in doubt say true.
 * `bytes` may be NULL if `length` is 0.
 */
void records_feed(struct records *records, struct hello *hello, const uint8_t *bytes, size_t length,
                  bool server_has_sent);

/* How far the client's side of the handshake is. */
enum records_progress records_progress(const struct records *records);

/*
 * hello_stage(), but less than HELLO_COMPLETE unless a TLS library that has read these bytes comes
 * to the ClientHello: read as records from the first byte on, it is their first message, and the
 * record that it ends in is complete. hello_feed() looks for a ClientHello anywhere, so a client
 * can put one where no library ever looks, and then seem to wait for an answer; what is no record
 * here may be one to a library that still waits for its rest. Only after a plaintext phase, where
 * the server has sent something (`server_has_sent`, in doubt true), bytes that are no records are
 * not doubted.
 */
enum hello_stage records_hello_stage(const struct records *records, const struct hello *hello,
                                     bool server_has_sent);

/*
 * How many bytes were fed, to be compared with the kernel's tcpi_bytes_received less what is
 * unread: if they differ, someone else read some, and the progress is worth nothing.
 */
uint64_t records_bytes(const struct records *records);

/*
 * Whether these first bytes that a server writes look like the start of a TLS record with a
 * ServerHello or an alert. At least 6 bytes are needed; false with fewer.
 */
#define RECORDS_SERVER_HELLO_SIZE 6U
bool records_is_server_hello(const uint8_t *bytes, size_t length);

#endif
