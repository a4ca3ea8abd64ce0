/* ingest/ingest.h - the sink that all writers see: it relabels, checks, limits and counts what goes
 * into the store's sink behind it.
 *
 * Rows that [[ingest.relabel]] drops count as taken for whoever wrote them.
 *
 * Refused here: timestamps too far ahead (-ERR_FUTURE), series names past the limits (-ERR_LIMIT),
 * histograms that contradict themselves (-ERR_FORMAT). What only the store knows (too old, too many
 * series, malformed labels) it refuses itself; both are counted here by tenant and reason, and the
 * last ones are kept for the status API.
 *
 * Flow:    collect, receive -> ingest -> store
 * Threads: as model/sink.h; ingest_refusals() from any.
 */
#ifndef INGEST_INGEST_H
#define INGEST_INGEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/clock.h"
#include "base/option.h"
#include "base/str.h"
#include "ingest/ingest_relabel.h"
#include "model/sink.h"

/* [ingest] of the configuration. */
struct ingest_settings {
    int64_t labels_max; /* of one series, __name__ included */
    int64_t label_name_bytes_max;
    int64_t label_value_bytes_max;
    int64_t future_window_ms;   /* how far ahead of the clock a sample may be */
    struct option_rows relabel; /* struct relabel_row */
};

extern const struct option_table ingest_options;

/* Are the rules well-formed? The rows of the table have checked the rest. */
MUST_USE int ingest_settings_check(const struct ingest_settings *settings, struct why *why);

struct ingest;

/* A sink on top of next; clock and next outlive it. The settings have been checked. */
struct ingest *ingest_new(const struct ingest_settings *settings, struct sink *next,
                          const struct clock *clock);
void ingest_free(struct ingest *in); /* NULL is fine */

struct sink *ingest_sink(struct ingest *in);

/* New limits, at once; from any thread. */
void ingest_reload(struct ingest *in, const struct ingest_settings *settings);

enum { INGEST_REFUSALS_MAX = 128 };

struct ingest_refusal {
    int64_t at_ms; /* when it was refused */
    struct str tenant, series;
    int err;           /* -ERR_x */
    struct str reason; /* a sentence */
};

/* The last refusals, newest first; memory from a. */
void ingest_refusals(struct ingest *in, struct arena *a, struct ingest_refusal **ret,
                     size_t *ret_n);

/* What a tenant's writes came to since the start. */
struct ingest_count {
    struct str tenant;
    uint64_t samples, refused;
};

/* All tenants that wrote, in the order of their first write; memory from a. */
void ingest_counts(struct ingest *in, struct arena *a, struct ingest_count **ret, size_t *ret_n);

#endif
