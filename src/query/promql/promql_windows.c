#include "query/promql/promql_windows.h"

enum { KEPT_MAX = 512, KEPT_BYTES_MAX = 8 << 20, BYTES_A_STEP = 64 };

void promql_windows_init(struct engine *e, const struct source *s, int64_t behind_ms,
                         int64_t after_ms, struct windows_set *ret)
{
    size_t n = 1;
    while (n < KEPT_MAX && 2 * n * s->grid.n * BYTES_A_STEP <= KEPT_BYTES_MAX)
        n *= 2;
    *ret = (struct windows_set){
        .source = s, .behind_ms = behind_ms, .after_ms = after_ms, .n = s->grid.n, .kept_n = n};
    ret->kept = arena_array(e->arena, n, sizeof *ret->kept);
}

static void find(const struct windows_set *set, const int64_t *ts, size_t n, struct windows *w)
{
    size_t lo = 0, hi = 0;
    int64_t at = promql_source_ms(set->source, 0);
    int64_t step = set->n > 1 ? promql_source_ms(set->source, 1) - at : 0;
    for (size_t i = 0; i < set->n; i++, at += step) {
        int64_t from = at - set->behind_ms, to = at + set->after_ms;
        if (lo < n && ts[n - 1] <= from)
            lo = n;
        while (lo < n && ts[lo] <= from)
            lo++;
        hi = hi < lo ? lo : hi;
        if (hi < n && ts[n - 1] <= to)
            hi = n;
        while (hi < n && ts[hi] <= to)
            hi++;
        w->low[i] = (uint32_t)lo;
        w->high[i] = (uint32_t)hi;
    }
}

/* The spacing of ts, where it is the same everywhere; else 0. */
static int64_t spacing_of(const int64_t *ts, size_t n)
{
    if (n < 2)
        return 0;
    int64_t d = ts[1] - ts[0], odd = 0;
    for (size_t i = 2; i < n; i++)
        odd |= (ts[i] - ts[i - 1]) ^ d;
    return odd ? 0 : d;
}

/* Finds the steps whose windows neither begin before the first sample's time nor end after that of
 * the last: on evenly spaced samples they are all alike. */
static void find_alike(const struct windows_set *set, const int64_t *ts, size_t n,
                       struct windows *w)
{
    int64_t d = spacing_of(ts, n), step = set->source->grid.step_ms;
    w->from = w->to = 0;
    if (d <= 0 || (set->n > 1 && step % d != 0) || step / d > UINT32_MAX)
        return;
    size_t from = 0, to = set->n;
    while (from < to && promql_source_ms(set->source, from) - set->behind_ms < ts[0] - d)
        from++;
    while (to > from && promql_source_ms(set->source, to - 1) + set->after_ms >= ts[n - 1] + d)
        to--;
    if (from == to)
        return;
    w->from = from;
    w->to = to;
    w->stride = (uint32_t)(step / d);
    w->width = w->high[from] - w->low[from];
}

struct windows *promql_windows_of(struct engine *e, struct windows_set *set, const int64_t *ts,
                                  size_t n, uint64_t ts_id)
{
    struct windows *w = &set->own;
    if (ts_id) {
        struct windows **kept = &set->kept[ts_id & (set->kept_n - 1)];
        if (!*kept)
            *kept = arena_new(e->arena, sizeof **kept);
        w = *kept;
        if (w->ts_id == ts_id)
            return w;
    }
    if (!w->low) {
        w->low = arena_array(e->arena, set->n, sizeof *w->low);
        w->high = arena_array(e->arena, set->n, sizeof *w->high);
    }
    w->ts_id = ts_id;
    w->extrapolated = false;
    find(set, ts, n, w);
    find_alike(set, ts, n, w);
    return w;
}

/* As promql_rate.c does it. */
static void extrapolate(const struct windows_set *set, const struct windows *w, size_t i,
                        const int64_t *ts, struct promql_extrapolation *x)
{
    int64_t to = promql_source_ms(set->source, i), from = to - set->source->range_ms;
    int64_t first = ts[w->low[i]], last = ts[w->high[i] - 1];
    double sampled = (double)(last - first) / 1000;
    double spacing = sampled / (double)(w->high[i] - w->low[i] - 1);
    double to_start = (double)(first - from) / 1000, to_end = (double)(to - last) / 1000;
    if (to_start >= spacing * 1.1)
        to_start = spacing / 2;
    if (to_end >= spacing * 1.1)
        to_end = spacing / 2;
    x->to_start = to_start;
    x->sampled = sampled;
    x->to_end = to_end;
    x->factor = (sampled + to_start + to_end) / sampled / x->range;
}

void promql_windows_extrapolate(struct engine *e, const struct windows_set *set, struct windows *w,
                                const int64_t *ts, bool per_second, bool counter)
{
    struct promql_extrapolation x = {.range = per_second ? (double)set->source->range_ms / 1000 : 1,
                                     .counter = counter};
    if (w->extrapolated)
        return;
    w->extrapolated = true;
    w->alike = x;
    if (w->from < w->to && w->width >= 2)
        extrapolate(set, w, w->from, ts, &w->alike);
    if (w->from == 0 && w->to == set->n)
        return;
    if (!w->kind) {
        w->kind = arena_array(e->arena, set->n, 1);
        w->each = arena_array(e->arena, set->n, sizeof *w->each);
    }
    for (size_t i = 0; i < set->n; i++) {
        if (i == w->from)
            i = w->to;
        if (i == set->n)
            break;
        w->kind[i] = w->high[i] < w->low[i] + 2 ? KIND_NONE : KIND_FLOAT;
        w->each[i] = x;
        if (w->kind[i] == KIND_FLOAT)
            extrapolate(set, w, i, ts, &w->each[i]);
    }
}
