#include "codec/prom_chunk_read.h"

#include <math.h>

#include "base/bits.h"
#include "base/mem.h"
#include "codec/bit_in.h"
#include "model/sample.h"

enum { HEAD = 2, SPANS_MAX = HISTOGRAM_BUCKETS_MAX };

/* Of a histogram chunk's flags: what its first sample is to the one before. */
enum { FLAG_NO_RESET = 0x40, FLAG_RESET = 0x80, FLAG_GAUGE = 0xc0 };

size_t prom_chunk_read_n(struct str bytes)
{
    return bytes.n < HEAD ? 0
                          : (size_t)((unsigned char)bytes.p[0] << 8 | (unsigned char)bytes.p[1]);
}

/* ---- numbers of few bits, as prom_chunk.c writes them */

static const uint8_t WIDTHS[] = {3, 6, 9, 12, 18, 25, 56}; /* of histograms */
static const uint8_t STEP_WIDTHS[] = {14, 17, 20};         /* of the changes of a time's step */

/* The sign of a number of that width; the greatest power of two is positive. */
static int64_t with_sign(uint64_t v, unsigned width)
{
    if (width < 64 && v > (uint64_t)1 << (width - 1))
        v -= (uint64_t)1 << width;
    return (int64_t)v;
}

static uint64_t read_prefixed(struct bit_in *b, const uint8_t *widths, unsigned n,
                              unsigned *ret_width)
{
    unsigned ones = bit_in_ones(b, n + 1);
    *ret_width = ones == 0 ? 1 : ones <= n ? widths[ones - 1] : 64;
    return ones == 0 ? 0 : bit_in_take(b, *ret_width);
}

static int64_t read_signed(struct bit_in *b)
{
    unsigned width;
    uint64_t v = read_prefixed(b, WIDTHS, COUNTOF(WIDTHS), &width);
    return with_sign(v, width);
}

static uint64_t read_unsigned(struct bit_in *b)
{
    unsigned width;
    return read_prefixed(b, WIDTHS, COUNTOF(WIDTHS), &width);
}

/* A varint between bits: byte by byte. */
static uint64_t read_varint(struct bit_in *b)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint64_t byte = bit_in_few(b, 8);
        v |= (byte & 127) << shift;
        if (byte < 128)
            return v;
    }
    b->past = true;
    return 0;
}

/* ---- floats */

struct xor_state {
    uint64_t bits;
    unsigned width, trailing; /* of the last window */
};

static double xor_first(struct bit_in *b, struct xor_state *x)
{
    *x = (struct xor_state){.bits = bit_in_take(b, 64), .width = 64};
    return bits_double(x->bits);
}

static double xor_next(struct bit_in *b, struct xor_state *x)
{
    if (bit_in_few(b, 1) == 0)
        return bits_double(x->bits);
    if (bit_in_few(b, 1) == 1) {
        uint64_t both = bit_in_few(b, 11);
        unsigned leading = (unsigned)(both >> 6), width = (unsigned)(both & 63);
        width = width == 0 ? 64 : width;
        if (leading + width > 64) {
            b->past = true;
            return 0;
        }
        x->width = width;
        x->trailing = 64 - leading - width;
    }
    x->bits ^= bit_in_take(b, x->width) << x->trailing;
    return bits_double(x->bits);
}

static int64_t plus(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static void read_floats(struct bit_in *b, size_t n, struct prom_chunk_read *to)
{
    struct xor_state x;
    int64_t ts = unzigzag(read_varint(b)), step = 0;
    to->ts_ms[0] = ts;
    to->value[0] = xor_first(b, &x);
    for (size_t i = 1; i < n && !b->past; i++) {
        if (i == 1) {
            step = (int64_t)read_varint(b);
        } else if (bit_in_few(b, 1) != 0) { /* most steps are as the one before */
            unsigned ones = bit_in_ones(b, COUNTOF(STEP_WIDTHS));
            unsigned width = ones < COUNTOF(STEP_WIDTHS) ? STEP_WIDTHS[ones] : 64;
            step = plus(step, with_sign(bit_in_take(b, width), width));
        }
        ts = plus(ts, step);
        to->ts_ms[i] = ts;
        to->value[i] = xor_next(b, &x);
    }
}

/* ---- native histograms */

/* What all samples of a chunk share. */
struct layout {
    struct histogram h; /* without counts */
    uint8_t first_reset, rest_reset;
};

static double read_zero_threshold(struct bit_in *b)
{
    enum { EXPONENT_SHIFT = 243 };
    uint64_t v = bit_in_few(b, 8);
    if (v == 0)
        return 0;
    return v == 255 ? bits_double(bit_in_take(b, 64)) : ldexp(0.5, (int)v - EXPONENT_SHIFT);
}

/* Spans, and how many buckets they have; false for more than there may be. */
static bool read_spans(struct bit_in *b, struct arena *a, const struct histogram_span **ret,
                       uint32_t *ret_n, uint32_t *ret_buckets)
{
    uint64_t n = read_unsigned(b), buckets = 0;
    if (b->past || n > SPANS_MAX)
        return false;
    struct histogram_span *spans = arena_array(a, (size_t)n + 1, sizeof *spans);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t length = read_unsigned(b);
        int64_t offset = read_signed(b);
        buckets += length;
        if (b->past || length > HISTOGRAM_BUCKETS_MAX || buckets > HISTOGRAM_BUCKETS_MAX ||
            offset != (int32_t)offset)
            return false;
        spans[i] = (struct histogram_span){(int32_t)offset, (uint32_t)length};
    }
    *ret = spans;
    *ret_n = (uint32_t)n;
    *ret_buckets = (uint32_t)buckets;
    return true;
}

static double read_bound(struct bit_in *b)
{
    uint64_t v = read_unsigned(b);
    return v == 0 ? bits_double(bit_in_take(b, 64)) : (double)(v - 1) / 1000;
}

static bool read_layout(struct bit_in *b, struct arena *a, struct layout *l)
{
    uint64_t flags = bit_in_few(b, 8) & 0xc0;
    struct histogram *h = &l->h;
    l->first_reset = flags == FLAG_GAUGE      ? HISTOGRAM_RESET_GAUGE
                     : flags == FLAG_RESET    ? HISTOGRAM_RESET_YES
                     : flags == FLAG_NO_RESET ? HISTOGRAM_RESET_NO
                                              : HISTOGRAM_RESET_UNKNOWN;
    l->rest_reset = flags == FLAG_GAUGE ? HISTOGRAM_RESET_GAUGE : HISTOGRAM_RESET_NO;
    h->zero_threshold = read_zero_threshold(b);
    h->schema = (int32_t)read_signed(b);
    if (!read_spans(b, a, &h->positive_spans, &h->positive_spans_n, &h->positive_n) ||
        !read_spans(b, a, &h->negative_spans, &h->negative_spans_n, &h->negative_n) ||
        h->positive_n + h->negative_n > HISTOGRAM_BUCKETS_MAX)
        return false;
    if (h->schema != HISTOGRAM_SCHEMA_CUSTOM)
        return true;
    uint64_t n = read_unsigned(b);
    if (b->past || n > HISTOGRAM_BUCKETS_MAX)
        return false;
    double *bounds = arena_array(a, (size_t)n + 1, sizeof *bounds);
    for (uint64_t i = 0; i < n; i++)
        bounds[i] = read_bound(b);
    h->custom_bounds = bounds;
    h->custom_n = (uint32_t)n;
    return true;
}

/* A counter of whole numbers: its change of change. */
struct whole {
    int64_t v, step;
};

static int64_t whole_next(struct bit_in *b, struct whole *w, size_t n)
{
    int64_t read = read_signed(b);
    if (n == 0) {
        w->v = read;
        w->step = 0;
        return w->v;
    }
    w->step = n == 1 ? read : plus(w->step, read);
    w->v = plus(w->v, w->step);
    return w->v;
}

struct histogram_state {
    struct whole time, count, zero;
    struct xor_state sum, count_float, zero_float;
    struct whole *wholes;     /* [positive_n + negative_n] */
    struct xor_state *floats; /* likewise */
};

static void read_side(struct bit_in *b, struct whole *w, size_t n, double *counts, size_t m)
{
    int64_t before = 0;
    for (size_t i = 0; i < m; i++) {
        before = plus(before, whole_next(b, &w[i], n));
        counts[i] = (double)before;
    }
}

static void read_whole(struct bit_in *b, struct histogram_state *s, size_t n, struct histogram *h,
                       double *positive, double *negative)
{
    if (n == 0) {
        s->count.v = (int64_t)read_unsigned(b);
        s->zero.v = (int64_t)read_unsigned(b);
        h->sum = xor_first(b, &s->sum);
    } else {
        whole_next(b, &s->count, n);
        whole_next(b, &s->zero, n);
        h->sum = xor_next(b, &s->sum);
    }
    h->count = (double)s->count.v;
    h->zero_count = (double)s->zero.v;
    if (sample_is_stale(h->sum) && n > 0)
        return; /* nothing follows but the next sample, and there is none */
    read_side(b, s->wholes, n, positive, h->positive_n);
    read_side(b, s->wholes + h->positive_n, n, negative, h->negative_n);
}

static double read_value(struct bit_in *b, struct xor_state *x, size_t n)
{
    return n == 0 ? xor_first(b, x) : xor_next(b, x);
}

static void read_floating(struct bit_in *b, struct histogram_state *s, size_t n,
                          struct histogram *h, double *positive, double *negative)
{
    h->count = read_value(b, &s->count_float, n);
    h->zero_count = read_value(b, &s->zero_float, n);
    h->sum = read_value(b, &s->sum, n);
    if (sample_is_stale(h->sum) && n > 0)
        return;
    for (uint32_t i = 0; i < h->positive_n; i++)
        positive[i] = read_value(b, &s->floats[i], n);
    for (uint32_t i = 0; i < h->negative_n; i++)
        negative[i] = read_value(b, &s->floats[h->positive_n + i], n);
}

static bool read_histograms(struct bit_in *b, size_t n, bool is_float, struct arena *a,
                            struct prom_chunk_read *to)
{
    struct layout l = {.h = {.is_float = is_float}};
    struct histogram_state s = {.wholes = NULL};
    if (!read_layout(b, a, &l))
        return false;
    size_t buckets = (size_t)l.h.positive_n + l.h.negative_n + 1;
    s.wholes = arena_array(a, buckets, sizeof *s.wholes);
    s.floats = arena_array(a, buckets, sizeof *s.floats);
    for (size_t i = 0; i < n && !b->past; i++) {
        struct histogram *h = arena_new(a, sizeof *h);
        double *counts = arena_array(a, buckets, sizeof *counts);
        *h = l.h;
        h->reset = i == 0 ? l.first_reset : l.rest_reset;
        h->positive = counts;
        h->negative = counts + h->positive_n;
        to->ts_ms[i] = whole_next(b, &s.time, i);
        if (is_float)
            read_floating(b, &s, i, h, counts, counts + h->positive_n);
        else
            read_whole(b, &s, i, h, counts, counts + h->positive_n);
        if (sample_is_stale(h->sum))
            *h = (struct histogram){.is_float = is_float, .sum = h->sum};
        to->histogram[i] = h;
    }
    return true;
}

int prom_chunk_read(unsigned type, struct str bytes, struct arena *a, struct prom_chunk_read *to,
                    struct why *why)
{
    struct bit_in b;
    size_t n = prom_chunk_read_n(bytes);
    if (type != PROM_CHUNK_XOR && type != PROM_CHUNK_HISTOGRAM &&
        type != PROM_CHUNK_FLOAT_HISTOGRAM)
        return why_set(why, ERR_UNSUPPORTED, "a chunk of type %u, which is not known", type);
    if (n == 0)
        return why_set(why, ERR_FORMAT, "a chunk without samples");
    bit_in_init(&b, bytes.p + HEAD, bytes.n - HEAD);
    bool fine = true;
    if (type == PROM_CHUNK_XOR)
        read_floats(&b, n, to);
    else
        fine = read_histograms(&b, n, type == PROM_CHUNK_FLOAT_HISTOGRAM, a, to);
    if (!fine || b.past)
        return why_set(why, ERR_FORMAT, "a chunk that is damaged");
    return 0;
}
