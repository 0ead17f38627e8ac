/* Verdicts, counted: those that shut each time, the others once for each connection, however often
 * it is looked at. */
#ifndef SHAKEOUT_CORE_COUNT_H
#define SHAKEOUT_CORE_COUNT_H

#include "core/conn.h"
#include "core/verdict.h"

/* Any thread or signal handler. */
void count_verdict(struct conn *conn, enum verdict verdict);

#endif
