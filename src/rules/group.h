/* rules/group.h - one group of rules: its states, and one run of it at a time t.
 *
 * A group knows nothing of threads and clocks: who calls group_evaluate() says when it is. That is
 * the daemon (rules.c), a unit test with simulated time, or a backfill.
 *
 * Flow:    world + t -> queries, in the order of the rules -> samples into the sink, states, alerts
 * Source:  Prometheus, rules/group.go's behaviour as its documentation and tests show it.
 * Threads: one calls evaluate, restore or inherit at a time; group_view() and group_health() come
 *          from any.
 */
#ifndef RULES_GROUP_H
#define RULES_GROUP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/str.h"
#include "os/thread.h"
#include "rules/keeper.h"
#include "rules/rules.h"

/* What rules are evaluated over. */
struct group_world {
    struct series_store *store;
    struct sink *sink;
    size_t lane;
    pthread_mutex_t *lane_lock; /* held while the lane is used; NULL where one thread has it */
    struct tenant *tenant;
    const struct clock *clock; /* measures how long rules take */
    const struct promql_options *options;
    struct promql_limits limits;
    int64_t lookback_ms;         /* 0: 5 minutes */
    struct pool *pool;           /* may be NULL */
    const atomic_bool *canceled; /* may be NULL */
    struct str external_labels;  /* canonical key without __name__ */
    struct str external_url;     /* without a slash at its end */
    int64_t query_offset_ms;     /* of groups that say none */
    int64_t interval_ms;         /* the global one: steps of subqueries */
    int64_t resend_delay_ms;
    int64_t for_grace_period_ms, for_outage_tolerance_ms;
    struct alert_sink *alerts;                     /* may be NULL */
    struct keeper *keeper;                         /* may be NULL: states are in memory alone */
    void (*warn)(void *context, const char *text); /* may be NULL */
    void *context;
};

struct group;

/* A group of rules, which it borrows. With restore, its alerts write nothing before
 * group_restore(). */
struct group *group_new(const struct rule_group *rules, struct str file, int64_t interval_ms,
                        bool restore);
void group_free(struct group *g); /* NULL is fine */

const struct rule_group *group_rules(const struct group *g);
struct str group_file(const struct group *g);
int64_t group_interval_ms(const struct group *g);

/* Do both say the same (whatever the lines they stand in)? */
bool group_same(const struct rule_group *a, const struct rule_group *b);

/* The group's first time after now_ms: k * interval + hash(file, name) mod interval. */
int64_t group_next_ms(const struct group *g, int64_t now_ms);

/* What a run came to. */
struct group_outcome {
    uint64_t evaluated, failed; /* rules */
    uint64_t samples;           /* results */
    bool canceled;              /* it did not come to its end */
};

/* Runs all rules at t_ms. Rules that fail keep their states and series; why is in group_view(). */
void group_evaluate(struct group *g, const struct group_world *w, int64_t t_ms,
                    struct group_outcome *ret);

/* Is it still to be restored? After that its alerts are written. */
bool group_wants_restore(const struct group *g);

/* Takes up when alerts became active from ALERTS_FOR_STATE as it was before a restart. */
void group_restore(struct group *g, const struct group_world *w, int64_t now_ms);

/* Takes up the alerts that were written down before a restart; false where nothing is known of
 * them (then group_restore() has its turn). Before the first run, in which an alert that is missing
 * counts as being there still: samples may not have arrived yet. */
bool group_take_up(struct group *g, const struct group_world *w, int64_t now_ms);

/* Takes over states and series of from, which is not used any more, rule by rule (same name, same
 * labels). Series of rules that are gone get a staleness marker with the next run. */
void group_inherit(struct group *g, struct group *from);

/* The keys of all series that the last runs wrote; memory from a. */
void group_series(const struct group *g, struct arena *a, struct str **ret, size_t *ret_n);

/* Did the last run write key? */
bool group_writes(struct group *g, struct str key);

/* Writes staleness markers at ts_ms. */
void group_end_series(const struct group_world *w, const struct str *keys, size_t n, int64_t ts_ms);

/* What a result of g's recording rule is called: its name and labels on top of those of key. */
MUST_USE int group_record_key(const struct group *g, size_t rule, struct str key, struct arena *a,
                              struct str *ret, struct why *why);

/* Rules whose last run failed. */
size_t group_failing(struct group *g);

void group_view(struct group *g, struct arena *a, struct group_view *ret);

#endif
