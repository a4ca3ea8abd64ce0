/* model/batch.h - up to 256 samples on their way to the store.
 *
 * Structure of arrays, filled by codecs and collectors, read by ingest and the store. Nothing is
 * owned: all pointers are the filler's and live until append() returns.
 *
 * Threads: one at a time.
 */
#ifndef MODEL_BATCH_H
#define MODEL_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "model/histogram.h"
#include "model/labels.h"

enum { BATCH_MAX = 256 };

struct batch {
    size_t n;
    struct str key[BATCH_MAX]; /* labels as of model/labels.h, any order */
    int64_t ts_ms[BATCH_MAX];
    double value[BATCH_MAX];                      /* where histogram[i] is NULL */
    const struct histogram *histogram[BATCH_MAX]; /* NULL for floats */
    int64_t start_ms[BATCH_MAX];                  /* created timestamp; 0: not known */
    int8_t err[BATCH_MAX];                        /* [out] 0 or -ERR_x, set by append() */
};

struct exemplar {
    struct str key;    /* of its series, any order */
    struct str labels; /* label bytes, canonical but without __name__ */
    int64_t ts_ms;
    double value;
};

enum metric_type {
    METRIC_UNKNOWN,
    METRIC_COUNTER,
    METRIC_GAUGE,
    METRIC_HISTOGRAM,
    METRIC_GAUGEHISTOGRAM,
    METRIC_SUMMARY,
    METRIC_INFO,
    METRIC_STATESET,
};

struct metadata {
    struct str metric; /* family name */
    enum metric_type type;
    struct str help, unit;
};

/* "counter", "gauge", ... "unknown". */
const char *metric_type_text(enum metric_type type);

/* The type with that name ("untyped" is unknown); false where there is none. */
bool metric_type_of(struct str text, enum metric_type *ret);

#endif
