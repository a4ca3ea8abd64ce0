#include "model/histogram_builder.h"

#include <math.h>
#include <string.h>

#include "base/bits.h"
#include "base/mem.h"
#include "base/must.h"

enum {
    PER_OCTAVE = 1 << HISTOGRAM_BUILDER_SCHEMA,
    ROOM = 16, /* buckets that a side gets more than it needs */
    MANTISSA_BITS = 52,
    EXPONENT_BIAS = 1023,
    GAP_MAX = 2, /* empty buckets that are written out rather than begin a span */
};

#define MANTISSA_MASK ((UINT64_C(1) << MANTISSA_BITS) - 1)

/* Below it a value counts as 0: 2^-128. */
static const double ZERO_THRESHOLD = 0x1p-128;

/* 2^(i/8): the upper bounds of an octave's buckets but the last, which is 2. */
static const double BOUNDS[PER_OCTAVE] = {
    1,
    1.0905077326652577,
    1.189207115002721,
    1.2968395546510096,
    1.4142135623730951,
    1.5422108254079407,
    1.681792830507429,
    1.8340080864093424,
};

void histogram_builder_init(struct histogram_builder *b)
{
    *b = (struct histogram_builder){.schema = HISTOGRAM_BUILDER_SCHEMA};
}

void histogram_builder_done(struct histogram_builder *b)
{
    mem_free(b->positive.v);
    mem_free(b->negative.v);
    histogram_builder_init(b);
}

/* The index of the bucket of a value > ZERO_THRESHOLD in the finest schema. */
static int32_t finest_index(double value)
{
    uint64_t bits = double_bits(value);
    int32_t exponent = (int32_t)(bits >> MANTISSA_BITS) - EXPONENT_BIAS, i = 0;
    double fraction = bits_double((bits & MANTISSA_MASK) | double_bits(1));
    for (size_t k = 0; k < PER_OCTAVE; k++)
        i += BOUNDS[k] < fraction;
    return i + exponent * PER_OCTAVE;
}

/* The index, some schemas coarser. */
static int32_t coarser(int32_t index, int32_t steps)
{
    return (index + (1 << steps) - 1) >> steps;
}

static void halve_side(struct histogram_builder_side *s)
{
    if (s->n == 0)
        return;
    int32_t first = coarser(s->first, 1);
    uint32_t n = (uint32_t)(coarser(s->first + (int32_t)s->n - 1, 1) - first) + 1;
    for (uint32_t i = 0; i < s->n; i++) {
        double count = s->v[i];
        s->v[i] = 0; /* it is read before anything is added there: its new place is at or before */
        s->v[coarser(s->first + (int32_t)i, 1) - first] += count;
    }
    s->first = first;
    s->n = n;
}

/* How many buckets s has once index is one of them. */
static int64_t width_with(const struct histogram_builder_side *s, int32_t index)
{
    if (s->n == 0)
        return 1;
    int64_t first = MIN(s->first, index), last = MAX(s->first + (int64_t)s->n - 1, index);
    return last - first + 1;
}

static void widen(struct histogram_builder_side *s, int32_t index)
{
    uint32_t n = (uint32_t)width_with(s, index);
    if (s->n == 0)
        s->first = index;
    if (n > s->capacity) {
        s->capacity = MIN(n + ROOM, HISTOGRAM_BUILDER_WIDTH_MAX);
        s->v = mem_resize(s->v, s->capacity * sizeof *s->v);
    }
    uint32_t before = index < s->first ? (uint32_t)(s->first - index) : 0;
    memmove(s->v + before, s->v, s->n * sizeof *s->v);
    memset(s->v, 0, before * sizeof *s->v);
    memset(s->v + before + s->n, 0, (n - before - s->n) * sizeof *s->v);
    s->first -= (int32_t)before;
    s->n = n;
}

void histogram_builder_add(struct histogram_builder *b, double value, double times)
{
    b->count += times;
    b->sum += value * times;
    double size = fabs(value);
    if (size <= ZERO_THRESHOLD) {
        b->zero += times;
        return;
    }
    struct histogram_builder_side *s = value > 0 ? &b->positive : &b->negative;
    int32_t finest = finest_index(size);
    int32_t index = coarser(finest, HISTOGRAM_BUILDER_SCHEMA - b->schema);
    if (UNLIKELY(index < s->first || index >= s->first + (int32_t)s->n)) {
        while (width_with(s, index) > HISTOGRAM_BUILDER_WIDTH_MAX) {
            halve_side(&b->positive);
            halve_side(&b->negative);
            b->schema--;
            must(b->schema >= HISTOGRAM_SCHEMA_MIN); /* all doubles fit into 2^-4's */
            index = coarser(finest, HISTOGRAM_BUILDER_SCHEMA - b->schema);
        }
        widen(s, index);
    }
    s->v[index - s->first] += times;
}

/* The length of the run of empty buckets at i. */
static uint32_t gap_at(const struct histogram_builder_side *s, uint32_t i)
{
    uint32_t n = 0;
    while (i + n < s->n && s->v[i + n] == 0)
        n++;
    return n;
}

static void view_side(const struct histogram_builder_side *s, struct arena *a,
                      const struct histogram_span **ret_spans, uint32_t *ret_spans_n,
                      const double **ret_counts, uint32_t *ret_n)
{
    struct histogram_span *spans = arena_array(a, s->n / (GAP_MAX + 2) + 1, sizeof *spans);
    double *counts = arena_array(a, s->n + 1, sizeof *counts);
    uint32_t spans_n = 0, n = 0;
    int32_t next = 0; /* index behind the last span */
    for (uint32_t i = 0; i < s->n;) {
        uint32_t gap = gap_at(s, i);
        if (i + gap == s->n)
            break;
        if (gap > GAP_MAX || spans_n == 0) {
            i += gap;
            int32_t index = s->first + (int32_t)i;
            spans[spans_n++] = (struct histogram_span){index - next, 0};
            next = index;
        }
        counts[n++] = s->v[i++];
        spans[spans_n - 1].length++;
        next++;
    }
    *ret_spans = spans;
    *ret_spans_n = spans_n;
    *ret_counts = counts;
    *ret_n = n;
}

void histogram_builder_view(const struct histogram_builder *b, struct arena *a,
                            struct histogram *ret)
{
    *ret = (struct histogram){.schema = b->schema,
                              .zero_threshold = ZERO_THRESHOLD,
                              .zero_count = b->zero,
                              .count = b->count,
                              .sum = b->sum};
    view_side(&b->positive, a, &ret->positive_spans, &ret->positive_spans_n, &ret->positive,
              &ret->positive_n);
    view_side(&b->negative, a, &ret->negative_spans, &ret->negative_spans_n, &ret->negative,
              &ret->negative_n);
}
