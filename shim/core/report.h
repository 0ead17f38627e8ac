/* What the reaper tells the operator: a line for each connection that is shut, ten a second at most
 * and then a line that counts the rest. The reaper only. */
#ifndef SHAKEOUT_CORE_REPORT_H
#define SHAKEOUT_CORE_REPORT_H

#include <stdint.h>
#include <sys/socket.h>

#include "core/verdict.h"

struct shut_connection {
    uint64_t elapsed_ns; /* since its clock started */
    uint64_t received;   /* bytes that the client sent */
    uint16_t port;
    enum verdict verdict;
    union {
        struct sockaddr any;
        struct sockaddr_storage storage;
    } client;
};

void report_shut(const struct shut_connection *shut, uint64_t now_ns);

/* Writes the line that counts the rest, when its time has come. Returns when to be called again;
 * CLOCK_NEVER: nothing is held back. */
uint64_t report_flush(uint64_t now_ns);

#endif
