/* rules/rules.h - recording and alerting rules: groups of them, evaluated at fixed times.
 *
 * Flow:    rule files -> groups -> query/promql at t -> recorded series, ALERTS -> sink;
 *          state changes -> alert_sink (model/alert.h), who sends them is another module's business
 * Source:  Prometheus, rules/: times, states, restoring, staleness (see the manual, rules.md).
 * Threads: rules_view() and rules_reload() from any; evaluation is on the module's own thread(s).
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
#include "base/str.h"
#include "rules/rule_file.h"

struct rules;

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
 * not change keep their state. */
MUST_USE int rules_reload(struct rules *r, struct why *why);

#endif
