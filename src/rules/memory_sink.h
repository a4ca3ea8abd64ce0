/* rules/memory_sink.h - a sink into the store in memory: what rules write where time is simulated.
 *
 * Flow:    groups of rules -> memory_sink -> promqltest_store
 * Threads: one at a time.
 */
#ifndef RULES_MEMORY_SINK_H
#define RULES_MEMORY_SINK_H

#include "model/sink.h"
#include "query/promql/promqltest.h"

struct memory_sink {
    struct sink sink; /* hand out &m->sink */
    struct promqltest_store *store;
};

/* Writes into store, which outlives it; every tenant is the same one. */
void memory_sink_init(struct memory_sink *m, struct promqltest_store *store);

#endif
