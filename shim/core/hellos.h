/* From a ClientHello's random back to the connection that it came on.
 *
 * Any thread or signal handler; no lock, no memory beyond a table of fixed size. */
#ifndef SHAKEOUT_CORE_HELLOS_H
#define SHAKEOUT_CORE_HELLOS_H

#include <stdint.h>

#include "core/conn.h"

/* This thread has read from this connection. */
void hellos_read(conn_handle handle);

/* The random of its ClientHello is complete; key: hello_own_key(). */
void hellos_add(conn_handle handle, uint64_t key);

/* The connection whose ClientHello has this random: one that this thread read from lately, if there
 * is one (the same hello can arrive on two), else any. Its descriptor was just seen to be its own
 * (the cookie was compared). 0: none. */
conn_handle hellos_find(const uint8_t random[32]);

#endif
