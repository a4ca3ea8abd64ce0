#include "model/histogram.h"

#include <math.h>
#include <stdalign.h>
#include <string.h>

#include "base/bits.h"
#include "base/mem.h"
#include "model/sample.h"

/* First byte of the encoding: docs/format/histogram.md. */
enum {
    FLAG_RESET = 3,
    FLAG_FLOAT = 1 << 2,
    FLAG_WHOLE = 1 << 3, /* all counts are whole and below 2^53: varints */
    FLAG_ZERO = 1 << 4,  /* zero_threshold is there; else it is ZERO_THRESHOLD or, custom, 0 */
    FLAG_CUSTOM = 1 << 5,
};

static const double ZERO_THRESHOLD = 0x1p-128;
static const double WHOLE_MAX = 0x1p53;
static const double BOUND_SCALE = 1000; /* bounds are mostly short decimals */

bool histogram_is_stale(const struct histogram *h)
{
    return sample_is_stale(h->sum);
}

static bool schema_known(int32_t schema)
{
    return schema == HISTOGRAM_SCHEMA_CUSTOM ||
           (schema >= HISTOGRAM_SCHEMA_MIN && schema <= HISTOGRAM_SCHEMA_MAX);
}

static int spans_check(const char *side, const struct histogram_span *spans, size_t n,
                       size_t buckets, struct why *why)
{
    uint64_t sum = 0;
    int64_t index = 0;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && spans[i].offset < 0)
            return why_set(why, ERR_FORMAT, "%s span %zu of the histogram goes backwards", side,
                           i + 1);
        sum += spans[i].length;
        index += (int64_t)spans[i].offset + spans[i].length;
        if (sum <= HISTOGRAM_BUCKETS_MAX && (index > INT32_MAX || index < INT32_MIN))
            return why_set(why, ERR_FORMAT, "%s bucket indexes of the histogram overflow", side);
    }
    if (sum > HISTOGRAM_BUCKETS_MAX || n > HISTOGRAM_BUCKETS_MAX)
        return why_set(why, ERR_LIMIT, "the histogram has more than %d buckets",
                       HISTOGRAM_BUCKETS_MAX);
    if (sum != buckets)
        return why_set(why, ERR_FORMAT,
                       "%s spans of the histogram ask for %llu buckets, it has %zu", side,
                       (unsigned long long)sum, buckets);
    return 0;
}

static int counts_check(const char *side, const double *counts, size_t n, double *sum,
                        struct why *why)
{
    for (size_t i = 0; i < n; i++) {
        if (!(counts[i] >= 0))
            return why_set(why, ERR_FORMAT, "%s bucket %zu of the histogram has a negative count",
                           side, i + 1);
        *sum += counts[i];
    }
    return 0;
}

static int custom_check(const struct histogram *h, struct why *why)
{
    int64_t past = 0;
    for (size_t i = 0; i < h->custom_n; i++)
        if (!(isfinite(h->custom_bounds[i]) &&
              (i == 0 || h->custom_bounds[i] > h->custom_bounds[i - 1])))
            return why_set(why, ERR_FORMAT, "bound %zu of the histogram is not above the last",
                           i + 1);
    for (size_t i = 0; i < h->positive_spans_n; i++)
        past += (int64_t)h->positive_spans[i].offset + h->positive_spans[i].length;
    if (h->positive_spans_n && h->positive_spans[0].offset < 0)
        return why_set(why, ERR_FORMAT, "the first span of a histogram with own bounds is below 0");
    if (past > (int64_t)h->custom_n + 1)
        return why_set(why, ERR_FORMAT, "the histogram has more buckets than bounds");
    if (h->negative_n || h->negative_spans_n || h->zero_count != 0 || h->zero_threshold != 0)
        return why_set(why, ERR_FORMAT,
                       "a histogram with own bounds has neither negative nor zero buckets");
    return 0;
}

int histogram_check(const struct histogram *h, struct why *why)
{
    double sum = h->zero_count;
    bool custom = h->schema == HISTOGRAM_SCHEMA_CUSTOM;

    if (histogram_is_stale(h))
        return 0;
    if (!schema_known(h->schema))
        return why_set(why, ERR_FORMAT, "histogram schema %d is not known", h->schema);
    if (h->reset > HISTOGRAM_RESET_GAUGE)
        return why_set(why, ERR_FORMAT, "histogram reset hint %d is not known", h->reset);
    if ((uint64_t)h->positive_n + h->negative_n > HISTOGRAM_BUCKETS_MAX ||
        h->custom_n > HISTOGRAM_BUCKETS_MAX)
        return why_set(why, ERR_LIMIT, "the histogram has more than %d buckets",
                       HISTOGRAM_BUCKETS_MAX);
    if (!custom && h->custom_n)
        return why_set(why, ERR_FORMAT, "the histogram has own bounds but schema %d", h->schema);
    if (!(h->zero_threshold >= 0) || !(h->zero_count >= 0) || !(h->count >= 0))
        return why_set(why, ERR_FORMAT, "the histogram has a negative count or zero threshold");

    int err = spans_check("positive", h->positive_spans, h->positive_spans_n, h->positive_n, why);
    if (!err)
        err = spans_check("negative", h->negative_spans, h->negative_spans_n, h->negative_n, why);
    if (!err)
        err = counts_check("positive", h->positive, h->positive_n, &sum, why);
    if (!err)
        err = counts_check("negative", h->negative, h->negative_n, &sum, why);
    if (!err && custom)
        err = custom_check(h, why);
    if (err)
        return err;

    /* Observations of NaN are in the count but in no bucket; floats add up only nearly. */
    if (!h->is_float && (isnan(h->sum) ? sum > h->count : sum != h->count))
        return why_set(why, ERR_FORMAT,
                       "the histogram counts %.17g observations, its buckets %.17g", h->count, sum);
    return 0;
}

static size_t place(size_t *size, size_t n, size_t element)
{
    size_t at = (*size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
    *size = at + n * element;
    return at;
}

static const void *put_at(char *to, size_t at, const void *from, size_t size)
{
    if (size == 0)
        return NULL;
    return memcpy(to + at, from, size);
}

static struct histogram *copy_with(const struct histogram *h, void *(*get)(void *, size_t),
                                   void *context)
{
    const size_t span = sizeof(struct histogram_span), d = sizeof(double);
    size_t size = sizeof *h;
    size_t ps = place(&size, h->positive_spans_n, span),
           ns = place(&size, h->negative_spans_n, span);
    size_t pc = place(&size, h->positive_n, d), nc = place(&size, h->negative_n, d);
    size_t cb = place(&size, h->custom_n, d);
    char *p = get(context, size);
    struct histogram *to = memcpy(p, h, sizeof *h);

    to->positive_spans = put_at(p, ps, h->positive_spans, h->positive_spans_n * span);
    to->negative_spans = put_at(p, ns, h->negative_spans, h->negative_spans_n * span);
    to->positive = put_at(p, pc, h->positive, h->positive_n * d);
    to->negative = put_at(p, nc, h->negative, h->negative_n * d);
    to->custom_bounds = put_at(p, cb, h->custom_bounds, h->custom_n * d);
    return to;
}

static void *get_raw(void *context, size_t size)
{
    (void)context;
    return mem_raw(size);
}

static void *get_arena(void *context, size_t size)
{
    return arena_new(context, size);
}

struct histogram *histogram_copy(const struct histogram *h)
{
    return copy_with(h, get_raw, NULL);
}

struct histogram *histogram_clone(const struct histogram *h, struct arena *a)
{
    return copy_with(h, get_arena, a);
}

static bool bits_same(double a, double b)
{
    return double_bits(a) == double_bits(b);
}

static bool array_same(const void *a, const void *b, size_t n, size_t element)
{
    return n == 0 || memcmp(a, b, n * element) == 0;
}

bool histogram_same(const struct histogram *a, const struct histogram *b)
{
    return a->schema == b->schema && a->is_float == b->is_float && a->reset == b->reset &&
           bits_same(a->zero_threshold, b->zero_threshold) &&
           bits_same(a->zero_count, b->zero_count) && bits_same(a->count, b->count) &&
           bits_same(a->sum, b->sum) && a->positive_spans_n == b->positive_spans_n &&
           a->negative_spans_n == b->negative_spans_n && a->positive_n == b->positive_n &&
           a->negative_n == b->negative_n && a->custom_n == b->custom_n &&
           array_same(a->positive_spans, b->positive_spans, a->positive_spans_n,
                      sizeof *a->positive_spans) &&
           array_same(a->negative_spans, b->negative_spans, a->negative_spans_n,
                      sizeof *a->negative_spans) &&
           array_same(a->positive, b->positive, a->positive_n, sizeof *a->positive) &&
           array_same(a->negative, b->negative, a->negative_n, sizeof *a->negative) &&
           array_same(a->custom_bounds, b->custom_bounds, a->custom_n, sizeof *a->custom_bounds);
}

/* ---- our bytes */

static bool whole(double v)
{
    return v >= 0 && v < WHOLE_MAX && bits_same(v, (double)(uint64_t)v);
}

static bool all_whole(const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!whole(v[i]))
            return false;
    return true;
}

static void put_count(struct buf *out, double v, bool is_whole)
{
    if (is_whole)
        buf_put_varint(out, (uint64_t)v);
    else
        buf_put_double_raw(out, v);
}

static void put_side(struct buf *out, const struct histogram_span *spans, size_t spans_n,
                     const double *counts, size_t n, bool is_whole)
{
    int64_t last = 0;
    buf_put_varint(out, spans_n);
    for (size_t i = 0; i < spans_n; i++) {
        buf_put_varint(out, zigzag(spans[i].offset));
        buf_put_varint(out, spans[i].length);
    }
    buf_put_varint(out, n);
    for (size_t i = 0; i < n; i++) {
        if (!is_whole) {
            buf_put_double_raw(out, counts[i]);
            continue;
        }
        buf_put_varint(out, zigzag((int64_t)counts[i] - last));
        last = (int64_t)counts[i];
    }
}

static void put_bound(struct buf *out, double v)
{
    double scaled = v * BOUND_SCALE;
    uint64_t m = scaled >= 0 && scaled < 0x1p50 ? (uint64_t)(scaled + 0.5) : 0;
    if (bits_same((double)m / BOUND_SCALE, v)) {
        buf_put_varint(out, m << 1 | 1);
    } else {
        buf_put_varint(out, 0);
        buf_put_double_raw(out, v);
    }
}

void histogram_encode(const struct histogram *h, struct buf *out)
{
    bool custom = h->schema == HISTOGRAM_SCHEMA_CUSTOM;
    bool is_whole = whole(h->count) && whole(h->zero_count) &&
                    all_whole(h->positive, h->positive_n) && all_whole(h->negative, h->negative_n);
    bool zero = !bits_same(h->zero_threshold, custom ? 0 : ZERO_THRESHOLD);
    unsigned flags = h->reset & FLAG_RESET;

    flags |= (h->is_float ? FLAG_FLOAT : 0u) | (is_whole ? FLAG_WHOLE : 0u) |
             (zero ? FLAG_ZERO : 0u) | (custom ? FLAG_CUSTOM : 0u);
    buf_put_c(out, (char)flags);
    if (!custom)
        buf_put_varint(out, zigzag(h->schema));
    buf_put_double_raw(out, h->sum);
    put_count(out, h->count, is_whole);
    put_count(out, h->zero_count, is_whole);
    if (zero)
        buf_put_double_raw(out, h->zero_threshold);
    put_side(out, h->positive_spans, h->positive_spans_n, h->positive, h->positive_n, is_whole);
    put_side(out, h->negative_spans, h->negative_spans_n, h->negative, h->negative_n, is_whole);
    buf_put_varint(out, h->custom_n);
    for (size_t i = 0; i < h->custom_n; i++)
        put_bound(out, h->custom_bounds[i]);
}

struct source {
    const uint8_t *p, *end;
    bool bad;
};

static uint64_t get_varint(struct source *s)
{
    uint64_t v = 0;
    const uint8_t *next = s->bad ? NULL : varint_get(s->p, s->end, &v);
    if (next)
        s->p = next;
    s->bad |= !next;
    return v;
}

static double get_double(struct source *s)
{
    s->bad |= s->end - s->p < 8;
    if (s->bad)
        return 0;
    s->p += 8;
    return bits_double(load64(s->p - 8));
}

static double get_count(struct source *s, bool is_whole)
{
    return is_whole ? (double)get_varint(s) : get_double(s);
}

/* A number of elements that take at least a byte each. */
static uint32_t get_n(struct source *s)
{
    uint64_t n = get_varint(s);
    s->bad |= n > HISTOGRAM_BUCKETS_MAX || n > (size_t)(s->end - s->p);
    return s->bad ? 0 : (uint32_t)n;
}

static void get_spans(struct source *s, struct arena *a, const struct histogram_span **ret,
                      uint32_t *ret_n)
{
    uint32_t n = get_n(s);
    struct histogram_span *spans = n ? arena_array(a, n, sizeof *spans) : NULL;
    for (uint32_t i = 0; i < n; i++) {
        spans[i].offset = (int32_t)unzigzag(get_varint(s));
        uint64_t length = get_varint(s);
        s->bad |= length > HISTOGRAM_BUCKETS_MAX;
        spans[i].length = (uint32_t)length;
    }
    *ret = spans;
    *ret_n = n;
}

static void get_counts(struct source *s, struct arena *a, bool is_whole, const double **ret,
                       uint32_t *ret_n)
{
    uint32_t n = get_n(s);
    double *counts = n ? arena_array(a, n, sizeof *counts) : NULL;
    uint64_t last = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (is_whole)
            last += (uint64_t)unzigzag(get_varint(s));
        counts[i] = is_whole ? (double)(int64_t)last : get_double(s);
    }
    *ret = counts;
    *ret_n = n;
}

static void get_bounds(struct source *s, struct arena *a, const double **ret, uint32_t *ret_n)
{
    uint32_t n = get_n(s);
    double *bounds = n ? arena_array(a, n, sizeof *bounds) : NULL;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t m = get_varint(s);
        bounds[i] = m ? (double)(m >> 1) / BOUND_SCALE : get_double(s);
    }
    *ret = bounds;
    *ret_n = n;
}

int histogram_decode(const uint8_t *p, size_t n, struct arena *a, struct histogram **ret,
                     size_t *ret_used)
{
    struct source s = {p, p + n, n == 0};
    struct histogram *h = arena_new(a, sizeof *h);
    unsigned flags = n ? *s.p++ : 0;
    bool is_whole = flags & FLAG_WHOLE;

    h->reset = flags & FLAG_RESET;
    h->is_float = flags & FLAG_FLOAT;
    h->schema = flags & FLAG_CUSTOM ? HISTOGRAM_SCHEMA_CUSTOM : (int32_t)unzigzag(get_varint(&s));
    h->sum = get_double(&s);
    h->count = get_count(&s, is_whole);
    h->zero_count = get_count(&s, is_whole);
    h->zero_threshold = flags & FLAG_CUSTOM ? 0 : ZERO_THRESHOLD;
    if (flags & FLAG_ZERO)
        h->zero_threshold = get_double(&s);
    get_spans(&s, a, &h->positive_spans, &h->positive_spans_n);
    get_counts(&s, a, is_whole, &h->positive, &h->positive_n);
    get_spans(&s, a, &h->negative_spans, &h->negative_spans_n);
    get_counts(&s, a, is_whole, &h->negative, &h->negative_n);
    get_bounds(&s, a, &h->custom_bounds, &h->custom_n);
    if (s.bad || flags > (FLAG_RESET | FLAG_FLOAT | FLAG_WHOLE | FLAG_ZERO | FLAG_CUSTOM))
        return -ERR_FORMAT;
    *ret = h;
    *ret_used = (size_t)(s.p - p);
    return 0;
}
