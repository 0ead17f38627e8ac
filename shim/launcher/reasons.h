/*
 * The counters that come by reason, and what the reasons are called.
 */
#ifndef SHAKEOUT_LAUNCHER_REASONS_H
#define SHAKEOUT_LAUNCHER_REASONS_H

#include <stddef.h>

#include "launcher/snapshot.h"

struct reason {
    enum counter counter;
    const char *word;  /* for machines */
    const char *words; /* for people */
};

enum reason_group { REASONS_SHUT, REASONS_ABSTAINED, REASONS_UNPROTECTED, REASON_GROUPS };

enum { REASONS_MOST = 4 };

/* The reasons of each group; those after the last have no word. */
extern const struct reason reasons[REASON_GROUPS][REASONS_MOST];

uint64_t reasons_sum(const struct snapshot *snapshot, enum reason_group group);

#endif
