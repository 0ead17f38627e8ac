/* Where clients come from, and what has become of them lately.
 *
 * A source is an IPv4 address or an IPv6 /64, known by a keyed 32-bit tag; the key is this
 * process's own, so that nobody can choose addresses that collide. What is remembered is a small
 * table of fixed size: how many handshakes a source finished lately, how many were shut that had
 * brought a whole ClientHello, and how many that had not. Shut ones are halved every minute, which
 * is long enough to recognize 64 of them that a server with one thread meets one after the other,
 * finished ones in four. A flood from many addresses cannot make it grow, and cannot push out who
 * has finished one. It matters under pressure only (pressure.h). Lock-free, no allocation: any
 * thread or signal handler. */
#ifndef SHAKEOUT_CORE_SOURCES_H
#define SHAKEOUT_CORE_SOURCES_H

#include <stdbool.h>
#include <stdint.h>

/* The tag of the peer of this connected socket; 0: unknown. One system call. */
uint32_t sources_of(int fd);

void sources_finished(uint32_t source);
void sources_shut(uint32_t source, bool with_hello);

struct source_record {
    uint32_t finished;
    uint32_t silent;  /* shut before their whole ClientHello */
    uint32_t halfway; /* ... after it */
};

struct source_record sources_record(uint32_t source);

#endif
