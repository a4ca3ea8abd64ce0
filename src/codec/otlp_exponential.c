#include "codec/otlp_exponential.h"

#include <math.h>
#include <string.h>

#include "base/bits.h"
#include "base/mem.h"
#include "model/sample.h"

enum {
    GAP_MAX = 2,    /* empty buckets that are written out rather than begin a span */
    SHIFT_MAX = 62, /* of an index of 64 bits */
    SIDES = 2
};

static const double ZERO_THRESHOLD = 1e-128; /* where the sender names none */

static const double INTEGER_MAX = 0x1p53; /* larger counts are no whole numbers any more */

/* ---- native histograms */

struct layout {
    struct histogram_span *spans;
    double *counts;
    uint32_t spans_n, counts_n;
    int64_t next; /* index behind the last bucket */
};

static void put_bucket(struct layout *l, int64_t index, double count)
{
    int64_t gap = l->spans_n ? index - l->next : 0;
    if (l->spans_n == 0 || gap > GAP_MAX) {
        int64_t offset = l->spans_n ? gap : index;
        l->spans[l->spans_n++] = (struct histogram_span){(int32_t)offset, 0};
        gap = 0;
    }
    struct histogram_span *span = &l->spans[l->spans_n - 1];
    while (gap-- > 0) {
        l->counts[l->counts_n++] = 0;
        span->length++;
    }
    l->counts[l->counts_n++] = count;
    span->length++;
    l->next = index + 1;
}

static int shift_of(int64_t down)
{
    return (int)MIN(MAX(down, (int64_t)0), (int64_t)SHIFT_MAX);
}

/* Index i of the buckets becomes ((offset + i) >> shift) + first. */
static bool lay_out(const struct otlp_buckets *b, int shift, int64_t first, struct arena *a,
                    struct layout *ret)
{
    *ret = (struct layout){.spans = arena_raw(a, (b->n + 1) * sizeof *ret->spans),
                           .counts = arena_raw(a, (b->n + 1) * sizeof *ret->counts)};
    for (size_t i = 0; i < b->n;) {
        int64_t index = ((int64_t)b->offset + (int64_t)i) >> shift;
        uint64_t count = 0;
        for (; i < b->n && ((int64_t)b->offset + (int64_t)i) >> shift == index; i++)
            count += b->counts[i];
        if (count == 0)
            continue;
        if (index + first > INT32_MAX || index + first < INT32_MIN)
            return false;
        put_bucket(ret, index + first, (double)count);
    }
    return true;
}

static void set_totals(struct histogram *h, const struct otlp_point *p)
{
    h->reset = HISTOGRAM_RESET_UNKNOWN;
    h->count = (double)p->d.count;
    h->sum = p->d.has_sum ? p->d.sum : 0;
    h->is_float = h->count > INTEGER_MAX;
    if (p->no_value) {
        *h = (struct histogram){.schema = h->schema,
                                .zero_threshold = h->zero_threshold,
                                .custom_bounds = h->custom_bounds,
                                .custom_n = h->custom_n,
                                .sum = sample_stale()};
    }
}

int otlp_exponential_native(const struct otlp_point *p, struct arena *a, struct histogram **ret,
                            struct why *why)
{
    struct layout positive, negative;
    if (p->d.scale < HISTOGRAM_SCHEMA_MIN)
        return why_set(why, ERR_RANGE,
                       "the exponential histogram has the scale %d, native ones begin at %d",
                       (int)p->d.scale, HISTOGRAM_SCHEMA_MIN);
    int shift = shift_of((int64_t)p->d.scale - HISTOGRAM_SCHEMA_MAX);
    if (!lay_out(&p->d.positive, shift, 1, a, &positive) ||
        !lay_out(&p->d.negative, shift, 1, a, &negative))
        return why_set(why, ERR_RANGE,
                       "the exponential histogram has buckets that are too far out");
    struct histogram *h = arena_new(a, sizeof *h);
    *h = (struct histogram){
        .schema = MIN(p->d.scale, HISTOGRAM_SCHEMA_MAX),
        .zero_threshold = p->d.zero_threshold > 0 ? p->d.zero_threshold : ZERO_THRESHOLD,
        .zero_count = (double)p->d.zero_count,
        .positive_spans = positive.spans,
        .positive_spans_n = positive.spans_n,
        .positive = positive.counts,
        .positive_n = positive.counts_n,
        .negative_spans = negative.spans,
        .negative_spans_n = negative.spans_n,
        .negative = negative.counts,
        .negative_n = negative.counts_n,
    };
    set_totals(h, p);
    *ret = h;
    return 0;
}

int otlp_exponential_custom(const struct otlp_point *p, struct arena *a, struct histogram **ret,
                            struct why *why)
{
    size_t n = p->d.bucket_counts.n / 8, bounds_n = p->d.bounds.n / 8;
    uint64_t *counts = arena_raw(a, (n + 1) * sizeof *counts);
    double *bounds = arena_raw(a, (bounds_n + 1) * sizeof *bounds);
    struct layout layout;
    if (n != 0 && n != bounds_n + 1)
        return why_set(why, ERR_FORMAT, "the histogram has %zu buckets for %zu bounds", n,
                       bounds_n);
    for (size_t i = 0; i < n; i++)
        counts[i] = load64(p->d.bucket_counts.p + i * 8);
    for (size_t i = 0; i < bounds_n; i++)
        bounds[i] = bits_double(load64(p->d.bounds.p + i * 8));
    if (n == 0) { /* only count and sum are known: all lies in one bucket */
        counts[0] = p->d.count;
        n = 1;
        bounds_n = 0;
    }
    if (bounds_n && bounds[bounds_n - 1] == INFINITY) {
        bounds_n--; /* the last bucket reaches there anyway */
        counts[n - 2] += counts[n - 1];
        n--;
    }
    if (!lay_out(&(struct otlp_buckets){0, n, counts}, 0, 0, a, &layout))
        return why_set(why, ERR_RANGE, "the histogram has too many buckets");
    struct histogram *h = arena_new(a, sizeof *h);
    *h = (struct histogram){
        .schema = HISTOGRAM_SCHEMA_CUSTOM,
        .positive_spans = layout.spans,
        .positive_spans_n = layout.spans_n,
        .positive = layout.counts,
        .positive_n = layout.counts_n,
        .custom_bounds = bounds,
        .custom_n = (uint32_t)bounds_n,
    };
    set_totals(h, p);
    *ret = h;
    return 0;
}

/* ---- sums */

/* Widens [*low, *high] by the buckets that are not empty, at a scale lowered by shift. */
static void widen(const struct otlp_buckets *b, int shift, int64_t *low, int64_t *high)
{
    size_t first = 0, behind = b->n;
    while (first < behind && b->counts[first] == 0)
        first++;
    while (behind > first && b->counts[behind - 1] == 0)
        behind--;
    if (first == behind)
        return;
    *low = MIN(*low, ((int64_t)b->offset + (int64_t)first) >> shift);
    *high = MAX(*high, ((int64_t)b->offset + (int64_t)behind - 1) >> shift);
}

static void pour(const struct otlp_buckets *b, int shift, int64_t low, uint64_t *to)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->counts[i])
            to[(((int64_t)b->offset + (int64_t)i) >> shift) - low] += b->counts[i];
}

static struct otlp_buckets view(const struct otlp_exponential *e, int side)
{
    return (struct otlp_buckets){e->sides[side].offset, e->sides[side].n, e->sides[side].counts};
}

static void add_sides(struct otlp_exponential *to, const struct otlp_buckets theirs[SIDES],
                      int32_t their_scale)
{
    int64_t low[SIDES], high[SIDES], scale = MIN(to->scale, their_scale);
    int mine_shift, their_shift;
    for (;; scale--) {
        bool fits = true;
        mine_shift = shift_of(to->scale - scale);
        their_shift = shift_of(their_scale - scale);
        for (int i = 0; i < SIDES; i++) {
            struct otlp_buckets mine = view(to, i);
            low[i] = INT64_MAX;
            high[i] = INT64_MIN;
            widen(&mine, mine_shift, &low[i], &high[i]);
            widen(&theirs[i], their_shift, &low[i], &high[i]);
            fits = fits && (low[i] > high[i] || high[i] - low[i] < OTLP_EXPONENTIAL_SUM_MAX);
        }
        if (fits)
            break;
    }
    for (int i = 0; i < SIDES; i++) {
        struct otlp_buckets mine = view(to, i);
        size_t n = low[i] > high[i] ? 0 : (size_t)(high[i] - low[i]) + 1;
        uint64_t *counts = n ? mem_array(n, sizeof *counts) : NULL;
        pour(&mine, mine_shift, low[i], counts);
        pour(&theirs[i], their_shift, low[i], counts);
        mem_free(to->sides[i].counts);
        to->sides[i].counts = counts;
        to->sides[i].n = n;
        to->sides[i].offset = n ? (int32_t)low[i] : 0;
    }
    to->scale = (int32_t)scale;
}

/* Moves the buckets that threshold reaches into to the bucket of zeros, whole ones only. */
static void widen_zero(struct otlp_exponential *e, double threshold)
{
    if (!(threshold > 0) || !isfinite(threshold))
        return;
    double last = ceil(ldexp(log2(threshold), e->scale)) - 1; /* index of its bucket */
    double reach = threshold;
    for (int i = 0; i < SIDES; i++)
        for (size_t k = 0; k < e->sides[i].n; k++) {
            if ((double)e->sides[i].offset + (double)k > last || e->sides[i].counts[k] == 0)
                continue;
            e->zero_count += e->sides[i].counts[k];
            e->sides[i].counts[k] = 0;
            reach = MAX(threshold, exp2(ldexp(last + 1, -e->scale)));
        }
    e->zero_threshold = reach;
}

void otlp_exponential_add(struct otlp_exponential *to, const struct otlp_point *p)
{
    const struct otlp_buckets theirs[SIDES] = {p->d.positive, p->d.negative};
    bool same = to->zero_threshold == p->d.zero_threshold;
    double threshold = MAX(to->zero_threshold, p->d.zero_threshold);
    add_sides(to, theirs, p->d.scale);
    to->zero_count += p->d.zero_count;
    if (!same)
        widen_zero(to, threshold);
}

void otlp_exponential_done(struct otlp_exponential *e)
{
    for (int i = 0; i < SIDES; i++)
        mem_free(e->sides[i].counts);
    *e = (struct otlp_exponential){0};
}
