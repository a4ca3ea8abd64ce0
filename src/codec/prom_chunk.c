#include "codec/prom_chunk.h"

#include <math.h>
#include <string.h>

#include "base/bits.h"
#include "base/mem.h"
#include "base/must.h"
#include "codec/bit_out.h"
#include "model/sample.h"

/* First two bits of a histogram chunk's flags: what its first sample is to the one before. */
enum { FLAG_UNKNOWN = 0, FLAG_NO_RESET = 0x40, FLAG_RESET = 0x80, FLAG_GAUGE = 0xc0 };

enum { LEADING_NONE = 0xff, LEADING_MAX = 31 };

static bool fits(int64_t v, unsigned bits)
{
    return v >= -(((int64_t)1 << (bits - 1)) - 1) && v <= (int64_t)1 << (bits - 1);
}

/* ---- numbers of few bits: a prefix of ones says how many follow */

static const uint8_t WIDTHS[] = {3, 6, 9, 12, 18, 25, 56}; /* of histograms */
static const uint8_t STEP_WIDTHS[] = {14, 17, 20};         /* of the changes of a time's step */

/* v in the row-th of n widths: so many ones and a zero go before it. Behind the last width it is
 * whole, and the zero is left out. */
static void put_prefixed(struct bit_out *b, uint64_t v, const uint8_t *widths, size_t n, size_t row)
{
    unsigned ones = (unsigned)row + 1;
    if (row < n)
        bit_out_put(b, ((uint64_t)2 << ones) - 2, ones + 1);
    else
        bit_out_put(b, UINT64_MAX, ones);
    bit_out_put(b, v, row < n ? widths[row] : 64);
}

static void put_narrow(struct bit_out *b, int64_t v, const uint8_t *widths, size_t n)
{
    size_t row = 0;
    while (row < n && !fits(v, widths[row]))
        row++;
    if (v == 0)
        bit_out_put(b, 0, 1);
    else
        put_prefixed(b, (uint64_t)v, widths, n, row);
}

static void put_signed(struct bit_out *b, int64_t v)
{
    put_narrow(b, v, WIDTHS, COUNTOF(WIDTHS));
}

static void put_unsigned(struct bit_out *b, uint64_t v)
{
    size_t row = 0;
    while (row < COUNTOF(WIDTHS) && v >> WIDTHS[row] != 0)
        row++;
    if (v == 0)
        bit_out_put(b, 0, 1);
    else
        put_prefixed(b, v, WIDTHS, COUNTOF(WIDTHS), row);
}

/* ---- floats: what changed of the bits of the value before */

struct xor_state {
    uint64_t bits;
    unsigned leading, trailing; /* of the last window; leading LEADING_NONE: there is none */
};

static void xor_first(struct bit_out *b, struct xor_state *x, double v)
{
    *x = (struct xor_state){double_bits(v), LEADING_NONE, 0};
    bit_out_put(b, x->bits, 64);
}

static void xor_next(struct bit_out *b, struct xor_state *x, double v)
{
    uint64_t bits = double_bits(v), change = bits ^ x->bits;
    x->bits = bits;
    if (change == 0) {
        bit_out_put(b, 0, 1);
        return;
    }
    unsigned leading = (unsigned)__builtin_clzll(change);
    unsigned trailing = (unsigned)__builtin_ctzll(change);
    leading = leading > LEADING_MAX ? LEADING_MAX : leading;
    if (x->leading != LEADING_NONE && leading >= x->leading && trailing >= x->trailing) {
        bit_out_put(b, 2, 2);
        bit_out_put(b, change >> x->trailing, 64 - x->leading - x->trailing);
        return;
    }
    x->leading = leading;
    x->trailing = trailing;
    unsigned width = 64 - leading - trailing;
    bit_out_put(b, 3, 2);
    bit_out_put(b, leading, 5);
    bit_out_put(b, width, 6); /* 64 is written as 0 */
    bit_out_put(b, change >> trailing, width);
}

/* Times are subtracted as two's complement, as their reader adds them. */
static int64_t minus(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

static size_t take_floats(const struct prom_chunk_samples *s, size_t at, struct bit_out *b)
{
    struct xor_state x;
    int64_t step = 0;
    size_t n = 0;
    while (at + n < s->n && n < PROM_CHUNK_SAMPLES_MAX) {
        size_t i = at + n;
        if (s->histogram && s->histogram[i])
            break;
        if (n == 0) {
            buf_put_varint(b->out, zigzag(s->ts_ms[i])); /* no bits wait here and in the next */
            xor_first(b, &x, s->value[i]);
        } else {
            int64_t now = minus(s->ts_ms[i], s->ts_ms[i - 1]);
            if (n == 1)
                buf_put_varint(b->out, (uint64_t)now);
            else
                put_narrow(b, minus(now, step), STEP_WIDTHS, COUNTOF(STEP_WIDTHS));
            step = now;
            xor_next(b, &x, s->value[i]);
        }
        n++;
    }
    return n;
}

/* ---- native histograms */

static bool same_spans(const struct histogram_span *a, size_t a_n, const struct histogram_span *b,
                       size_t b_n)
{
    if (a_n != b_n)
        return false;
    for (size_t i = 0; i < a_n; i++) {
        if (a[i].offset != b[i].offset || a[i].length != b[i].length)
            return false;
    }
    return true;
}

static bool same_layout(const struct histogram *a, const struct histogram *b)
{
    return a->is_float == b->is_float && a->schema == b->schema &&
           double_bits(a->zero_threshold) == double_bits(b->zero_threshold) &&
           same_spans(a->positive_spans, a->positive_spans_n, b->positive_spans,
                      b->positive_spans_n) &&
           same_spans(a->negative_spans, a->negative_spans_n, b->negative_spans,
                      b->negative_spans_n) &&
           a->custom_n == b->custom_n &&
           (a->custom_n == 0 || memcmp(a->custom_bounds, b->custom_bounds,
                                       a->custom_n * sizeof *a->custom_bounds) == 0);
}

static bool any_less(const double *now, const double *before, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (now[i] < before[i])
            return true;
    }
    return false;
}

/* Can h, of the same layout, stand behind before in one chunk? Its reader takes all but a chunk's
 * first sample for not reset, and all of a gauge chunk for gauges. */
static bool follows(const struct histogram *h, const struct histogram *before)
{
    bool gauge = before->reset == HISTOGRAM_RESET_GAUGE;
    if (histogram_is_stale(before) || h->is_float != before->is_float)
        return false;
    if (histogram_is_stale(h))
        return true;
    if ((h->reset == HISTOGRAM_RESET_GAUGE) != gauge || !same_layout(h, before))
        return false;
    if (gauge)
        return true;
    return h->reset != HISTOGRAM_RESET_YES && !(h->count < before->count) &&
           !(h->zero_count < before->zero_count) &&
           !any_less(h->positive, before->positive, h->positive_n) &&
           !any_less(h->negative, before->negative, h->negative_n);
}

static void put_zero_threshold(struct bit_out *b, double v)
{
    enum { EXPONENT_MIN = -242, EXPONENT_MAX = 11, EXPONENT_SHIFT = 243 };
    int exponent;
    if (v == 0) {
        bit_out_put(b, 0, 8);
        return;
    }
    double fraction = frexp(v, &exponent);
    if (fraction == 0.5 && exponent >= EXPONENT_MIN && exponent <= EXPONENT_MAX) {
        bit_out_put(b, (uint64_t)(exponent + EXPONENT_SHIFT), 8);
        return;
    }
    bit_out_put(b, 0xff, 8);
    bit_out_put(b, double_bits(v), 64);
}

static void put_spans(struct bit_out *b, const struct histogram_span *spans, size_t n)
{
    put_unsigned(b, n);
    for (size_t i = 0; i < n; i++) {
        put_unsigned(b, spans[i].length);
        put_signed(b, spans[i].offset);
    }
}

/* Bounds are mostly whole thousandths, which take few bits. */
static void put_bound(struct bit_out *b, double v)
{
    enum { THOUSANDTHS_MAX = 33554430 };
    double scaled = v * 1000;
    if (!(scaled >= 0 && scaled <= THOUSANDTHS_MAX) || round(scaled) / 1000 != v) {
        bit_out_put(b, 0, 1);
        bit_out_put(b, double_bits(v), 64);
        return;
    }
    put_unsigned(b, (uint64_t)round(scaled) + 1);
}

static void put_layout(struct bit_out *b, const struct histogram *h)
{
    put_zero_threshold(b, h->zero_threshold);
    put_signed(b, h->schema);
    put_spans(b, h->positive_spans, h->positive_spans_n);
    put_spans(b, h->negative_spans, h->negative_spans_n);
    if (h->schema != HISTOGRAM_SCHEMA_CUSTOM)
        return;
    put_unsigned(b, h->custom_n);
    for (uint32_t i = 0; i < h->custom_n; i++)
        put_bound(b, h->custom_bounds[i]);
}

/* A staleness marker has nothing but its sum. */
static struct histogram bare(const struct histogram *h)
{
    if (!histogram_is_stale(h))
        return *h;
    return (struct histogram){.is_float = h->is_float, .sum = h->sum};
}

/* A counter of whole numbers: its change of change. */
struct whole {
    int64_t v, step;
};

static void whole_next(struct bit_out *b, struct whole *w, size_t n, int64_t v)
{
    int64_t step = minus(v, w->v);
    put_signed(b, n == 0 ? v : n == 1 ? step : minus(step, w->step));
    w->step = step;
    w->v = v;
}

/* What is kept of the sample before, for each bucket. */
struct buckets {
    struct whole whole[HISTOGRAM_BUCKETS_MAX];
    struct xor_state xor [HISTOGRAM_BUCKETS_MAX];
};

struct histogram_state {
    struct whole time, count, zero;
    struct xor_state sum, count_float, zero_float;
    struct buckets *buckets;
};

/* Buckets of whole numbers are written as differences of neighbours. */
static void put_side(struct bit_out *b, struct whole *w, size_t n, const double *counts, size_t m)
{
    int64_t before = 0;
    for (size_t i = 0; i < m; i++) {
        int64_t v = (int64_t)counts[i];
        whole_next(b, &w[i], n, minus(v, before));
        before = v;
    }
}

static void put_whole(struct bit_out *b, struct histogram_state *s, size_t n, int64_t ts_ms,
                      const struct histogram *h)
{
    bool stale = histogram_is_stale(h);
    whole_next(b, &s->time, n, ts_ms);
    if (n == 0) {
        s->count.v = (int64_t)h->count;
        s->zero.v = (int64_t)h->zero_count;
        put_unsigned(b, (uint64_t)s->count.v);
        put_unsigned(b, (uint64_t)s->zero.v);
        xor_first(b, &s->sum, h->sum);
    } else if (stale) {
        put_signed(b, 0);
        put_signed(b, 0);
        xor_next(b, &s->sum, h->sum);
    } else {
        whole_next(b, &s->count, n, (int64_t)h->count);
        whole_next(b, &s->zero, n, (int64_t)h->zero_count);
        xor_next(b, &s->sum, h->sum);
    }
    put_side(b, s->buckets->whole, n, h->positive, h->positive_n);
    put_side(b, s->buckets->whole + h->positive_n, n, h->negative, h->negative_n);
}

static void put_value(struct bit_out *b, struct xor_state *x, size_t n, double v)
{
    if (n == 0)
        xor_first(b, x, v);
    else
        xor_next(b, x, v);
}

static void put_floating(struct bit_out *b, struct histogram_state *s, size_t n, int64_t ts_ms,
                         const struct histogram *h)
{
    whole_next(b, &s->time, n, ts_ms);
    put_value(b, &s->count_float, n, h->count);
    put_value(b, &s->zero_float, n, h->zero_count);
    put_value(b, &s->sum, n, h->sum);
    for (uint32_t i = 0; i < h->positive_n; i++)
        put_value(b, &s->buckets->xor [i], n, h -> positive[i]);
    for (uint32_t i = 0; i < h->negative_n; i++)
        put_value(b, &s->buckets->xor [h->positive_n + i], n, h -> negative[i]);
}

static uint8_t flag_of(const struct histogram *h)
{
    static const uint8_t FLAGS[] = {[HISTOGRAM_RESET_UNKNOWN] = FLAG_UNKNOWN,
                                    [HISTOGRAM_RESET_YES] = FLAG_RESET,
                                    [HISTOGRAM_RESET_NO] = FLAG_NO_RESET,
                                    [HISTOGRAM_RESET_GAUGE] = FLAG_GAUGE};
    return FLAGS[h->reset & 3];
}

static size_t take_histograms(const struct prom_chunk_samples *s, size_t at, struct bit_out *b)
{
    const struct histogram *first = s->histogram[at], *before = NULL;
    struct histogram layout = bare(first);
    struct histogram_state state = {.buckets = mem_new(sizeof *state.buckets)};
    size_t n = 0;
    bit_out_put(b, flag_of(first), 8);
    put_layout(b, &layout);
    while (at + n < s->n && n < PROM_CHUNK_SAMPLES_MAX) {
        const struct histogram *h = s->histogram[at + n];
        if (!h || (before && !follows(h, before)))
            break;
        struct histogram plain = bare(h);
        if (first->is_float)
            put_floating(b, &state, n, s->ts_ms[at + n], &plain);
        else
            put_whole(b, &state, n, s->ts_ms[at + n], &plain);
        before = h;
        n++;
    }
    mem_free(state.buckets);
    return n;
}

size_t prom_chunk_take(const struct prom_chunk_samples *s, size_t at, struct buf *out,
                       enum prom_chunk_type *ret_type)
{
    const struct histogram *h = s->histogram ? s->histogram[at] : NULL;
    struct bit_out b;
    size_t start = out->n, n;
    must(at < s->n);
    bit_out_init(&b, out);
    bit_out_put(&b, 0, 16); /* the number of samples comes when it is known */
    if (h)
        n = take_histograms(s, at, &b);
    else
        n = take_floats(s, at, &b);
    bit_out_end(&b);
    *ret_type = !h            ? PROM_CHUNK_XOR
                : h->is_float ? PROM_CHUNK_FLOAT_HISTOGRAM
                              : PROM_CHUNK_HISTOGRAM;
    if (!buf_failed(out)) {
        out->p[start] = (char)(n >> 8);
        out->p[start + 1] = (char)(n & 0xff);
    }
    return n;
}
