/*
 * What the finished handshakes say about the deadline, in words.
 *
 * Pure: no state but a snapshot.
 */
#ifndef SHAKEOUT_LAUNCHER_ADVICE_H
#define SHAKEOUT_LAUNCHER_ADVICE_H

#include <stddef.h>

#include "launcher/snapshot.h"

enum { ADVICE_SIZE = 400 };

/* One or two sentences, without a newline. */
void advice(const struct snapshot *snapshot, char out[ADVICE_SIZE]);

/* "120,431" */
void advice_number(uint64_t number, char out[32]);

/* Two digits that matter: "0.42", "4.3", "43", "120". */
void advice_seconds(uint64_t span_us, char out[32]);

#endif
