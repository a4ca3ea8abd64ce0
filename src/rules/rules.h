/* rules/rules.h - recording and alerting rules: groups of them, evaluated at fixed times.
 *
 * A group runs at t = k * interval + hash(file, name) mod interval; runs that were missed are
 * skipped and counted. Few threads take the groups in the order of their times, so that a slow
 * group delays others only once as many are slow as there are threads.
 *
 * Flow:    rule files -> groups -> query/promql at t -> recorded series, ALERTS -> sink;
 *          state changes -> alert_sink (model/alert.h), who sends them is another module's business
 * Source:  Prometheus, rules/: times, states, restoring, staleness (see the manual, rules.md).
 * Threads: rules_view(), rules_problem() and rules_reload() from any; evaluation is on the module's
 *          own threads, which share one lane of the sink.
 */
#ifndef RULES_RULES_H
#define RULES_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/option.h"
#include "base/str.h"
#include "model/alert.h"
#include "model/sink.h"
#include "query/promql/promql.h"
#include "rules/rule_file.h"
#include "store/face/series.h"

/* [rules] of the configuration. */
struct rules_settings {
    struct option_list files;           /* globs */
    struct option_list external_labels; /* "name=value" */
    const char *external_url, *tenant;
    int64_t evaluation_interval_ms, query_offset_ms;
    int64_t for_grace_period_ms, for_outage_tolerance_ms, resend_delay_ms;
    int64_t concurrency;             /* threads */
    int64_t timeout_ms, samples_max; /* of one rule's query */
    int64_t groups_max;
    struct str external_key; /* no option: labels (a bare key) where external_labels is empty */
};

extern const struct option_table rules_options;

/* Can the settings be worked with: labels, tenant, URL? */
MUST_USE int rules_settings_check(const struct rules_settings *s, struct why *why);

/* settings.external_labels as a canonical key (without __name__); memory from a. Also what federate
 * and remote read add. */
MUST_USE int rules_external_labels(const struct rules_settings *s, struct arena *a, struct str *ret,
                                   struct why *why);

struct rules;
struct pool;  /* os/pool.h */
struct state; /* store/state/state.h */

/* Everything but settings and options outlives the rules. */
struct rules_config {
    const struct rules_settings *settings;
    struct series_store *store;
    struct sink *sink;
    size_t lane; /* of the sink; nobody else's */
    const struct clock *clock;
    struct alert_sink *alerts; /* may be NULL */
    struct promql_options options;
    int64_t lookback_ms; /* 0: 5 minutes */
    uint64_t bytes_max;  /* memory of one query; 0: no limit */
    struct pool *pool;   /* that queries may share work with; may be NULL */
    struct state *state; /* where states of alerts are kept over restarts; NULL: nowhere */
    /* Hears what an operator should: rules that fail, files that are bad. May be NULL; any thread.
     */
    void (*warn)(void *context, const char *text);
    void *context;
};

/* Reads the rule files; what is wrong with them is told by rules_problem(), the good ones are
 * there. Nothing is evaluated before rules_start(). */
MUST_USE int rules_new(const struct rules_config *config, struct rules **ret, struct why *why);
void rules_start(struct rules *r);

/* Ends the threads; queries in progress are canceled. NULL is fine. */
void rules_free(struct rules *r);

/* Evaluates every group that is due, in the calling thread, instead of rules_start(): for tests
 * that turn the clock. Returns how many ran; *ret_next_ms (may be NULL) is when the next is due. */
size_t rules_run(struct rules *r, int64_t *ret_next_ms);

/* What is wrong with the rule files in force or with those of the last reload; empty where nothing
 * is. Memory from a. */
struct str rules_problem(struct rules *r, struct arena *a);

/* Rules whose last evaluation failed. */
size_t rules_failing(struct rules *r);

enum rule_health { RULE_UNKNOWN, RULE_OK, RULE_ERR };             /* "unknown", "ok", "err" */
enum alert_state { ALERT_INACTIVE, ALERT_PENDING, ALERT_FIRING }; /* "inactive", ... */

const char *rule_health_text(enum rule_health h);
const char *alert_state_text(enum alert_state s);

/* A picture of all groups at one moment, for the API and the page; all memory is the arena's. */
struct alert_view {
    struct str labels, annotations; /* canonical keys; annotations likewise as name/value pairs */
    enum alert_state state;         /* PENDING or FIRING */
    int64_t active_ms;
    int64_t keep_firing_since_ms; /* 0: not kept */
    double value;
};

struct rule_view {
    bool alerting;
    struct str name, query; /* query: canonical text of the expression */
    struct str hold;        /* what keeps an alert firing beside query; "": nothing */
    struct str labels;      /* key of the rule's own labels (templates unexpanded) */
    struct str annotations; /* likewise */
    int64_t for_ms, keep_firing_for_ms;
    enum rule_health health;
    struct str last_error;                     /* "" where none */
    int64_t evaluation_ns, last_evaluation_ms; /* 0: never */
    enum alert_state state;
    struct alert_view *alerts; /* [alerts_n] */
    size_t alerts_n;
};

struct group_view {
    struct str name, file;
    int64_t interval_ms;
    uint64_t limit;
    int64_t evaluation_ns, last_evaluation_ms;
    struct rule_view *rules; /* [rules_n] */
    size_t rules_n;
};

struct rules_view {
    struct group_view *groups; /* [groups_n], by file, then as they stand in it */
    size_t groups_n;
};

void rules_view(struct rules *r, struct arena *a, struct rules_view *ret);

/* Reads the rule files again; where one is bad, all stays as it was and why tells. Groups that did
 * not change keep their state and their times; those that vanished are ended by staleness markers.
 */
MUST_USE int rules_reload(struct rules *r, struct why *why);

/* Groups that are made elsewhere (custom alerts), beside those of files, in place of the last ones
 * given so; taken over. NULL: none. */
void rules_own_set(struct rules *r, struct rule_file *f);

/* As rules_reload(), with other settings (copied); concurrency stays. */
MUST_USE int rules_reload_with(struct rules *r, const struct rules_settings *settings,
                               struct why *why);

#endif
