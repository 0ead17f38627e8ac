/* A line of text put together without stdio, malloc or locale.
 *
 * For log lines that are written from inside somebody else's process. Any thread, signal handler
 * or vfork child may use it on a struct of its own. What does not fit is cut off; the text is
 * always terminated. */
#ifndef SHAKEOUT_BASE_TEXT_H
#define SHAKEOUT_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct sockaddr;

struct text {
    size_t length;
    char bytes[512];
};

#define TEXT_EMPTY                                                                                 \
    {                                                                                              \
        .length = 0                                                                                \
    }

void text_string(struct text *text, const char *string);
void text_number(struct text *text, uint64_t number);

/* Seconds with three decimals, rounded down: 10003456789 ns is "10.003". */
void text_seconds(struct text *text, uint64_t span_ns);

/* A time of CLOCK_REALTIME, seconds since 1970, in RFC 3339: "2026-11-23T15:04:05Z". gmtime(3)
 * takes a lock. */
void text_utc(struct text *text, uint64_t seconds);

/* An errno for people: " (errno 13, permission denied)"; of those that are met here, see text.c,
 * the words, of others the number alone. strerror(3) translates, and allocates for it. */
void text_error(struct text *text, int error);

/* "203.0.113.7:51514", "[2001:db8::1]:51514"; an IPv4-mapped address is written as IPv4. */
void text_address(struct text *text, const struct sockaddr *address);

#endif
