#include "codec/wire.h"

/* Field numbers of Histogram and BucketSpan. */
enum {
    COUNT_INT = 1,
    COUNT_FLOAT = 2,
    SUM = 3,
    SCHEMA = 4,
    ZERO_THRESHOLD = 5,
    ZERO_COUNT_INT = 6,
    ZERO_COUNT_FLOAT = 7,
    NEGATIVE_SPANS = 8,
    NEGATIVE_DELTAS = 9,
    NEGATIVE_COUNTS = 10,
    POSITIVE_SPANS = 11,
    POSITIVE_DELTAS = 12,
    POSITIVE_COUNTS = 13,
    RESET_HINT = 14,
    TIMESTAMP = 15,
    CUSTOM_VALUES = 16,
    START_TIMESTAMP = 17,
    SPAN_OFFSET = 1,
    SPAN_LENGTH = 2,
};

static void *push(struct wire_growing *g, struct arena *a, size_t size)
{
    if (g->n == g->capacity) {
        g->capacity = g->capacity ? 2 * g->capacity : 8;
        void *v = arena_array(a, g->capacity, size);
        if (g->n)
            memcpy(v, g->v, g->n * size);
        g->v = v;
    }
    return (char *)g->v + g->n++ * size;
}

bool wire_span(struct wire_buckets *h, struct wire_growing *spans, const struct wire_field *f)
{
    struct histogram_span s = {0};
    struct wire_field inner = {0};
    for (const uint8_t *p = f->p, *end = p + f->n; p < end;) {
        p = wire_next(p, end, &inner);
        if (!p)
            return false;
        if (wire_tag(&inner) == WIRE_TAG(SPAN_OFFSET, WIRE_VARINT))
            s.offset = (int32_t)unzigzag(inner.v);
        else if (wire_tag(&inner) == WIRE_TAG(SPAN_LENGTH, WIRE_VARINT))
            s.length = (uint32_t)inner.v;
    }
    h->too_many |= spans->n == HISTOGRAM_BUCKETS_MAX;
    if (!h->too_many)
        *(struct histogram_span *)push(spans, h->arena, sizeof s) = s;
    return true;
}

/* Adds the next bucket's count, which is told as the difference to the one before. */
static void delta(struct wire_buckets *h, struct wire_growing *to, uint64_t v)
{
    h->too_many |= to->n == HISTOGRAM_BUCKETS_MAX;
    if (h->too_many)
        return;
    int64_t *counts = to->v;
    uint64_t last = to->n ? (uint64_t)counts[to->n - 1] : 0;
    *(int64_t *)push(to, h->arena, sizeof(int64_t)) = (int64_t)(last + (uint64_t)unzigzag(v));
}

static void real(struct wire_buckets *h, struct wire_growing *to, uint64_t bits)
{
    h->too_many |= to->n == HISTOGRAM_BUCKETS_MAX;
    if (!h->too_many)
        *(double *)push(to, h->arena, sizeof(double)) = bits_double(bits);
}

/* Packed or, as protobuf allows too, one by one. */
bool wire_deltas(struct wire_buckets *h, struct wire_growing *to, const struct wire_field *f)
{
    uint64_t v;
    if (f->type == WIRE_VARINT)
        delta(h, to, f->v);
    else if (f->type == WIRE_BYTES)
        for (const uint8_t *p = f->p, *end = p + f->n; p < end && !h->too_many;) {
            p = varint_get(p, end, &v);
            if (!p)
                return false;
            delta(h, to, v);
        }
    return true;
}

bool wire_reals(struct wire_buckets *h, struct wire_growing *to, const struct wire_field *f)
{
    if (f->type == WIRE_FIXED64)
        real(h, to, f->v);
    if (f->type != WIRE_BYTES)
        return true;
    for (size_t i = 0; i + 8 <= f->n && !h->too_many; i += 8)
        real(h, to, load64(f->p + i));
    return f->n % 8 == 0;
}

static bool array_field(struct wire_buckets *h, const struct wire_field *f)
{
    struct wire_side *side = f->number >= POSITIVE_SPANS ? &h->positive : &h->negative;
    switch (f->number) {
    case NEGATIVE_SPANS:
    case POSITIVE_SPANS:
        return f->type != WIRE_BYTES || wire_span(h, &side->spans, f);
    case NEGATIVE_DELTAS:
    case POSITIVE_DELTAS:
        return wire_deltas(h, &side->deltas, f);
    case NEGATIVE_COUNTS:
    case POSITIVE_COUNTS:
        return wire_reals(h, &side->counts, f);
    case CUSTOM_VALUES:
        return wire_reals(h, &h->custom, f);
    default:
        return true;
    }
}

static void plain_field(const struct wire_field *f, struct histogram *to, int64_t *ts_ms,
                        int64_t *start_ms)
{
    switch (wire_tag(f)) {
    case WIRE_TAG(COUNT_INT, WIRE_VARINT):
        to->count = (double)f->v;
        to->is_float = false;
        break;
    case WIRE_TAG(COUNT_FLOAT, WIRE_FIXED64):
        to->count = bits_double(f->v);
        to->is_float = true;
        break;
    case WIRE_TAG(SUM, WIRE_FIXED64):
        to->sum = bits_double(f->v);
        break;
    case WIRE_TAG(SCHEMA, WIRE_VARINT):
        to->schema = (int32_t)unzigzag(f->v);
        break;
    case WIRE_TAG(ZERO_THRESHOLD, WIRE_FIXED64):
        to->zero_threshold = bits_double(f->v);
        break;
    case WIRE_TAG(ZERO_COUNT_INT, WIRE_VARINT):
        to->zero_count = (double)f->v;
        break;
    case WIRE_TAG(ZERO_COUNT_FLOAT, WIRE_FIXED64):
        to->zero_count = bits_double(f->v);
        break;
    case WIRE_TAG(RESET_HINT, WIRE_VARINT):
        to->reset = (uint8_t)MIN(f->v, 255u);
        break;
    case WIRE_TAG(TIMESTAMP, WIRE_VARINT):
        *ts_ms = (int64_t)f->v;
        break;
    case WIRE_TAG(START_TIMESTAMP, WIRE_VARINT):
        *start_ms = (int64_t)f->v;
        break;
    default:
        break;
    }
}

/* Counts of one side as doubles, from deltas (integers) or as they are. */
static void finish_side(const struct wire_side *from, bool is_float, struct arena *a,
                        const struct histogram_span **spans, uint32_t *spans_n,
                        const double **counts, uint32_t *n)
{
    *spans = from->spans.v;
    *spans_n = (uint32_t)from->spans.n;
    if (is_float) {
        *counts = from->counts.v;
        *n = (uint32_t)from->counts.n;
        return;
    }
    double *v = from->deltas.n ? arena_array(a, from->deltas.n, sizeof *v) : NULL;
    for (size_t i = 0; i < from->deltas.n; i++)
        v[i] = (double)((const int64_t *)from->deltas.v)[i];
    *counts = v;
    *n = (uint32_t)from->deltas.n;
}

void wire_buckets_finish(const struct wire_buckets *h, struct histogram *to)
{
    static const struct histogram_span ENDLESS = {0, UINT32_MAX};
    if (h->too_many) {
        to->positive_spans = &ENDLESS;
        to->positive_spans_n = 1;
        return;
    }
    finish_side(&h->positive, to->is_float, h->arena, &to->positive_spans, &to->positive_spans_n,
                &to->positive, &to->positive_n);
    finish_side(&h->negative, to->is_float, h->arena, &to->negative_spans, &to->negative_spans_n,
                &to->negative, &to->negative_n);
    to->custom_bounds = h->custom.v;
    to->custom_n = (uint32_t)h->custom.n;
}

bool wire_histogram(const uint8_t *p, size_t n, struct arena *a, struct histogram **ret,
                    int64_t *ret_ts_ms, int64_t *ret_start_ms)
{
    struct wire_buckets h = {.arena = a};
    struct histogram *to = arena_new(a, sizeof *to);
    struct wire_field f = {0};
    int64_t ts_ms = 0, start_ms = 0;

    for (const uint8_t *end = p + n; p < end;) {
        p = wire_next(p, end, &f);
        if (!p)
            return false;
        plain_field(&f, to, &ts_ms, &start_ms);
        if (!h.too_many && !array_field(&h, &f))
            return false;
    }
    wire_buckets_finish(&h, to);
    *ret = to;
    *ret_ts_ms = ts_ms;
    *ret_start_ms = start_ms;
    return true;
}
