/*
 * The counters, written for people, for programs, and for Prometheus.
 *
 * What goes wrong with the stream is left to its owner to notice.
 */
#ifndef SHAKEOUT_LAUNCHER_SHOW_H
#define SHAKEOUT_LAUNCHER_SHOW_H

#include <stdio.h>

#include "launcher/families.h"

typedef void show_format(FILE *out, const struct families *families);

/* Aligned columns of numbers for each family, its processes, the percentiles, and the advice. */
show_format show_table;

/* One line, one JSON object: "time" (seconds since 1970) and "servers". */
show_format show_json;

/* Text exposition format 0.0.4. */
show_format show_prometheus;

#endif
