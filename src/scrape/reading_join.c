#include <math.h>
#include <stdlib.h>

#include "base/vec.h"
#include "scrape/reading_inside.h"

struct bucket {
    double bound, count; /* count: of all up to the bound */
};

/* A classic histogram as its lines have told it so far. */
struct whole {
    uint32_t line; /* of the native one */
    struct bucket *buckets;
    size_t n;
    double count, sum;
    bool counted;
    int64_t ts_ms, start_ms;
    bool timed;
};

static int by_bound(const void *a, const void *b)
{
    const struct bucket *x = a, *y = b;
    return (x->bound > y->bound) - (x->bound < y->bound);
}

static bool part(const struct recall_line *l)
{
    return l->kind >= RECALL_BUCKET && l->kind <= RECALL_SUM;
}

/* The native histogram with these bounds; NULL where the counts do not add up. */
static const struct histogram *make(struct reading *r, struct whole *w)
{
    if (w->n > 0)
        qsort(w->buckets, w->n, sizeof *w->buckets, by_bound);
    if (w->n && isinf(w->buckets[w->n - 1].bound)) {
        w->count = w->counted ? w->count : w->buckets[w->n - 1].count;
        w->n--;
    } else if (!w->counted) {
        return NULL;
    }
    if (w->n >= HISTOGRAM_BUCKETS_MAX)
        return NULL;
    struct histogram *h = arena_new(&r->arena, sizeof *h);
    double *bounds = arena_array(&r->arena, w->n + 1, sizeof *bounds), before = 0;
    double *counts = arena_array(&r->arena, w->n + 1, sizeof *counts);
    struct histogram_span *span = arena_new(&r->arena, sizeof *span);
    *h = (struct histogram){.schema = HISTOGRAM_SCHEMA_CUSTOM, .count = w->count, .sum = w->sum};
    for (size_t i = 0; i <= w->n; i++) {
        double upto = i < w->n ? w->buckets[i].count : w->count;
        if (i < w->n)
            bounds[i] = w->buckets[i].bound;
        counts[i] = upto - before;
        h->is_float = h->is_float || upto != floor(upto);
        before = upto;
    }
    span->length = h->positive_n = (uint32_t)w->n + 1;
    h->positive_spans = span;
    h->positive_spans_n = 1;
    h->positive = counts;
    h->custom_bounds = bounds;
    h->custom_n = (uint32_t)w->n;
    return histogram_check(h, NULL) == 0 ? h : NULL;
}

static void take(struct reading *r, struct whole *w, const struct reading_row *row)
{
    const struct recall_line *l = &r->recall->lines[row->line];
    if (l->kind == RECALL_BUCKET) {
        w->buckets[w->n++] = (struct bucket){recall_bound(r->recall, l), row->value};
    } else if (l->kind == RECALL_COUNT) {
        w->count = row->value;
        w->counted = true;
    } else {
        w->sum = row->value;
    }
    w->ts_ms = row->ts_ms;
    w->timed = row->timed;
    if (row->extra)
        w->start_ms = r->extras.v[row->extra - 1].start_ms;
}

/* The run of rows [*at, n) that are of one histogram. */
static void join_run(struct reading *r, size_t *at, size_t n)
{
    struct whole w = {.line = r->recall->lines[r->rows.v[*at].line].group};
    size_t end = *at;
    for (; end < n; end++) {
        const struct recall_line *l = &r->recall->lines[r->rows.v[end].line];
        if (!part(l) || l->group != w.line)
            break;
    }
    w.buckets = arena_array(&r->arena, end - *at, sizeof *w.buckets);
    for (; *at < end; ++*at)
        take(r, &w, &r->rows.v[*at]);
    const struct histogram *h = make(r, &w);
    if (!h)
        return;
    struct reading_row *row = reading_row(r, w.line, 0);
    row->ts_ms = w.ts_ms;
    row->timed = w.timed;
    struct reading_extra *extra = reading_extra(r, row);
    extra->histogram = h;
    extra->start_ms = w.start_ms;
}

void reading_join(struct reading *r)
{
    size_t n = r->rows.n;
    for (size_t i = 0; i < n;) {
        const struct recall_line *l = &r->recall->lines[r->rows.v[i].line];
        if (part(l))
            join_run(r, &i, n);
        else
            i++;
    }
    size_t hidden = 0;
    for (size_t i = 0; i < n; i++)
        hidden += r->recall->lines[r->rows.v[i].line].hidden;
    r->samples = r->rows.n - hidden;
}
