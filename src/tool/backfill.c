#include "tool/backfill.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/vec.h"
#include "model/sample.h"

enum { WINDOW_STEPS = 1000 };

struct run {
    struct group *group;
    const struct backfill_store *store;
    int64_t step_ms;
    struct map *open; /* [rules_n] keys that the window before ended with */
    struct arena arena;
    struct why *why;
    uint64_t samples;
};

static int point_cmp(const void *a, const void *b)
{
    const struct backfill_point *x = a, *y = b;
    int order = str_cmp(x->key, y->key);
    return order != 0 ? order : (x->ts_ms > y->ts_ms) - (x->ts_ms < y->ts_ms);
}

/* Under the rule's name and labels. */
static int rename_points(struct run *r, size_t rule, struct backfill_points *points)
{
    struct str from = {0}, to = {0};
    for (size_t i = 0; i < points->n; i++) {
        if (i == 0 || points->v[i].key.p != from.p) {
            from = points->v[i].key;
            int err = group_record_key(r->group, rule, from, &r->arena, &to, r->why);
            if (err != 0)
                return err;
        }
        points->v[i].key = to;
    }
    return 0;
}

static int check_points(struct run *r, const struct backfill_points *points, int64_t from_ms)
{
    uint64_t limit = group_rules(r->group)->limit;
    uint32_t at[WINDOW_STEPS] = {0};
    for (size_t i = 0; i < points->n; i++) {
        size_t step = (size_t)((points->v[i].ts_ms - from_ms) / r->step_ms);
        if (i > 0 && point_cmp(&points->v[i - 1], &points->v[i]) == 0)
            return why_set(r->why, ERR_EXISTS,
                           "vector contains metrics with the same labelset after applying rule "
                           "labels");
        if (limit > 0 && step < WINDOW_STEPS && ++at[step] > limit)
            return why_set(r->why, ERR_LIMIT, "exceeded limit of %" PRIu64 " with more series",
                           limit);
    }
    return 0;
}

static void push_stale(struct backfill_points *out, struct str key, int64_t ts_ms)
{
    struct backfill_point p = {.key = key, .ts_ms = ts_ms, .value = sample_stale()};
    vec_push(out, p);
}

/* The points of a window and the markers between and behind them. open becomes what the window
 * ends with. */
static void close_gaps(struct run *r, const struct backfill_points *points, int64_t from_ms,
                       int64_t to_ms, struct map *open, struct backfill_points *out)
{
    struct map now;
    map_init(&now, 0);
    for (size_t i = 0; i < points->n; i++) {
        const struct backfill_point *p = &points->v[i];
        bool last = i + 1 == points->n || !str_eq(p->key, points->v[i + 1].key);
        int64_t next = last ? to_ms + r->step_ms : points->v[i + 1].ts_ms;
        bool first = i == 0 || !str_eq(p->key, points->v[i - 1].key);
        if (first && map_get(open, p->key) != NULL && p->ts_ms > from_ms)
            push_stale(out, p->key, from_ms);
        vec_push(out, *p);
        if (next - p->ts_ms > r->step_ms)
            push_stale(out, p->key, p->ts_ms + r->step_ms);
        else if (last)
            (void)map_put(&now, p->key, NULL);
        if (first)
            (void)map_drop(open, p->key);
    }
    size_t at = 0;
    for (struct map_slot *m; (m = map_next(open, &at)) != NULL;)
        push_stale(out, arena_str(&r->arena, m->key), from_ms);
    map_done(open);
    *open = now;
}

static int run_rule(struct run *r, size_t i, int64_t from_ms, int64_t to_ms)
{
    const struct rule *rule = &group_rules(r->group)->rules[i];
    struct backfill_points points = {0}, out = {0};
    int err = r->store->query(r->store->context, rule, from_ms, to_ms, r->step_ms, &r->arena,
                              &points, r->why);
    if (err == 0)
        err = rename_points(r, i, &points);
    if (points.n > 1)
        qsort(points.v, points.n, sizeof *points.v, point_cmp);
    if (err == 0)
        err = check_points(r, &points, from_ms);
    if (err == 0) {
        close_gaps(r, &points, from_ms, to_ms, &r->open[i], &out);
        err = r->store->write(r->store->context, out.v, out.n, r->why);
        r->samples += out.n;
    }
    if (err != 0)
        (void)why_prefix(r->why, "group \"%.100s\", rule \"%.100s\"", group_rules(r->group)->name.p,
                         rule->record.p);
    vec_free(&points);
    vec_free(&out);
    arena_reset(&r->arena);
    return err;
}

static int run_window(struct run *r, int64_t from_ms, int64_t to_ms)
{
    int err = 0;
    for (size_t i = 0; i < group_rules(r->group)->rules_n && err == 0; i++)
        if (group_rules(r->group)->rules[i].record.n > 0)
            err = run_rule(r, i, from_ms, to_ms);
    if (err == 0 && r->store->progress != NULL)
        r->store->progress(r->store->context, r->group, to_ms, r->samples);
    return err;
}

int backfill_run(const struct promql_query *q, struct arena *a, struct backfill_points *ret,
                 struct why *why)
{
    struct promql_result *result;
    struct promql_series s;
    struct promql_failure failure = {0};
    if (promql_run(q, &result, &failure) != 0)
        return why_set(why, ERR_FORMAT, "%s", failure.text);
    while (promql_result_next(result, &s)) {
        struct str key = arena_str(a, s.key);
        for (size_t i = 0; i < s.n; i++) {
            struct backfill_point p = {key, s.ts_ms[i], s.value ? s.value[i] : 0, NULL};
            if (s.histogram && s.histogram[i])
                p.histogram = histogram_clone(s.histogram[i], a);
            vec_push(ret, p);
        }
    }
    promql_result_free(result);
    return 0;
}

int backfill_group(struct group *g, int64_t start_ms, int64_t end_ms,
                   const struct backfill_store *store, uint64_t *samples, struct why *why)
{
    size_t n = group_rules(g)->rules_n;
    struct run r = {.group = g, .store = store, .step_ms = group_interval_ms(g), .why = why};
    int err = 0;
    arena_init(&r.arena);
    r.open = mem_array(n + 1, sizeof *r.open);
    for (size_t i = 0; i < n; i++)
        map_init(&r.open[i], 0);
    for (int64_t from = group_next_ms(g, start_ms - 1); from <= end_ms && err == 0;) {
        int64_t steps = MIN((end_ms - from) / r.step_ms, WINDOW_STEPS - 1);
        int64_t to = from + steps * r.step_ms;
        err = run_window(&r, from, to);
        from = to + r.step_ms;
    }
    for (size_t i = 0; i < n; i++)
        map_done(&r.open[i]);
    mem_free(r.open);
    arena_done(&r.arena);
    *samples += r.samples;
    return err;
}
