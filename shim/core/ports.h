/* Which ports speak TLS from the first byte, and how long their clients have.
 *
 * Three sources: the operator (SHAKEOUT_PORTS), the numbers that IANA assigned to protocols over
 * TLS (in a process that has a TLS library loaded), and what the process itself has shown: a
 * session was bound to a connection of this listener before the server had sent a byte. What is
 * learned belongs to the listening socket, not to the port number: a passive FTP data port speaks
 * TLS in one transfer and plaintext in the next. Nothing that a client sends changes any of it. */
#ifndef SHAKEOUT_CORE_PORTS_H
#define SHAKEOUT_CORE_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/settings.h"

/* Once, from the constructor; the settings must live for ever. */
void ports_start(const struct settings *settings);

const struct settings *ports_settings(void);

/* All of these: any thread or signal handler, except that ports_speak_tls() may look at the
 * loader's list of libraries (dl_iterate_phdr(3), a recursive lock) for an IANA port. */
bool ports_hands_off(uint16_t port);
bool ports_listed(uint16_t port);    /* as a TLS port, by the operator */
bool ports_speak_tls(uint16_t port); /* by the operator's word or IANA's */
uint64_t ports_timeout_ns(uint16_t port);

/* The listener is named by the low half of its SO_COOKIE (which the kernel counts up); 0 is nobody.
 * The memory for what was learned is small and fixed: a newer listener may push an older one out,
 * which then is learned again. */
bool ports_learn(uint32_t listener); /* true: that is news */
bool ports_learned(uint32_t listener);

/* Any of the three: clients of this listener, on this port, begin with a handshake. */
bool ports_begin_with_tls(uint32_t listener, uint16_t port);

#endif
