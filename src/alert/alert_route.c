#include "alert/alert_inside.h"

#include "base/hash.h"
#include "base/vec.h"
#include "model/labels.h"

enum { ID_BYTES_MAX = LABELS_KEY_MAX + 64 * 1024 };

static struct str id_of(const struct alert_group *g)
{
    return str_of(g->id, g->id_n);
}

static bool is_grouped_by(const struct plan_route *r, struct str name)
{
    if (r->group_by_all)
        return true;
    for (size_t k = 0; k < r->group_by_n; k++)
        if (str_eq(r->group_by[k], name))
            return true;
    return false;
}

/* route's id, NUL, labels that the route groups by. */
static void put_id(const struct plan_route *r, struct str labels, struct buf *id)
{
    struct label l;
    buf_put_str(id, r->id);
    buf_put_c(id, '\0');
    for (const char *at = labels.p; labels_next(labels, &at, &l, NULL);)
        if (is_grouped_by(r, l.name))
            labels_put(id, l.name, l.value);
}

static char *text_key(const struct plan_route *r, struct str labels)
{
    struct buf b;
    buf_init(&b, (size_t)8 * LABELS_KEY_MAX);
    buf_put_str(&b, r->key);
    buf_put_c(&b, ':');
    if (labels.n)
        labels_print(labels, &b);
    else
        buf_put_str(&b, STR("{}"));
    char *key = mem_text(b.p, b.n);
    buf_done(&b);
    return key;
}

static struct alert_group *make(struct alerting *a, const struct plan_route *r, struct str id)
{
    struct alert_group *g = mem_new(sizeof *g);
    g->route = r;
    g->id = mem_text(id.p, id.n);
    g->id_n = id.n;
    g->hash = hash_xxh3(id.p, id.n, 0);
    g->labels = str_sub(id_of(g), r->id.n + 1, id.n);
    g->key = text_key(r, g->labels);
    g->kept = true;
    map_put(&a->groups, id, NULL)->p = g;
    return g;
}

struct alert_group *alert_route_group(struct alerting *a, const struct plan_route *r,
                                      struct str labels, bool *ret_new)
{
    struct buf id;
    buf_init(&id, ID_BYTES_MAX);
    put_id(r, labels, &id);
    union map_value *v = map_get(&a->groups, buf_str(&id));
    *ret_new = v == NULL;
    struct alert_group *g = v ? v->p : make(a, r, buf_str(&id));
    buf_done(&id);
    return g;
}

void alert_route_free(struct alert_group *g)
{
    if (g == NULL)
        return;
    vec_free(&g->items);
    mem_free(g->id);
    mem_free(g->key);
    mem_free(g);
}

static void touch(struct alerting *a, struct alert_group *g)
{
    if (!g->dirty) {
        g->dirty = true;
        vec_push(&a->batch.groups, g);
    }
}

void alert_route_drop(struct alerting *a, struct alert_group *g)
{
    alert_timer_drop(&a->due, &g->timer);
    (void)map_drop(&a->groups, id_of(g)); /* it may have been taken out by who walks the map */
    if (g->stored)
        vec_push(&a->batch.groups_gone, arena_str(&a->batch.arena, id_of(g)));
    for (size_t k = 0; g->dirty && k < a->batch.groups.n; k++)
        if (a->batch.groups.v[k] == g)
            a->batch.groups.v[k] = NULL;
    alert_route_free(g);
}

static bool is_in(const struct alert_item *i, const struct alert_group *g)
{
    for (size_t k = 0; k < i->groups.n; k++)
        if (i->groups.v[k] == g)
            return true;
    return false;
}

/* The group has not been told and the alert has waited long enough. */
static bool is_late(const struct alert_group *g, const struct alert_item *i, int64_t now_ms)
{
    return !g->flushed && i->starts_ms + g->route->group_wait_ms < now_ms;
}

static void insert(struct alerting *a, const struct plan_route *r, struct alert_item *i,
                   int64_t now_ms, bool arrived)
{
    bool fresh;
    struct alert_group *g = alert_route_group(a, r, i->labels, &fresh);
    if (!is_in(i, g)) {
        vec_push(&g->items, i);
        vec_push(&i->groups, g);
    }
    if (fresh) {
        alert_timer_set(&a->due, &g->timer, now_ms + r->group_wait_ms);
        touch(a, g);
    }
    if ((fresh || arrived) && is_late(g, i, now_ms) && g->timer.at_ms > now_ms) {
        alert_timer_set(&a->due, &g->timer, now_ms);
        touch(a, g);
    }
}

/* Has the alert left that group since it was resolved? */
static bool has_left(const struct plan_route *r, const struct alert_item *i)
{
    if (i->gone.n == 0)
        return false;
    struct buf id;
    buf_init(&id, ID_BYTES_MAX);
    put_id(r, i->labels, &id);
    bool left = alert_item_set_has(&i->gone, hash_xxh3(id.p, id.n, 0));
    buf_done(&id);
    return left;
}

/* Groups are in the order of the plan, whatever happened before: the first is that of ladders. */
static size_t put_in_order(struct alert_item *i, const struct plan_route *r, size_t place)
{
    for (size_t k = place; k < i->groups.n; k++) {
        struct alert_group *g = i->groups.v[k];
        if (g->route != r)
            continue;
        i->groups.v[k] = i->groups.v[place];
        i->groups.v[place] = g;
        return place + 1;
    }
    return place;
}

void alert_route_item(struct alerting *a, struct alert_item *i, int64_t now_ms, bool arrived)
{
    struct arena arena;
    const struct plan_route *const *routes;
    size_t n;
    arena_init(&arena);
    plan_routes(a->plan, i->labels, &arena, &routes, &n);
    for (size_t k = 0; k < n; k++)
        if (!i->resolved || !has_left(routes[k], i))
            insert(a, routes[k], i, now_ms, arrived);
    for (size_t k = 0, place = 0; k < n; k++)
        place = put_in_order(i, routes[k], place);
    arena_done(&arena);
}

/* ---- another plan, another start */

static const struct plan_route *find_route(const struct plan_route *r, struct str id)
{
    const struct plan_route *found = str_eq(r->id, id) ? r : NULL;
    for (size_t k = 0; found == NULL && k < r->routes_n; k++)
        found = find_route(&r->routes[k], id);
    return found;
}

static struct str route_id(struct str id)
{
    return str_sub(id, 0, str_find(id, '\0'));
}

void alert_route_load(struct alerting *a, struct str id, int64_t next_ms, bool flushed,
                      uint64_t run)
{
    const struct plan_route *r = find_route(a->plan->root, route_id(id));
    if (r == NULL || str_find(id, '\0') == id.n || map_get(&a->groups, id)) {
        vec_push(&a->batch.groups_gone, arena_str(&a->batch.arena, id));
        return;
    }
    struct alert_group *g = make(a, r, id);
    int64_t interval = MAX(r->group_interval_ms, 1);
    g->flushed = flushed;
    g->stored = true;
    if (run < a->run && next_ms <= a->ran_until_ms) { /* ticks since then were looked at */
        next_ms += ((a->ran_until_ms - next_ms) / interval + 1) * interval;
        g->flushed = true;
    }
    alert_timer_set(&a->due, &g->timer, next_ms);
}

static bool is_wanted(const struct alert_group *g)
{
    return g->kept;
}

static bool is_filled(const struct alert_group *g)
{
    return g->items.n > 0;
}

static void drop_unless(struct alerting *a, bool (*good)(const struct alert_group *g))
{
    struct {
        struct alert_group **v;
        size_t n, capacity;
    } old = {0};
    size_t at = 0;
    for (struct map_slot *m; (m = map_next(&a->groups, &at)) != NULL;) {
        struct alert_group *g = m->value.p;
        if (!good(g))
            vec_push(&old, g);
    }
    for (size_t k = 0; k < old.n; k++)
        alert_route_drop(a, old.v[k]);
    vec_free(&old);
}

void alert_route_all(struct alerting *a, int64_t now_ms)
{
    size_t at = 0;
    for (struct map_slot *m; (m = map_next(&a->groups, &at)) != NULL;) {
        struct alert_group *g = m->value.p;
        g->items.n = 0;
        g->route = find_route(a->plan->root, route_id(id_of(g)));
        g->kept = g->route != NULL;
    }
    at = 0;
    for (struct map_slot *m; (m = map_next(&a->items, &at)) != NULL;)
        ((struct alert_item *)m->value.p)->groups.n = 0;
    drop_unless(a, is_wanted);
    at = 0;
    for (struct map_slot *m; (m = map_next(&a->items, &at)) != NULL;) {
        struct alert_item *i = m->value.p;
        if (i->done_ms == 0)
            alert_route_item(a, i, now_ms, false);
    }
    drop_unless(a, is_filled);
}
