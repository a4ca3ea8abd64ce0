/* Native histograms with exponential buckets, taken apart into single buckets: slow and evident. */
#include "query/plain/plain_inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"

enum { SIDE_MAX = 256 }; /* buckets; world.h makes fewer */

/* All buckets of one side, each by its index of a schema; ascending, no index twice. */
struct side {
    int32_t index[SIDE_MAX];
    double count[SIDE_MAX];
    size_t n;
};

static void side_add(struct side *s, int32_t index, double count)
{
    size_t at = 0;
    while (at < s->n && s->index[at] < index)
        at++;
    if (at == s->n || s->index[at] != index) {
        must(s->n < SIDE_MAX);
        memmove(&s->index[at + 1], &s->index[at], (s->n - at) * sizeof s->index[0]);
        memmove(&s->count[at + 1], &s->count[at], (s->n - at) * sizeof s->count[0]);
        s->index[at] = index;
        s->count[at] = 0;
        s->n++;
    }
    s->count[at] += count;
}

/* The buckets of h, counted f times, into s of a schema that is at most h's. */
static void side_take(struct side *s, const struct histogram *h, bool negative, int32_t schema,
                      double f)
{
    const struct histogram_span *spans = negative ? h->negative_spans : h->positive_spans;
    uint32_t spans_n = negative ? h->negative_spans_n : h->positive_spans_n;
    const double *counts = negative ? h->negative : h->positive;
    int32_t index = 0;
    for (uint32_t i = 0; i < spans_n; i++) {
        index += spans[i].offset;
        for (uint32_t k = 0; k < spans[i].length; k++, index++) {
            int32_t width = 1 << (h->schema - schema), coarse = index;
            if (width > 1) /* rounds up, below zero too */
                coarse = (index - 1 - ((index - 1) % width + width) % width) / width + 1;
            side_add(s, coarse, *counts++ * f);
        }
    }
}

/* Buckets that hold nothing are left out. */
static void side_give(struct plain *p, const struct side *s, struct histogram *h, bool negative)
{
    struct histogram_span *spans = arena_array(p->arena, s->n + 1, sizeof *spans);
    double *counts = arena_array(p->arena, s->n + 1, sizeof *counts);
    int32_t next = 0;
    uint32_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (s->count[i] == 0)
            continue;
        spans[n] = (struct histogram_span){s->index[i] - next, 1};
        next = s->index[i] + 1;
        counts[n++] = s->count[i];
    }
    if (negative) {
        h->negative_spans = spans;
        h->negative = counts;
        h->negative_spans_n = h->negative_n = n;
    } else {
        h->positive_spans = spans;
        h->positive = counts;
        h->positive_spans_n = h->positive_n = n;
    }
}

/* a + f * b; b may be NULL. */
static const struct histogram *combine(struct plain *p, const struct histogram *a, double fa,
                                       const struct histogram *b, double fb)
{
    struct histogram *h = arena_new(p->arena, sizeof *h);
    struct side s;
    h->is_float = true;
    h->schema = b && b->schema < a->schema ? b->schema : a->schema;
    h->zero_threshold = a->zero_threshold;
    must(!b || b->zero_threshold == a->zero_threshold);
    h->zero_count = a->zero_count * fa + (b ? b->zero_count * fb : 0);
    h->count = a->count * fa + (b ? b->count * fb : 0);
    h->sum = a->sum * fa + (b ? b->sum * fb : 0);
    for (int negative = 0; negative < 2; negative++) {
        s.n = 0;
        side_take(&s, a, negative, h->schema, fa);
        if (b)
            side_take(&s, b, negative, h->schema, fb);
        side_give(p, &s, h, negative);
    }
    return h;
}

const struct histogram *plain_native_scale(struct plain *p, const struct histogram *h, double f)
{
    return combine(p, h, f, NULL, 0);
}

const struct histogram *plain_native_add(struct plain *p, const struct histogram *a,
                                         const struct histogram *b, double sign)
{
    return combine(p, a, 1, b, sign);
}

static double count_at(const struct side *s, int32_t index)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->index[i] == index)
            return s->count[i];
    }
    return 0;
}

/* Has any bucket of a side lost something? */
static bool has_fallen(const struct histogram *now, const struct histogram *before, bool negative)
{
    struct side a = {.n = 0}, b = {.n = 0};
    side_take(&a, now, negative, now->schema, 1);
    side_take(&b, before, negative, now->schema, 1);
    bool fallen = false;
    for (size_t i = 0; i < b.n; i++)
        fallen |= count_at(&a, b.index[i]) < b.count[i];
    return fallen;
}

bool plain_native_reset(const struct histogram *now, const struct histogram *before)
{
    return now->count < before->count || now->schema > before->schema ||
           now->zero_count < before->zero_count || has_fallen(now, before, false) ||
           has_fallen(now, before, true);
}

static bool same_side(const struct histogram *a, const struct histogram *b, bool negative)
{
    return !has_fallen(a, b, negative) && !has_fallen(b, a, negative);
}

bool plain_native_equal(const struct histogram *a, const struct histogram *b)
{
    return a->schema == b->schema && a->count == b->count && a->sum == b->sum &&
           a->zero_count == b->zero_count && same_side(a, b, false) && same_side(a, b, true);
}

/* One bucket on the way from the lowest to the highest. */
struct step {
    double low, high, count;
};

/* All buckets that hold something, ascending; returns how many. */
static size_t steps_of(const struct histogram *h, struct step *v)
{
    struct side s = {.n = 0};
    double width = exp2(-h->schema);
    size_t n = 0;
    side_take(&s, h, true, h->schema, 1);
    for (size_t i = s.n; i-- > 0;) {
        if (s.count[i] != 0)
            v[n++] = (struct step){-exp2(s.index[i] * width), -exp2((s.index[i] - 1) * width),
                                   s.count[i]};
    }
    if (h->zero_count != 0)
        v[n++] =
            (struct step){h->negative_n || !h->positive_n ? -h->zero_threshold : 0,
                          h->positive_n || !h->negative_n ? h->zero_threshold : 0, h->zero_count};
    s.n = 0;
    side_take(&s, h, false, h->schema, 1);
    for (size_t i = 0; i < s.n; i++) {
        if (s.count[i] != 0)
            v[n++] =
                (struct step){exp2((s.index[i] - 1) * width), exp2(s.index[i] * width), s.count[i]};
    }
    return n;
}

/* Linear where 0 lies within, else exponential. */
static double within(const struct step *s, double part)
{
    double low = s->low, high = s->high;
    if (low <= 0 && high >= 0)
        return low + (high - low) * part;
    if (low > 0)
        return exp2(log2(low) + (log2(high) - log2(low)) * part);
    return -exp2(log2(-high) + (log2(-low) - log2(-high)) * (1 - part));
}

double plain_native_quantile(const struct histogram *h, double q)
{
    struct step v[2 * SIDE_MAX + 1];
    double result = NAN, below = 0, rank = q * h->count;
    if (q < 0 || q > 1)
        result = q < 0 ? -INFINITY : INFINITY;
    size_t n = h->count == 0 || !(q >= 0 && q <= 1) ? 0 : steps_of(h, v), i = 0;
    if (n && q < 0.5) {
        while (i + 1 < n && below + v[i].count < rank)
            below += v[i++].count;
    } else if (n) { /* from the top, which matters where buckets between are empty */
        double above = v[i = n - 1].count;
        while (i > 0 && above < (1 - q) * h->count)
            above += v[--i].count;
        below = h->count - above;
    }
    if (n)
        result = within(&v[i], (rank - below) / v[i].count);
    return result;
}
