#include "rules/group.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/vec.h"
#include "rules/group_inside.h"

/* ---- life */

static int pair_cmp(const void *a, const void *b)
{
    return str_cmp(((const struct rule_pair *)a)->name, ((const struct rule_pair *)b)->name);
}

/* A rule's labels on top of its group's. */
static void merge_labels(struct group_rule *r, const struct rule_group *group)
{
    const struct rule *rule = r->rule;
    r->labels = mem_array(group->labels_n + rule->labels_n + 1, sizeof *r->labels);
    for (size_t i = 0; i < rule->labels_n; i++)
        r->labels[r->labels_n++] = rule->labels[i];
    for (size_t i = 0; i < group->labels_n; i++) {
        bool own = false;
        for (size_t k = 0; k < rule->labels_n && !own; k++)
            own = str_eq(rule->labels[k].name, group->labels[i].name);
        if (!own)
            r->labels[r->labels_n++] = group->labels[i];
    }
    qsort(r->labels, r->labels_n, sizeof *r->labels, pair_cmp);
}

struct group *group_new(const struct rule_group *rules, struct str file, int64_t interval_ms,
                        bool restore)
{
    struct group *g = mem_new(sizeof *g);
    g->rules = rules;
    g->file = mem_text(file.p, file.n);
    g->interval_ms = rules->interval_ms > 0 ? rules->interval_ms : interval_ms;
    g->hash = hash_xxh3(rules->name.p, rules->name.n, hash_xxh3(file.p, file.n, 0));
    g->v = mem_array(rules->rules_n + 1, sizeof *g->v);
    thread_lock_init(&g->lock);
    map_init(&g->leaving, 0);
    for (size_t i = 0; i < rules->rules_n; i++) {
        struct group_rule *r = &g->v[i];
        r->rule = &rules->rules[i];
        r->restored = !restore;
        g->restore |= restore && r->rule->alert.n > 0;
        map_init(&r->written, 0);
        map_init(&r->active, 0);
        map_init(&r->gone, 0);
        merge_labels(r, rules);
        r->id = group_keep_id(g, i);
    }
    return g;
}

void group_alerts_clear(struct group_rule *r)
{
    size_t at = 0;
    for (struct map_slot *m; (m = map_next(&r->active, &at)) != NULL;) {
        struct group_alert *a = m->value.p;
        mem_free((void *)(uintptr_t)a->annotations.p);
        mem_free(a);
    }
    map_done(&r->active);
}

void group_free(struct group *g)
{
    if (g == NULL)
        return;
    for (size_t i = 0; i < g->rules->rules_n; i++) {
        group_alerts_clear(&g->v[i]);
        map_done(&g->v[i].written);
        map_done(&g->v[i].gone);
        mem_free(g->v[i].labels);
        mem_free(g->v[i].error);
    }
    map_done(&g->leaving);
    (void)pthread_mutex_destroy(&g->lock);
    mem_free(g->v);
    mem_free(g->file);
    mem_free(g);
}

const struct rule_group *group_rules(const struct group *g)
{
    return g->rules;
}

struct str group_file(const struct group *g)
{
    return str_c(g->file);
}

int64_t group_interval_ms(const struct group *g)
{
    return g->interval_ms;
}

int64_t group_next_ms(const struct group *g, int64_t now_ms)
{
    int64_t offset = (int64_t)(g->hash % (uint64_t)g->interval_ms);
    int64_t past = (now_ms - offset) % g->interval_ms;
    if (past < 0)
        past += g->interval_ms;
    return now_ms - past + g->interval_ms;
}

/* ---- compared and taken over */

static bool same_pairs(const struct rule_pair *a, size_t an, const struct rule_pair *b, size_t bn)
{
    bool same = an == bn;
    for (size_t i = 0; i < an && same; i++)
        same = str_eq(a[i].name, b[i].name) && str_eq(a[i].value, b[i].value);
    return same;
}

static bool same_rule(const struct rule *a, const struct rule *b)
{
    return str_eq(a->record, b->record) && str_eq(a->alert, b->alert) && str_eq(a->expr, b->expr) &&
           str_eq(a->hold, b->hold) && a->for_ms == b->for_ms &&
           a->keep_firing_for_ms == b->keep_firing_for_ms &&
           same_pairs(a->labels, a->labels_n, b->labels, b->labels_n) &&
           same_pairs(a->annotations, a->annotations_n, b->annotations, b->annotations_n);
}

bool group_same(const struct rule_group *a, const struct rule_group *b)
{
    bool same = str_eq(a->name, b->name) && a->interval_ms == b->interval_ms &&
                a->query_offset_ms == b->query_offset_ms &&
                a->has_query_offset == b->has_query_offset && a->limit == b->limit &&
                a->rules_n == b->rules_n &&
                same_pairs(a->labels, a->labels_n, b->labels, b->labels_n);
    for (size_t i = 0; same && i < a->rules_n; i++)
        same = same_rule(&a->rules[i], &b->rules[i]);
    return same;
}

static bool same_identity(const struct group_rule *a, const struct group_rule *b)
{
    return str_eq(a->rule->record, b->rule->record) && str_eq(a->rule->alert, b->rule->alert) &&
           same_pairs(a->labels, a->labels_n, b->labels, b->labels_n);
}

static void swap_maps(struct map *a, struct map *b)
{
    struct map held = *a;
    *a = *b;
    *b = held;
}

static void leave(struct group *g, const struct map *keys)
{
    size_t at = 0;
    for (struct map_slot *m; (m = map_next(keys, &at)) != NULL;)
        (void)map_put(&g->leaving, m->key, NULL);
}

static void take_over(struct group_rule *r, struct group_rule *from)
{
    swap_maps(&r->written, &from->written);
    swap_maps(&r->active, &from->active);
    r->restored = from->restored;
    r->health = from->health;
    r->error = from->error;
    r->took_ns = from->took_ns;
    r->at_ms = from->at_ms;
    from->error = NULL;
}

void group_inherit(struct group *g, struct group *from)
{
    bool *taken = mem_array(from->rules->rules_n + 1, sizeof *taken);
    g->took_ns = from->took_ns;
    g->at_ms = from->at_ms;
    g->restore = false;
    g->rewrite = true;
    g->settling = from->settling;
    for (size_t i = 0; i < g->rules->rules_n; i++) {
        for (size_t k = 0; k < from->rules->rules_n; k++) {
            if (taken[k] || !same_identity(&g->v[i], &from->v[k]))
                continue;
            taken[k] = true;
            take_over(&g->v[i], &from->v[k]);
            break;
        }
        g->v[i].restored |= !from->restore;
        g->restore |= !g->v[i].restored;
    }
    leave(g, &from->leaving);
    for (size_t k = 0; k < from->rules->rules_n; k++)
        if (!taken[k])
            leave(g, &from->v[k].written);
    mem_free(taken);
}

void group_series(const struct group *g, struct arena *a, struct str **ret, size_t *ret_n)
{
    size_t n = g->leaving.n, used = 0;
    for (size_t i = 0; i < g->rules->rules_n; i++)
        n += g->v[i].written.n;
    struct str *keys = arena_array(a, n + 1, sizeof *keys);
    for (size_t i = 0; i <= g->rules->rules_n; i++) {
        const struct map *from = i < g->rules->rules_n ? &g->v[i].written : &g->leaving;
        size_t at = 0;
        for (struct map_slot *m; (m = map_next(from, &at)) != NULL;)
            keys[used++] = arena_str(a, m->key);
    }
    *ret = keys;
    *ret_n = used;
}

bool group_writes(struct group *g, struct str key)
{
    bool found = false;
    thread_lock(&g->lock);
    for (size_t i = 0; i < g->rules->rules_n && !found; i++)
        found = map_get(&g->v[i].written, key) != NULL;
    thread_unlock(&g->lock);
    return found;
}

bool group_wants_restore(const struct group *g)
{
    return g->restore;
}
