#include <stdlib.h>

#include "rules/group_inside.h"

static int alert_cmp(const void *a, const void *b)
{
    return labels_cmp(((const struct alert_view *)a)->labels,
                      ((const struct alert_view *)b)->labels);
}

static void view_alerts(const struct group_rule *r, struct arena *a, struct rule_view *ret)
{
    size_t at = 0;
    ret->alerts = arena_array(a, r->active.n + 1, sizeof *ret->alerts);
    for (struct map_slot *m; (m = map_next(&r->active, &at)) != NULL;) {
        const struct group_alert *alert = m->value.p;
        if (alert->state == ALERT_INACTIVE || !alert->kept)
            continue;
        bool kept = alert->keep_since_ms != GROUP_NEVER;
        ret->state = MAX(ret->state, alert->state);
        ret->alerts[ret->alerts_n++] =
            (struct alert_view){.labels = arena_str(a, alert->key),
                                .annotations = arena_str(a, alert->annotations),
                                .state = alert->state,
                                .active_ms = alert->active_ms,
                                .keep_firing_since_ms = kept ? alert->keep_since_ms : 0,
                                .value = alert->value};
    }
    if (ret->alerts_n > 1)
        qsort(ret->alerts, ret->alerts_n, sizeof *ret->alerts, alert_cmp);
}

static struct str text_of(const struct promql_expr *e, struct arena *a)
{
    struct buf text;
    buf_init(&text, (size_t)4 * PROMQL_TEXT_MAX);
    promql_print(e, &text);
    struct str out = arena_str(a, buf_str(&text));
    buf_done(&text);
    return out;
}

static void view_rule(const struct group_rule *r, struct arena *a, struct rule_view *ret)
{
    const struct rule *rule = r->rule;
    *ret = (struct rule_view){
        .alerting = rule->alert.n > 0,
        .name = arena_str(a, rule->alert.n > 0 ? rule->alert : rule->record),
        .query = text_of(rule->tree, a),
        .hold = rule->hold_tree != NULL ? text_of(rule->hold_tree, a) : STR(""),
        .labels = group_labels_pairs(r->labels, r->labels_n, a),
        .annotations = group_labels_pairs(rule->annotations, rule->annotations_n, a),
        .for_ms = rule->for_ms,
        .keep_firing_for_ms = rule->keep_firing_for_ms,
        .health = r->health,
        .last_error = arena_str(a, str_c(r->error ? r->error : "")),
        .evaluation_ns = r->took_ns,
        .last_evaluation_ms = r->at_ms,
        .state = ALERT_INACTIVE};
    view_alerts(r, a, ret);
}

void group_view(struct group *g, struct arena *a, struct group_view *ret)
{
    thread_lock(&g->lock);
    *ret = (struct group_view){.name = arena_str(a, g->rules->name),
                               .file = arena_str(a, str_c(g->file)),
                               .interval_ms = g->interval_ms,
                               .limit = g->rules->limit,
                               .evaluation_ns = g->took_ns,
                               .last_evaluation_ms = g->at_ms,
                               .rules_n = g->rules->rules_n};
    ret->rules = arena_array(a, g->rules->rules_n + 1, sizeof *ret->rules);
    for (size_t i = 0; i < g->rules->rules_n; i++)
        view_rule(&g->v[i], a, &ret->rules[i]);
    thread_unlock(&g->lock);
}

size_t group_failing(struct group *g)
{
    size_t n = 0;
    thread_lock(&g->lock);
    for (size_t i = 0; i < g->rules->rules_n; i++)
        n += g->v[i].health == RULE_ERR;
    thread_unlock(&g->lock);
    return n;
}
