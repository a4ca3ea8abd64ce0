/* aggregate/aggregate.h - streaming aggregation: many series become few before they are stored.
 *
 * A sink between ingest and the store. A sample that a rule matches counts in the window of its
 * timestamp, in the group that is left of its labels; a window is written when it is over and the
 * rule's delay has passed, as one sample for each group and output. What is matched is not stored
 * itself unless the rule says so.
 *
 * Windows live in memory: what a crash catches there is lost, though its writers have been told
 * that it was taken. A clean stop writes the windows as far as they have come.
 *
 * Flow:    ingest -> sink_append -> windows; thread -> windows that are over -> store
 * Threads: as model/sink.h; reload and flush from any.
 */
#ifndef AGGREGATE_AGGREGATE_H
#define AGGREGATE_AGGREGATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/option.h"
#include "model/sink.h"

/* One row of [[aggregate]]. */
struct aggregate_row {
    struct option_list metrics; /* regular expressions for names, any of them */
    struct option_list labels;  /* "job=api", "env!=dev", "path=~/v1/.*", "x!~y", all of them */
    struct option_list by, without;
    struct option_list outputs;
    int64_t interval_ms, delay_ms;
    bool keep_input;
};

extern const struct option_table aggregate_options;

/* Are the rows (struct aggregate_row) well-formed? */
MUST_USE int aggregate_check(const struct option_rows *rows, struct why *why);

struct aggregate;

/* A sink on top of next, which gets results on `lane`, nobody else's. rows have been checked. */
struct aggregate *aggregate_new(const struct option_rows *rows, struct sink *next, size_t lane,
                                const struct clock *clock);

/* Writes windows that are over, on a thread of its own, from now on. */
void aggregate_start(struct aggregate *a);

/* The same once, in the calling thread; for tests. */
void aggregate_flush(struct aggregate *a);

/* Ends the thread and writes all windows. */
void aggregate_stop(struct aggregate *a);

/* The same, and frees. NULL is fine. */
void aggregate_free(struct aggregate *a);

struct sink *aggregate_sink(struct aggregate *a);

/* New rules; the windows of the old ones are written first. */
void aggregate_reload(struct aggregate *a, const struct option_rows *rows);

#endif
