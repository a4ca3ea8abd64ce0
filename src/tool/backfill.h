/* tool/backfill.h - evaluates recording rules over the past and writes what they give.
 *
 * Rules are evaluated at the times at which the daemon would have run them, window by window, in
 * the order of the group, so that a rule sees what the ones before it gave. A series that a rule
 * ceases to give gets a staleness marker. The same run twice writes the same samples.
 *
 * Flow:    group -> query of a window -> points under the rule's labels -> write
 * Threads: one.
 */
#ifndef TOOL_BACKFILL_H
#define TOOL_BACKFILL_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "rules/group.h"

struct backfill_point {
    struct str key; /* canonical */
    int64_t ts_ms;
    double value;
    const struct histogram *histogram; /* NULL: a float */
};

struct backfill_points {
    struct backfill_point *v;
    size_t n, capacity;
};

/* Where series are read and written. */
struct backfill_store {
    void *context;
    /* The points of a range query, under the labels that it gives; memory from a. */
    int (*query)(void *context, const struct rule *rule, int64_t start_ms, int64_t end_ms,
                 int64_t step_ms, struct arena *a, struct backfill_points *ret, struct why *why);
    /* Writes points, those of a series together; they can be read when it returns. */
    int (*write)(void *context, const struct backfill_point *v, size_t n, struct why *why);
    /* How far it is, after each window; may be NULL. */
    void (*progress)(void *context, const struct group *g, int64_t until_ms, uint64_t samples);
};

/* Runs q and adds the points of its answer; memory from a. */
MUST_USE int backfill_run(const struct promql_query *q, struct arena *a,
                          struct backfill_points *ret, struct why *why);

/* Evaluates the recording rules of g at its times in [start_ms, end_ms] and adds what was written
 * to *samples. Stops at the first fault. */
MUST_USE int backfill_group(struct group *g, int64_t start_ms, int64_t end_ms,
                            const struct backfill_store *store, uint64_t *samples, struct why *why);

#endif
