/* One connection is looked at, judged, and shut if the verdict says so. The reaper only. */
#ifndef SHAKEOUT_CORE_EXAMINE_H
#define SHAKEOUT_CORE_EXAMINE_H

#include "core/conn.h"
#include "core/process.h"
#include "core/verdict.h"

enum examined {
    EXAMINED_DONE,   /* shut, or gone */
    EXAMINED_PARKED, /* nothing allows to shut it; other events may */
    EXAMINED_AGAIN   /* look again at *again_ns */
};

enum examined examine(struct process *process, conn_handle handle, uint64_t *again_ns);

#endif
