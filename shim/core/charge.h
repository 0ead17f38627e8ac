/* Only the client's time is charged.
 *
 * While a client's bytes lie unread, the server is the late one. How long they lay is told by
 * tcpi_last_data_recv (since when has nothing more come); that span is added to the deadline, each
 * stretch of time once (charged_ns). With this, a client keeps exactly the time it had left when it
 * sent its bytes, however long the server takes to look at them. */
#ifndef SHAKEOUT_CORE_CHARGE_H
#define SHAKEOUT_CORE_CHARGE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/conn.h"

/* Shorter waits are the ordinary course of things (and the kernel counts in ticks of 1 to 10 ms).
 */
#define CHARGE_IGNORES_NS UINT64_C(20000000)

/* The client's last byte came quiet_ns ago and lay there until now. Returns whether the deadline
 * was moved. Any thread or signal handler. */
bool charge_server(struct conn *conn, uint64_t now_ns, uint64_t quiet_ns);

/* The program has just read from fd, the descriptor of this connection: charges the server for what
 * lay there before. Asks the kernel only if it could have been long. */
void charge_read(struct conn *conn, int fd);

/* The server has just written so many bytes to it. If they are its first, and the client's
 * ClientHello was whole, it was the server's time since that came. */
void charge_answer(struct conn *conn, uint64_t written);

#endif
