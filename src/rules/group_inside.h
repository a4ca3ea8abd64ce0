/* rules/group_inside.h - what the group_*.c files share: states of rules and alerts.
 *
 * Threads: see group.h. The evaluating thread alone changes states, under the group's lock where
 * group_view() reads them.
 */
#ifndef RULES_GROUP_INSIDE_H
#define RULES_GROUP_INSIDE_H

#include "base/map.h"
#include "model/labels.h"
#include "rules/group.h"

/* "Has not happened": every other time is legal. */
#define GROUP_NEVER INT64_MIN

enum {
    GROUP_KEY_MAX = LABELS_KEY_MAX,
    GROUP_TEXT_MAX = 1 << 20, /* bytes of an expanded template */
    GROUP_RESOLVED_KEPT_MS = 15 * 60 * 1000,
};

/* An alert of a rule: pending, firing, or resolved and kept. */
struct group_alert {
    struct str key; /* canonical, without __name__ */
    struct str annotations;
    enum alert_state state; /* INACTIVE: resolved */
    int64_t active_ms, fired_ms, resolved_ms, keep_since_ms, sent_ms, valid_until_ms;
    double value;
    bool changed; /* since it was written down */
    bool kept;    /* it was written down once: others may see it */
    bool resend;  /* taken up after a restart: the sink may not have heard of it */
};

struct group_rule {
    const struct rule *rule;
    struct rule_pair *labels; /* [labels_n] owned: the group's and the rule's own, which go first */
    size_t labels_n;
    struct map written; /* keys of the last run */
    struct map active;  /* key -> struct group_alert * */
    struct map gone;    /* keys of alerts that are still written down and are to be dropped */
    uint64_t id;        /* the same as long as name and labels are */
    bool ran;           /* its last evaluation went well */
    bool restored;
    enum rule_health health;
    char *error; /* owned; NULL where none */
    int64_t took_ns, at_ms;
};

struct group {
    const struct rule_group *rules;
    char *file;
    int64_t interval_ms;
    uint64_t hash;
    bool restore;
    pthread_mutex_t lock; /* of what group_view() reads */
    int64_t took_ns, at_ms;
    bool rewrite;       /* what is written down of it is no longer right: all of it anew */
    bool settling;      /* its alerts were taken up after a restart, and it has not run yet */
    struct map leaving; /* keys that get a staleness marker with the next run */
    struct group_rule *v;
};

/* A sample on its way into the store. */
struct group_row {
    struct str key;
    double value;
    const struct histogram *histogram;
    int err; /* [out] */
};

struct group_rows {
    struct group_row *v;
    size_t n, capacity;
};

/* One evaluation of one rule. */
struct group_step {
    struct group *group;
    struct group_rule *rule;
    const struct group_world *world;
    int64_t t_ms, ts_ms; /* of the run; of its queries and samples (t less the offset) */
    struct arena *arena;
    struct group_rows *rows; /* what the rule gives */
    struct why *why;
};

/* An instant query at the step's time. */
MUST_USE int group_query(const struct group_step *s, const struct promql_expr *tree,
                         struct promql_result **ret);

/* Both fill rows. On failure nothing has changed (but limits, which drop a rule's alerts). */
MUST_USE int group_record(struct group_step *s);
MUST_USE int group_alert(struct group_step *s);

/* Tells the sink of the rule's alerts that it should hear of. */
void group_send(const struct group_step *s);

/* Writes down what this run has changed, in one transaction. */
void group_keep(struct group *g, const struct group_world *w, int64_t t_ms);

/* The number of the i-th rule in what is written down. */
uint64_t group_keep_id(const struct group *g, size_t i);

/* Writes rows at ts_ms and sets their err; -ERR_x of the first that failed. */
int group_write(const struct group_world *w, struct group_row *rows, size_t n, int64_t ts_ms,
                struct why *why);

void group_alerts_clear(struct group_rule *r);

/* --- labels as they are built: group_labels.c --------------------------------------------------
 */

struct group_labels {
    struct label *v;
    size_t n, capacity;
};

void group_labels_read(struct group_labels *l, struct str key);

/* An empty value removes the label. */
void group_labels_set(struct group_labels *l, struct str name, struct str value);

/* Their canonical key, in a. */
MUST_USE int group_labels_key(struct group_labels *l, struct arena *a, struct str *ret,
                              struct why *why);

/* The key of pairs as they stand (a rule's own labels, its annotations). */
struct str group_labels_pairs(const struct rule_pair *v, size_t n, struct arena *a);

#endif
