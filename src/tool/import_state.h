/* tool/import_state.h - what the files of `sonde import` share: where samples go, and what was
 * asked for.
 *
 * Flow:    a source -> import_put() .. -> a data directory, or a daemon by remote write
 * Threads: one.
 */
#ifndef TOOL_IMPORT_STATE_H
#define TOOL_IMPORT_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "store/series/store.h"
#include "tool/backfill.h"
#include "tool/offline.h"

enum { IMPORT_PATH_MAX = 4096, IMPORT_POINTS = 65536 };

struct import {
    struct offline offline;
    const char *tenant;
    int64_t from_ms, to_ms; /* inclusive */
    struct store *store;    /* NULL: a daemon gets the samples */
    struct tenant *owner;
    struct arena arena; /* of points that wait */
    struct backfill_points points;
    uint64_t samples, refused, skipped; /* written; not taken; left out of the source */
    uint64_t unflushed;
    char first_refusal[WHY_MAX];
};

/* Writes a sample, some time; key is a canonical key that lives until import_flush(). Samples of a
 * series should come together and in the order of time. -ERR_x where nothing can be written. */
MUST_USE int import_put(struct import *im, struct str key, int64_t ts_ms, double value,
                        const struct histogram *h, struct why *why);

/* Writes what waits. */
MUST_USE int import_flush(struct import *im, struct why *why);

/* Is the time asked for? */
static inline bool import_wants(const struct import *im, int64_t ts_ms)
{
    return ts_ms >= im->from_ms && ts_ms <= im->to_ms;
}

/* A sample that cannot be taken; the first reason is told at the end. */
void import_refused(struct import *im, struct str reason);

/* Something of the source that is damaged or not known, and is left out. */
void import_skipped(struct import *im, struct str reason);

/* Says on a terminal how far it is. */
void import_progress(const struct import *im, const char *what);

/* ---- the sources */

/* Prometheus's data directory (its blocks and its log), or one block. */
MUST_USE int import_tsdb(struct import *im, const char *folder, struct why *why);

/* The log of such a directory; samples up to done_ms are in blocks. */
MUST_USE int import_wal(struct import *im, const char *folder, int64_t done_ms, struct why *why);

/* A file in the text format or OpenMetrics; samples need times. */
MUST_USE int import_text(struct import *im, const char *path, struct why *why);

/* A running server that speaks Prometheus's API. selector "" is all. */
MUST_USE int import_server(struct import *im, const char *url, const char *selector,
                           struct why *why);

#endif
