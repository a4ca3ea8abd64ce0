/* tool/backfill_remote.h - backfilling a running daemon: queries through its API, samples by remote
 * write.
 *
 * Native histograms cannot be taken from the query API, which shows their bounds alone: a rule that
 * gives some is a fault here.
 *
 * Threads: one.
 */
#ifndef TOOL_BACKFILL_REMOTE_H
#define TOOL_BACKFILL_REMOTE_H

#include "tool/backfill.h"

struct backfill_remote {
    const char *server; /* "http://127.0.0.1:7663" */
    const char *tenant;
};

/* The functions for backfill_store, with a struct backfill_remote as context. */
MUST_USE int backfill_remote_query(void *context, const struct rule *rule, int64_t start_ms,
                                   int64_t end_ms, int64_t step_ms, struct arena *a,
                                   struct backfill_points *ret, struct why *why);
MUST_USE int backfill_remote_write(void *context, const struct backfill_point *v, size_t n,
                                   struct why *why);

#endif
