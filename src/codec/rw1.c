#include "codec/rw1.h"

#include "base/bits.h"
#include "codec/wire.h"

/* Tags: field number and wire type in one byte. */
enum {
    REQUEST_SERIES = 0x0a,
    REQUEST_METADATA = 0x1a,
    SERIES_LABEL = 0x0a,
    SERIES_SAMPLE = 0x12,
    SERIES_EXEMPLAR = 0x1a,
    SERIES_HISTOGRAM = 0x22,
};

void rw1_init(struct rw1_reader *r)
{
    *r = (struct rw1_reader){0};
    arena_init(&r->arena);
}

void rw1_done(struct rw1_reader *r)
{
    arena_done(&r->arena);
    rw1_init(r);
}

void rw1_begin(struct rw1_reader *r, struct str request)
{
    r->start = r->p = (const uint8_t *)request.p;
    r->end = request.n ? r->p + request.n : r->p;
    r->at = r->series_end = NULL;
}

static int fail(struct rw1_reader *r, const uint8_t *at, const char *what, struct why *why)
{
    size_t byte = (size_t)(at - r->start);
    r->p = r->end;
    r->at = r->series_end = NULL;
    return why_set(why, ERR_FORMAT, "remote write request, byte %zu: %s", byte, what);
}

static void row(struct rw1_reader *r, struct batch *b, int64_t ts_ms, double value,
                const struct histogram *h, int64_t start_ms)
{
    size_t i = b->n++;
    b->key[i] = r->key;
    b->ts_ms[i] = ts_ms;
    b->value[i] = value;
    b->histogram[i] = h;
    b->start_ms[i] = start_ms;
}

static bool exemplar(struct rw1_reader *r, const struct wire_field *f, struct sides *s)
{
    struct exemplar *e = &s->exemplars[s->exemplars_n];
    struct wire_field inner;
    const uint8_t *labels = NULL, *labels_end = NULL;
    struct buf key;

    *e = (struct exemplar){.key = r->key};
    for (const uint8_t *p = f->p, *end = p + f->n, *from = p; p < end; from = p) {
        p = wire_next(p, end, &inner);
        if (!p)
            return false;
        if (wire_tag(&inner) == SERIES_LABEL) {
            if (labels && labels_end != from)
                return false; /* no sender puts values between labels */
            labels = labels ? labels : from;
            labels_end = p;
        } else if (wire_tag(&inner) == WIRE_TAG(2, WIRE_FIXED64)) {
            e->value = bits_double(inner.v);
        } else if (wire_tag(&inner) == WIRE_TAG(3, WIRE_VARINT)) {
            e->ts_ms = (int64_t)inner.v;
        }
    }
    buf_init(&key, LABELS_KEY_MAX);
    struct str raw = str_of((const char *)labels, (size_t)(labels_end - labels));
    struct why why;
    if (labels && labels_canonical_bare(raw, &key, &why)) {
        s->bad[s->bad_n++] = (struct sides_bad){
            .reason = arena_printf(&r->arena, "an exemplar: %s", why.text),
        };
    } else {
        e->labels = key.n ? arena_str(&r->arena, buf_str(&key)) : (struct str){0};
        s->exemplars_n++;
    }
    buf_done(&key);
    return true;
}

static bool metadata(const struct wire_field *f, struct sides *s)
{
    struct metadata *m = &s->metadata[s->metadata_n];
    struct wire_field inner;
    *m = (struct metadata){0};
    for (const uint8_t *p = f->p, *end = p + f->n; p < end;) {
        p = wire_next(p, end, &inner);
        if (!p)
            return false;
        struct str text = {0};
        if (inner.type == WIRE_BYTES)
            text = str_of((const char *)inner.p, inner.n);
        if (wire_tag(&inner) == WIRE_TAG(1, WIRE_VARINT))
            m->type = inner.v <= METRIC_STATESET ? (enum metric_type)inner.v : METRIC_UNKNOWN;
        else if (inner.type == WIRE_BYTES && inner.number == 2)
            m->metric = text;
        else if (inner.type == WIRE_BYTES && inner.number == 4)
            m->help = text;
        else if (inner.type == WIRE_BYTES && inner.number == 5)
            m->unit = text;
    }
    if (m->metric.n)
        s->metadata_n++;
    return true;
}

/* A series whose labels do not lie together: puts them together. */
static bool gather(struct rw1_reader *r, const uint8_t *message)
{
    struct wire_field f;
    size_t size = 0;
    char *to = arena_new(&r->arena, (size_t)(r->series_end - message) + 1);
    for (const uint8_t *p = message, *from = p; p < r->series_end; from = p) {
        p = wire_next(p, r->series_end, &f);
        if (!p)
            return false;
        if (wire_tag(&f) == SERIES_LABEL) {
            memcpy(to + size, from, (size_t)(p - from));
            size += (size_t)(p - from);
        }
    }
    r->key = str_of(to, size);
    return true;
}

/* Are there labels behind p? Anything malformed is met again later. */
static bool late_labels(const uint8_t *p, const uint8_t *end)
{
    struct wire_field f;
    while (p < end) {
        p = wire_next(p, end, &f);
        if (!p)
            return false;
        if (wire_tag(&f) == SERIES_LABEL)
            return true;
    }
    return false;
}

/* Begins a series, whose message is [p, end): finds its key. */
static inline bool begin(struct rw1_reader *r, const uint8_t *p, const uint8_t *end)
{
    const uint8_t *message = p;
    while (p < end) {
        /* Tag and length at once, since each label waits for the one before. */
        uint32_t head = load16(p);
        if (LIKELY((head & 0x80ff) == SERIES_LABEL)) {
            p += 2 + (head >> 8);
            continue;
        }
        uint64_t n;
        if (*p != SERIES_LABEL)
            break;
        p = varint_get(p + 1, end, &n);
        if (UNLIKELY(!p || n > (size_t)(end - p)))
            return false;
        p += n;
    }
    if (UNLIKELY(p > end))
        return false;
    r->key = str_of((const char *)message, (size_t)(p - message));
    r->at = p;
    r->series_end = end;
    /* One sample and nothing behind it: the usual series. */
    if (LIKELY(end - p >= 2 && p[0] == SERIES_SAMPLE && p[1] < 0x80 && p + 2 + p[1] == end))
        return true;
    return !late_labels(p, end) || gather(r, message);
}

/* The fields of the present series until one of b and s is full. */
static int fields(struct rw1_reader *r, struct batch *b, struct sides *s, struct why *why)
{
    while (r->at < r->series_end && b->n < BATCH_MAX && !sides_full(s)) {
        const uint8_t *p = r->at, *end = r->series_end;
        struct wire_field f;
        double value;
        int64_t ts_ms, start_ms;
        if (LIKELY(end - p >= 2 && p[0] == SERIES_SAMPLE && p[1] < 0x80 && p[1] <= end - p - 2)) {
            if (UNLIKELY(!wire_sample(p + 2, p + 2 + p[1], &value, &ts_ms, &start_ms)))
                return fail(r, p, "a malformed sample", why);
            r->at = p + 2 + p[1];
            row(r, b, ts_ms, value, NULL, start_ms);
            continue;
        }
        r->at = wire_next(p, end, &f);
        if (!r->at)
            return fail(r, p, "a malformed field of a series", why);
        if (wire_tag(&f) == SERIES_SAMPLE) {
            if (!wire_sample(f.p, f.p + f.n, &value, &ts_ms, &start_ms))
                return fail(r, p, "a malformed sample", why);
            row(r, b, ts_ms, value, NULL, start_ms);
        } else if (wire_tag(&f) == SERIES_HISTOGRAM) {
            struct histogram *h;
            if (!wire_histogram(f.p, f.n, &r->arena, &h, &ts_ms, &start_ms))
                return fail(r, p, "a malformed histogram", why);
            row(r, b, ts_ms, 0, h, start_ms);
        } else if (wire_tag(&f) == SERIES_EXEMPLAR && !exemplar(r, &f, s)) {
            return fail(r, p, "a malformed exemplar", why);
        }
    }
    return 0;
}

static int other(struct rw1_reader *r, struct sides *s, struct why *why)
{
    struct wire_field f;
    const uint8_t *from = r->p;
    r->p = wire_next(from, r->end, &f);
    if (!r->p)
        return fail(r, from, "a malformed field", why);
    if (wire_tag(&f) == REQUEST_METADATA && !metadata(&f, s))
        return fail(r, from, "malformed metadata", why);
    return 0;
}

/* What the arena holds is spent with the batch, except for the key of a series that goes on. */
static void forget(struct rw1_reader *r)
{
    bool outside = (const uint8_t *)r->key.p < r->start || (const uint8_t *)r->key.p >= r->end;
    if (r->at == r->series_end || !outside) {
        arena_reset(&r->arena);
        return;
    }
    struct arena old = r->arena;
    arena_init(&r->arena);
    r->key = arena_str(&r->arena, r->key);
    arena_done(&old);
}

int rw1_next(struct rw1_reader *r, struct batch *b, struct sides *s, struct why *why)
{
    forget(r);
    b->n = 0;
    sides_clear(s);
    while (b->n < BATCH_MAX && !sides_full(s)) {
        int err = 0;
        if (r->at < r->series_end) {
            err = fields(r, b, s, why);
        } else if (r->p < r->end && *r->p == REQUEST_SERIES) {
            const uint8_t *from = r->p;
            uint64_t n;
            const uint8_t *p = wire_short_length(from + 1, r->end, &n);
            if (UNLIKELY(!p || p > r->end || n > (size_t)(r->end - p) || !begin(r, p, p + n)))
                return fail(r, from, "a malformed series", why);
            r->p = p + n;
            __builtin_prefetch(r->p + 256);
        } else if (r->p < r->end) {
            err = other(r, s, why);
        } else {
            break;
        }
        if (err)
            return err;
    }
    return b->n || !sides_empty(s);
}
