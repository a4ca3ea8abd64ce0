#include <math.h>

#include "base/vec.h"
#include "model/sample.h"
#include "rules/group_inside.h"

/* The last point of an ALERTS_FOR_STATE series. */
struct last {
    int64_t ts_ms;
    double value; /* seconds since 1970 when the alert became active */
};

/* The alert's key is that of the series without its name. */
static struct str bare(struct str key, struct arena *a)
{
    struct group_labels labels = {0};
    struct str out = STR("");
    group_labels_read(&labels, key);
    group_labels_set(&labels, LABEL_METRIC, STR(""));
    if (group_labels_key(&labels, a, &out, NULL) != 0)
        out = STR(""); /* a key from the store is within the limits; no alert has an empty one */
    vec_free(&labels);
    return out;
}

static void take(struct map *m, const struct series_view *view, struct arena *a)
{
    const struct column *c = &view->column;
    if (c->n == 0 || (c->histogram && c->histogram[c->n - 1]))
        return;
    struct last *last = arena_new(a, sizeof *last);
    *last = (struct last){c->ts_ms[c->n - 1], c->value[c->n - 1]};
    if (!isnan(last->value) && fabs(last->value) < 1e12)
        map_put(m, bare(view->key, a), NULL)->p = last;
}

static int read_states(const struct group_rule *r, const struct group_world *w, int64_t now_ms,
                       struct arena *a, struct map *ret, struct why *why)
{
    const struct matcher matchers[] = {
        {MATCH_EQUAL, LABEL_METRIC, STR("ALERTS_FOR_STATE")},
        {MATCH_EQUAL, STR("alertname"), r->rule->alert},
    };
    struct select how = {.matchers = matchers,
                         .matchers_n = COUNTOF(matchers),
                         .from_ms = now_ms - w->for_outage_tolerance_ms,
                         .to_ms = now_ms,
                         .want = SELECT_SAMPLES};
    struct series_cursor *c;
    struct series_view view;
    int more, err = w->store->ops->select(w->store, w->tenant, &how, &c, why);
    if (err != 0)
        return err;
    while ((more = w->store->ops->next(c, &view, why)) == 1)
        take(ret, &view, a);
    w->store->ops->close(c);
    return more;
}

/* When the alert is to count as having become active. */
static int64_t active_of(const struct group_rule *r, const struct group_world *w, int64_t now_ms,
                         const struct last *last)
{
    int64_t active = (int64_t)last->value * 1000;
    int64_t pended = last->ts_ms - active, remaining = r->rule->for_ms - pended;
    if (remaining <= 0)
        return active; /* it fired when the daemon went down, and will again */
    if (remaining < w->for_grace_period_ms)
        return now_ms + w->for_grace_period_ms - r->rule->for_ms;
    return active + (now_ms - last->ts_ms);
}

/* The states are read before the lock is taken: who looks at the group waits for no disk. */
static void restore_rule(struct group *g, struct group_rule *r, const struct group_world *w,
                         int64_t now_ms)
{
    struct arena arena;
    struct map states;
    struct why why = {0};
    arena_init(&arena);
    map_init(&states, 0);
    if (read_states(r, w, now_ms, &arena, &states, &why) != 0 && w->warn)
        w->warn(w->context, why.text);
    size_t at = 0;
    thread_lock(&g->lock);
    for (struct map_slot *m; (m = map_next(&r->active, &at)) != NULL;) {
        struct group_alert *a = m->value.p;
        union map_value *known = map_get(&states, a->key);
        if (known == NULL)
            continue;
        a->active_ms = active_of(r, w, now_ms, known->p);
        a->changed = true;
    }
    thread_unlock(&g->lock);
    map_done(&states);
    arena_done(&arena);
}

void group_restore(struct group *g, const struct group_world *w, int64_t now_ms)
{
    for (size_t i = 0; i < g->rules->rules_n; i++) {
        struct group_rule *r = &g->v[i];
        /* One that waits less than the grace period loses nothing by waiting again. */
        if (!r->restored && r->rule->alert.n > 0 && r->rule->for_ms >= w->for_grace_period_ms)
            restore_rule(g, r, w, now_ms);
        r->restored = true;
    }
    g->restore = false;
}
