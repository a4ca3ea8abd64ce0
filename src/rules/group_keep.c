#include <inttypes.h>

#include "base/hash.h"
#include "base/vec.h"
#include "rules/group_inside.h"

struct kept {
    struct keeper_alert *v;
    size_t n, capacity;
};

uint64_t group_keep_id(const struct group *g, size_t i)
{
    const struct group_rule *r = &g->v[i];
    uint64_t id = hash_xxh3(r->rule->alert.p, r->rule->alert.n, 0);
    for (size_t k = 0; k < r->labels_n; k++) {
        id = hash_xxh3(r->labels[k].name.p, r->labels[k].name.n, id);
        id = hash_xxh3(r->labels[k].value.p, r->labels[k].value.n, id);
    }
    /* Rules that say the same of themselves are told apart by their order. */
    for (size_t k = 0; k < i; k++)
        if (g->v[k].id == id)
            id = hash_u64(id + 1);
    return id;
}

/* ---- writing */

static struct keeper_alert row_of(const struct group_rule *r, const struct group_alert *a)
{
    return (struct keeper_alert){.rule = r->id,
                                 .labels = a->key,
                                 .annotations = a->annotations,
                                 .state = a->state,
                                 .active_ms = a->active_ms,
                                 .fired_ms = a->fired_ms,
                                 .resolved_ms = a->resolved_ms,
                                 .keep_since_ms = a->keep_since_ms,
                                 .value = a->value};
}

/* Keys stay where they are until the evaluating thread, which is this one, changes them. */
static void gather(const struct group *g, struct group_rule *r, struct kept *ret)
{
    size_t at = 0;
    for (struct map_slot *m; !g->rewrite && (m = map_next(&r->gone, &at)) != NULL;) {
        struct keeper_alert row = {.rule = r->id, .labels = m->key, .gone = true};
        if (map_get(&r->active, m->key) == NULL)
            vec_push(ret, row);
    }
    at = 0;
    for (struct map_slot *m; (m = map_next(&r->active, &at)) != NULL;) {
        const struct group_alert *a = m->value.p;
        if (a->changed || g->rewrite)
            vec_push(ret, row_of(r, a));
    }
}

/* Without done, all stays marked and is tried again; it is seen all the same. */
static void mark(struct group *g, bool done)
{
    for (size_t i = 0; i < g->rules->rules_n; i++) {
        struct group_rule *r = &g->v[i];
        size_t at = 0;
        for (struct map_slot *m; (m = map_next(&r->active, &at)) != NULL;) {
            struct group_alert *a = m->value.p;
            a->kept = true;
            a->changed &= !done;
        }
        if (done) {
            map_done(&r->gone);
            map_init(&r->gone, 0);
        }
    }
    g->rewrite &= !done;
}

void group_keep(struct group *g, const struct group_world *w, int64_t t_ms)
{
    struct kept all = {0};
    struct why why = {0};
    int err = 0;
    for (size_t i = 0; i < g->rules->rules_n && w->keeper != NULL; i++)
        gather(g, &g->v[i], &all);
    if (w->keeper != NULL && (all.n > 0 || g->rewrite))
        err = keeper_write(w->keeper, str_c(g->file), g->rules->name, all.v, all.n, g->rewrite,
                           t_ms, &why);
    else if (w->keeper != NULL)
        err = keeper_beat(w->keeper, t_ms, &why);
    if (err != 0 && w->warn != NULL)
        w->warn(w->context, why.text);
    thread_lock(&g->lock);
    mark(g, err == 0);
    g->settling = false;
    thread_unlock(&g->lock);
    vec_free(&all);
}

/* ---- taking up */

static struct group_rule *rule_of(struct group *g, uint64_t id)
{
    for (size_t i = 0; i < g->rules->rules_n; i++)
        if (g->v[i].id == id && g->v[i].rule->alert.n > 0)
            return &g->v[i];
    return NULL;
}

static struct group_alert *alert_of(const struct keeper_alert *k)
{
    struct group_alert *a = mem_new(sizeof *a + k->labels.n);
    char *key = (char *)(a + 1);
    memcpy(key, k->labels.p, k->labels.n);
    bool resolved = k->resolved_ms != GROUP_NEVER;
    *a = (struct group_alert){
        .key = str_of(key, k->labels.n),
        .annotations = str_of(mem_text(k->annotations.p, k->annotations.n), k->annotations.n),
        .state = (enum alert_state)k->state,
        .active_ms = k->active_ms,
        .fired_ms = k->fired_ms,
        .resolved_ms = k->resolved_ms,
        .keep_since_ms = k->keep_since_ms,
        .sent_ms = resolved ? k->resolved_ms : k->fired_ms,
        .valid_until_ms = GROUP_NEVER,
        .value = k->value,
        .kept = true,
        .resend = k->state != ALERT_PENDING};
    return a;
}

static void take_up(struct group *g, const struct keeper_alert *k)
{
    struct group_rule *r = rule_of(g, k->rule);
    if (r == NULL || k->state < ALERT_INACTIVE || k->state > ALERT_FIRING) {
        g->rewrite = true;
        return;
    }
    union map_value *at = map_put(&r->active, k->labels, NULL);
    if (at->p == NULL)
        at->p = alert_of(k);
}

bool group_take_up(struct group *g, const struct group_world *w, int64_t now_ms)
{
    struct arena a;
    struct keeper_alert *v = NULL;
    struct why why = {0};
    size_t n = 0;
    if (w->keeper == NULL || !keeper_knows(w->keeper, now_ms, w->for_outage_tolerance_ms))
        return false;
    arena_init(&a);
    int err = keeper_read(w->keeper, str_c(g->file), g->rules->name, &a, &v, &n, &why);
    thread_lock(&g->lock);
    for (size_t i = 0; err == 0 && i < n; i++)
        take_up(g, &v[i]);
    for (size_t i = 0; err == 0 && i < g->rules->rules_n; i++)
        g->v[i].restored = true;
    g->restore &= err != 0;
    g->settling = err == 0 && n > 0;
    thread_unlock(&g->lock);
    arena_done(&a);
    if (err != 0 && w->warn != NULL)
        w->warn(w->context, why.text);
    return err == 0;
}
