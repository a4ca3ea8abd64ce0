#include "query/promql/promql_windows.h"

#include "model/sample.h"

enum { KEPT_MAX = 512, KEPT_BYTES_MAX = 8 << 20, BYTES_A_STEP = 64 };

void promql_windows_init(struct engine *e, const struct source *s, int64_t behind_ms,
                         int64_t after_ms, struct windows_set *ret)
{
    size_t n = 1;
    while (n < KEPT_MAX && 2 * n * s->grid.n * BYTES_A_STEP <= KEPT_BYTES_MAX)
        n *= 2;
    *ret = (struct windows_set){.source = s,
                                .behind_ms = behind_ms,
                                .after_ms = after_ms,
                                .first_ms = promql_source_ms(s, 0),
                                .n = s->grid.n,
                                .kept_n = n};
    if (ret->n > 1)
        ret->step_ms = promql_source_ms(s, 1) - ret->first_ms;
    ret->kept = arena_array(e->arena, n, sizeof *ret->kept);
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

static uint32_t place_after(const int64_t *ts, size_t n, int64_t ms)
{
    return (uint32_t)sample_at_least(ts, n, ms + 1);
}

/* The windows of steps [from, to), one by one. */
static void find(const struct windows_set *set, const int64_t *ts, size_t n, size_t from, size_t to,
                 struct windows *w)
{
    if (from >= to)
        return;
    int64_t at = set->first_ms + (int64_t)from * set->step_ms;
    size_t lo = place_after(ts, n, at - set->behind_ms), hi = lo;
    for (size_t i = from; i < to; i++, at += set->step_ms) {
        int64_t begin = at - set->behind_ms, end = at + set->after_ms;
        if (lo < n && ts[n - 1] <= begin)
            lo = n;
        while (lo < n && ts[lo] <= begin)
            lo++;
        hi = hi < lo ? lo : hi;
        if (hi < n && ts[n - 1] <= end)
            hi = n;
        while (hi < n && ts[hi] <= end)
            hi++;
        w->low[i] = (uint32_t)lo;
        w->high[i] = (uint32_t)hi;
    }
}

/* The first step at or after ms. */
static size_t step_at(const struct windows_set *set, int64_t ms)
{
    if (ms <= set->first_ms)
        return 0;
    if (set->n == 1)
        return 1;
    uint64_t i = (uint64_t)(ms - set->first_ms - 1) / (uint64_t)set->step_ms + 1;
    return MIN(i, (uint64_t)set->n);
}

/* Finds the steps whose windows neither begin before the first sample's time nor end after that of
 * the last: on evenly spaced samples they are all alike. */
static void find_alike(const struct windows_set *set, const int64_t *ts, size_t n,
                       struct windows *w)
{
    int64_t d = spacing_of(ts, n);
    w->from = w->to = 0;
    if (d <= 0 || (set->n > 1 && set->step_ms == 0) || set->step_ms % d != 0 ||
        set->step_ms / d > UINT32_MAX)
        return;
    size_t from = step_at(set, ts[0] - d + set->behind_ms);
    size_t to = step_at(set, ts[n - 1] + d - set->after_ms);
    if (from >= to)
        return;
    find(set, ts, n, from, from + 1, w);
    uint32_t low = w->low[from], high = w->high[from], stride = (uint32_t)(set->step_ms / d);
    for (size_t i = from; i < to; i++, low += stride, high += stride) {
        w->low[i] = low;
        w->high[i] = high;
    }
    w->from = from;
    w->to = to;
    w->stride = stride;
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
    find_alike(set, ts, n, w);
    find(set, ts, n, 0, w->from, w);
    find(set, ts, n, w->to, set->n, w);
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
