/* What the reaper tells the operator: a line for each connection that is shut, ten a second at most
 * and then a line that counts the rest. The reaper only, except report_protects(). */
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
    bool evicted; /* before its deadline, under pressure */
    union {
        struct sockaddr any;
        struct sockaddr_storage storage;
    } client;
};

/* The first connection of this process, or of the processes that it comes from, is protected: says
 * so, with version, deadline and ports. Later calls do nothing. Any thread or signal handler. */
void report_protects(void);

void report_shut(const struct shut_connection *shut, uint64_t now_ns);

/* So many clients were shut at the door. */
void report_refused(uint32_t count, uint64_t now_ns);

/* Writes the line that counts the rest, when its time has come. Returns when to be called again;
 * CLOCK_NEVER: nothing is held back. */
uint64_t report_flush(uint64_t now_ns);

#endif
