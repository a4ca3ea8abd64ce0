#include "query/plain/plain_inside.h"

#include <string.h>

#include "base/must.h"
#include "model/sample.h"
#include "text/regex.h"

enum { LOOKBACK_MS = 5 * MINUTE_MS };

static int64_t span_ms(struct plain *p, const struct promql_span *s)
{
    const struct plain_query *q = p->query;
    struct why why;
    int64_t ms = 0;
    if (s && promql_span_ms(s, q->instant ? 0 : q->step_ms, q->end_ms - q->start_ms, &ms, &why) < 0)
        plain_fail(p, "duration");
    return ms;
}

/* The time that x looks at when it is asked for at t: of @, else t, less the offset. */
static int64_t looked_at(struct plain *p, const struct promql_expr *x, int64_t t)
{
    switch (x->at) {
    case AT_TIME:
        t = x->at_ms;
        break;
    case AT_START:
        t = p->query->start_ms;
        break;
    case AT_END:
        t = p->query->end_ms;
        break;
    default:
        break;
    }
    return t - span_ms(p, x->offset_span);
}

static bool fits(const struct matcher *m, struct str key)
{
    struct str value = labels_get(key, m->name);
    if (m->type == MATCH_EQUAL || m->type == MATCH_NOT_EQUAL)
        return str_eq(value, m->value) == (m->type == MATCH_EQUAL);
    struct regex *re;
    struct why why;
    must(regex_new(m->value, &re, &why) == 0);
    bool fits = regex_match(re, value) == (m->type == MATCH_REGEX);
    regex_free(re);
    return fits;
}

static bool all_fit(const struct promql_expr *x, struct str key)
{
    for (size_t i = 0; i < x->matchers_n; i++) {
        if (!fits(&x->matchers[i], key))
            return false;
    }
    return true;
}

/* The series that a selector's matchers let through, found once. */
struct plain_fitting {
    struct plain_fitting *next;
    const struct promql_expr *expr;
    const struct plain_series **v; /* [n] */
    size_t n;
};

static const struct plain_fitting *fitting(struct plain *p, const struct promql_expr *x)
{
    const struct plain_data *data = p->query->data;
    struct plain_fitting *f = p->fitting;
    while (f && f->expr != x)
        f = f->next;
    if (f)
        return f;
    f = arena_new(p->arena, sizeof *f);
    f->expr = x;
    f->v = arena_array(p->arena, data->n + 1, sizeof(struct plain_series *));
    for (size_t i = 0; i < data->n; i++) {
        if (all_fit(x, data->v[i].key))
            f->v[f->n++] = &data->v[i];
    }
    f->next = p->fitting;
    p->fitting = f;
    return f;
}

static bool is_stale(const struct plain_sample *s)
{
    return s->histogram ? histogram_is_stale(s->histogram) : sample_is_stale(s->value);
}

static int64_t lookback_ms(const struct plain *p)
{
    return p->query->lookback_ms ? p->query->lookback_ms : LOOKBACK_MS;
}

struct plain_vector plain_selector(struct plain *p, const struct promql_expr *x, int64_t t,
                                   bool times)
{
    struct plain_vector out = {0};
    int64_t lookback = lookback_ms(p);
    int64_t to = looked_at(p, x, t);
    const struct plain_fitting *f = fitting(p, x);
    for (size_t i = 0; i < f->n; i++) {
        const struct plain_series *s = f->v[i];
        const struct plain_sample *latest = NULL;
        for (size_t k = 0; k < s->n; k++) {
            if (s->v[k].ts_ms <= to && s->v[k].ts_ms > to - lookback)
                latest = &s->v[k];
        }
        if (!latest || is_stale(latest))
            continue;
        struct plain_element e = {plain_labels_read(p, s->key), false, latest->value,
                                  latest->histogram};
        if (times) {
            e.value = (double)latest->ts_ms / 1000;
            e.histogram = NULL;
            plain_drop_name(p, &e);
        }
        plain_push(p, &out, e);
    }
    if (times)
        plain_unique(p, &out);
    return out;
}

static void push_sample(struct plain *p, struct plain_range *to, struct plain_sample s)
{
    if (to->n == to->capacity) {
        struct plain_sample *v = arena_array(p->arena, to->n * 2 + 8, sizeof *v);
        if (to->n)
            memcpy(v, to->v, to->n * sizeof *v);
        to->v = v;
        to->capacity = to->n * 2 + 8;
    }
    to->v[to->n++] = s;
}

static struct plain_range *push_range(struct plain *p, struct plain_matrix *to,
                                      struct plain_labels labels, bool drop_name)
{
    if (to->n == to->capacity) {
        struct plain_range *v = arena_array(p->arena, to->n * 2 + 8, sizeof *v);
        if (to->n)
            memcpy(v, to->v, to->n * sizeof *v);
        to->v = v;
        to->capacity = to->n * 2 + 8;
    }
    to->v[to->n] = (struct plain_range){.labels = labels, .drop_name = drop_name};
    return &to->v[to->n++];
}

/* The window of x at t, with samples of before_ms before it and after_ms behind it. */
static struct plain_matrix of_selector(struct plain *p, const struct promql_expr *x, int64_t t,
                                       int64_t before_ms, int64_t after_ms)
{
    struct plain_matrix m = {.to_ms = looked_at(p, x, t)};
    m.from_ms = m.to_ms - span_ms(p, x->range_span);
    int64_t least = m.from_ms - before_ms, most = m.to_ms + after_ms;
    const struct plain_fitting *f = fitting(p, x);
    for (size_t i = 0; i < f->n; i++) {
        const struct plain_series *s = f->v[i];
        struct plain_range r = {0};
        for (size_t k = 0; k < s->n; k++) {
            if (s->v[k].ts_ms > least && s->v[k].ts_ms <= most && !is_stale(&s->v[k]))
                push_sample(p, &r, s->v[k]);
        }
        if (r.n) {
            struct plain_range *to = push_range(p, &m, plain_labels_read(p, s->key), false);
            to->v = r.v;
            to->n = r.n;
        }
    }
    return m;
}

/* A subquery's vectors at all its times, worked out once for all steps of what it stands in. */
struct plain_inner {
    struct plain_inner *next;
    const struct promql_expr *expr;
    struct plain_grid grid;
    struct plain_vector *v; /* [n] */
    size_t n;
};

/* The first multiple of step that is greater than ms. */
static int64_t multiple_after(int64_t ms, int64_t step)
{
    int64_t m = ms / step * step;
    while (m > ms)
        m -= step;
    while (m <= ms)
        m += step;
    return m;
}

static struct plain_inner *inner_of(struct plain *p, const struct promql_expr *x,
                                    const struct plain_grid *g)
{
    for (struct plain_inner *known = p->inner; known; known = known->next) {
        if (known->expr == x)
            return known;
    }
    struct plain_inner *in = arena_new(p->arena, sizeof *in);
    int64_t step = span_ms(p, x->step_span);
    if (!x->step_span)
        step = p->query->subquery_step_ms ? p->query->subquery_step_ms : MINUTE_MS;
    int64_t first = looked_at(p, x, g->start_ms), last = looked_at(p, x, g->end_ms);
    in->grid.start_ms = multiple_after(first - span_ms(p, x->range_span), step);
    in->grid.step_ms = step;
    in->grid.end_ms = last;
    in->expr = x;
    if (in->grid.start_ms <= last)
        in->n = (size_t)((last - in->grid.start_ms) / step) + 1;
    in->grid.end_ms = in->grid.start_ms + ((int64_t)in->n - 1) * step;
    in->v = arena_array(p->arena, in->n + 1, sizeof *in->v);
    for (size_t i = 0; i < in->n; i++) {
        int64_t at = in->grid.start_ms + (int64_t)i * step;
        in->v[i] = plain_vector(p, x->left, at, &in->grid);
    }
    in->next = p->inner;
    p->inner = in;
    return in;
}

static struct plain_matrix of_subquery(struct plain *p, const struct promql_expr *x, int64_t t,
                                       const struct plain_grid *g)
{
    struct plain_matrix m = {.to_ms = looked_at(p, x, t)};
    m.from_ms = m.to_ms - span_ms(p, x->range_span);
    const struct plain_inner *in = inner_of(p, x, g);
    for (size_t i = 0; i < in->n; i++) {
        int64_t at = in->grid.start_ms + (int64_t)i * in->grid.step_ms;
        if (at <= m.from_ms || at > m.to_ms)
            continue;
        for (size_t k = 0; k < in->v[i].n; k++) {
            const struct plain_element *e = &in->v[i].v[k];
            struct plain_range *r = NULL;
            for (size_t j = 0; j < m.n && !r; j++) {
                if (m.v[j].drop_name == e->drop_name &&
                    plain_labels_equal(m.v[j].labels, e->labels))
                    r = &m.v[j];
            }
            if (!r)
                r = push_range(p, &m, e->labels, e->drop_name);
            push_sample(p, r, (struct plain_sample){at, e->value, e->histogram});
        }
    }
    return m;
}

struct plain_matrix plain_matrix(struct plain *p, const struct promql_expr *x, int64_t t,
                                 const struct plain_grid *g)
{
    x = plain_bare(x);
    return x->kind == EXPR_SUBQUERY ? of_subquery(p, x, t, g) : of_selector(p, x, t, 0, 0);
}

struct plain_matrix plain_around(struct plain *p, const struct promql_expr *x, int64_t t)
{
    return of_selector(p, x, t, lookback_ms(p), x->smoothed ? lookback_ms(p) : 0);
}
