#include "query/promql/promqltest.h"

#include <math.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/vec.h"
#include "query/promql/promql_engine.h"

struct part {
    double bound;
    const struct promqltest_series *series;
};

struct family {
    struct str key;
    struct {
        struct part *v;
        size_t n, capacity;
    } buckets;
    const struct promqltest_series *sum, *count;
};

static int part_cmp(const void *a, const void *b)
{
    double x = ((const struct part *)a)->bound, y = ((const struct part *)b)->bound;
    return (x > y) - (x < y);
}

static const struct promqltest_value *value_at(const struct promqltest_series *s, size_t i)
{
    return s && i < s->n && s->v[i].present && !s->v[i].histogram ? &s->v[i] : NULL;
}

/* The histogram of step i; false where no bucket has a value. */
static bool histogram_at(const struct family *f, size_t i, struct arena *a, struct histogram *ret)
{
    double *counts = arena_array(a, f->buckets.n + 1, sizeof *counts);
    double *bounds = arena_array(a, f->buckets.n + 1, sizeof *bounds);
    double before = 0;
    uint32_t n = 0, finite = 0;
    for (size_t k = 0; k < f->buckets.n; k++) {
        const struct promqltest_value *v = value_at(f->buckets.v[k].series, i);
        if (!v)
            continue;
        if (!isinf(f->buckets.v[k].bound))
            bounds[finite++] = f->buckets.v[k].bound;
        counts[n++] = v->value - before;
        before = v->value;
    }
    const struct promqltest_value *count = value_at(f->count, i), *sum = value_at(f->sum, i);
    if (n == 0 && !count)
        return false;
    double total = count ? count->value : before;
    if (n == finite)
        counts[n++] = total - before;
    struct histogram_span *span = arena_new(a, sizeof *span);
    *span = (struct histogram_span){0, n};
    *ret = (struct histogram){.schema = HISTOGRAM_SCHEMA_CUSTOM,
                              .is_float = true,
                              .count = total,
                              .sum = sum ? sum->value : 0,
                              .positive_spans = span,
                              .positive_spans_n = 1,
                              .positive = counts,
                              .positive_n = n,
                              .custom_bounds = bounds,
                              .custom_n = finite};
    return true;
}

static bool base_of(const struct promqltest_series *s, struct arena *a, const char *suffix,
                    struct str *ret)
{
    struct str name = labels_get(s->key, LABEL_METRIC), end = str_c(suffix);
    if (!str_ends(name, end) || name.n == end.n)
        return false;
    struct label_set *set = mem_new(sizeof *set);
    struct engine e = {.arena = a};
    promql_label_set_read(s->key, set);
    promql_label_set_put(set, LABEL_METRIC, str_sub(name, 0, name.n - end.n));
    promql_label_set_put(set, STR("le"), STR(""));
    *ret = promql_label_set_key(&e, set);
    mem_free(set);
    return true;
}

static struct family *family_of(struct map *m, struct arena *a, struct str key)
{
    bool fresh;
    union map_value *at = map_put(m, key, &fresh);
    if (fresh) {
        struct family *f = arena_new(a, sizeof *f);
        f->key = key;
        at->p = f;
    }
    return at->p;
}

static void sort_in(struct map *m, const struct promqltest_series *s, struct arena *a)
{
    struct str key;
    if (base_of(s, a, "_bucket", &key)) {
        struct str le = labels_get(s->key, STR("le"));
        bool range, minus = le.n && le.p[0] == '-';
        double bound;
        struct str body = str_sub(le, le.n && (minus || le.p[0] == '+'), le.n);
        if (!promql_number_read(body, &bound, &range))
            return;
        struct part p = {minus ? -bound : bound, s};
        struct family *f = family_of(m, a, key);
        vec_push(&f->buckets, p);
    } else if (base_of(s, a, "_sum", &key)) {
        family_of(m, a, key)->sum = s;
    } else if (base_of(s, a, "_count", &key)) {
        family_of(m, a, key)->count = s;
    }
}

void promqltest_convert(struct promqltest_store *s, const struct promqltest_load *load,
                        int64_t step_ms, struct arena *a)
{
    struct map families;
    size_t longest = 0, at = 0;
    struct map_slot *slot;
    map_init(&families, 0);
    for (size_t i = 0; i < load->n; i++) {
        sort_in(&families, &load->v[i], a);
        longest = MAX(longest, load->v[i].n);
    }
    while ((slot = map_next(&families, &at))) {
        struct family *f = slot->value.p;
        if (f->buckets.n)
            qsort(f->buckets.v, f->buckets.n, sizeof *f->buckets.v, part_cmp);
        for (size_t i = 0; i < longest && f->buckets.n; i++) {
            struct histogram h;
            if (histogram_at(f, i, a, &h))
                promqltest_store_put(s, f->key, (int64_t)i * step_ms, 0, &h);
        }
        vec_free(&f->buckets);
    }
    map_done(&families);
}
