#include "codec/rw2.h"

#include "base/bits.h"
#include "base/mem.h"
#include "codec/wire.h"

enum {
    REQUEST_SYMBOL = WIRE_TAG(4, WIRE_BYTES),
    REQUEST_SERIES = WIRE_TAG(5, WIRE_BYTES),
    SERIES_REFS = 1,
    SERIES_SAMPLE = WIRE_TAG(2, WIRE_BYTES),
    SERIES_HISTOGRAM = WIRE_TAG(3, WIRE_BYTES),
    SERIES_EXEMPLAR = WIRE_TAG(4, WIRE_BYTES),
    SERIES_METADATA = WIRE_TAG(5, WIRE_BYTES),
    LABEL_BYTES = 8, /* what a label takes in a key beside its two symbols: tags and a length */
    COPY = 32,       /* bytes that are copied at once; at most CODEC_SLACK */
};

_Static_assert((int)COPY <= (int)CODEC_SLACK, "wide copies read into the slack");

void rw2_init(struct rw2_reader *r)
{
    *r = (struct rw2_reader){0};
    arena_init(&r->arena);
}

void rw2_done(struct rw2_reader *r)
{
    mem_free(r->symbols);
    arena_done(&r->arena);
    *r = (struct rw2_reader){0};
}

static int fail(struct rw2_reader *r, const uint8_t *at, const char *what, struct why *why)
{
    size_t byte = (size_t)(at - r->start);
    r->p = r->end;
    r->at = r->series_end = NULL;
    return why_set(why, ERR_FORMAT, "remote write request, byte %zu: %s", byte, what);
}

static int add_symbol(struct rw2_reader *r, const uint8_t *field, const struct wire_field *f,
                      struct why *why)
{
    uint64_t tag;
    const uint8_t *from = varint_get(field, r->end, &tag);
    if (r->symbols_n == RW2_SYMBOLS_MAX)
        return why_set(why, ERR_LIMIT, "a remote write request with more than %d symbols",
                       RW2_SYMBOLS_MAX);
    if (r->symbols_n == r->symbols_capacity) {
        r->symbols_capacity = MAX(2 * r->symbols_capacity, (size_t)256);
        r->symbols = mem_resize(r->symbols, r->symbols_capacity * sizeof *r->symbols);
    }
    if (r->symbols_n == 0 && f->n)
        return fail(r, field, "the first symbol is not empty", why);
    r->symbols[r->symbols_n++] =
        (struct rw2_symbol){(uint32_t)(from - r->start), (uint32_t)(f->p + f->n - from)};
    return 0;
}

int rw2_begin(struct rw2_reader *r, struct str request, struct why *why)
{
    struct wire_field f;
    r->start = r->p = (const uint8_t *)request.p;
    r->end = request.n ? r->p + request.n : r->p;
    r->at = r->series_end = NULL;
    r->symbols_n = r->series_n = 0;
    r->last_metadata = r->last_metric = (struct str){0};
    if (request.n > UINT32_MAX)
        return why_set(why, ERR_LIMIT, "a remote write request larger than 4 GiB");
    for (const uint8_t *p = r->p, *from = p; p < r->end; from = p) {
        p = wire_next(p, r->end, &f);
        if (!p)
            return fail(r, from, "a malformed field", why);
        if (wire_tag(&f) != REQUEST_SYMBOL)
            continue;
        int err = add_symbol(r, from, &f, why);
        if (err)
            return err;
    }
    return 0;
}

/* ---- symbols and keys */

/* Copies n bytes; both sides have COPY bytes of slack. */
static inline uint8_t *copy(uint8_t *to, const uint8_t *from, size_t n)
{
    if (LIKELY(n <= COPY))
        memcpy(to, from, COPY);
    else
        memcpy(to, from, n);
    return to + n;
}

static struct str symbol_text(const struct rw2_reader *r, uint64_t ref)
{
    uint64_t n;
    if (ref >= r->symbols_n)
        return (struct str){0};
    const uint8_t *p = r->start + r->symbols[ref].at;
    p = varint_get(p, r->end, &n);
    return str_of((const char *)p, (size_t)n);
}

/* The labels of a series: which symbols its key is made of. */
struct key {
    size_t n;    /* symbols, name and value in turn */
    size_t size; /* bytes of the key, or more */
    struct rw2_symbol symbols[2 * LABELS_MAX];
};

/* Looks the references up. NULL, or why there is no key to be made of them. */
static const char *key_find(const struct rw2_reader *r, struct str refs, struct key *ret)
{
    if (refs.n == 0)
        return "it has no labels";
    const uint8_t *p = (const uint8_t *)refs.p, *end = p + refs.n;
    size_t n = 0, size = 0;
    while (p < end) {
        uint64_t ref = 0;
        p = wire_short_length(p, end, &ref);
        if (UNLIKELY(!p || p > end))
            return "its label references are cut off";
        if (UNLIKELY(ref >= r->symbols_n))
            return "a label refers to a symbol that is not there";
        if (UNLIKELY(n == COUNTOF(ret->symbols)))
            return "it has too many labels";
        ret->symbols[n] = r->symbols[ref];
        size += ret->symbols[n].n + LABEL_BYTES / 2;
        n++;
    }
    if (n % 2)
        return "its label references do not come in pairs";
    if (size > LABELS_KEY_MAX)
        return "its labels are too long";
    ret->n = n;
    ret->size = size;
    return NULL;
}

/* Puts a key together. The symbols already have the form that they need in it: a length and a
 * text. */
static struct str key_make(struct rw2_reader *r, const struct key *k)
{
    uint8_t *key = arena_new(&r->arena, k->size + COPY), *to = key;
    for (size_t i = 0; i < k->n; i += 2) {
        const struct rw2_symbol n = k->symbols[i], v = k->symbols[i + 1];
        *to++ = 0x0a;
        to = varint_put(to, 2 + (uint64_t)n.n + v.n);
        *to++ = 0x0a;
        to = copy(to, r->start + n.at, n.n);
        *to++ = 0x12;
        to = copy(to, r->start + v.at, v.n);
    }
    return str_of((const char *)key, (size_t)(to - key));
}

/* ---- series */

static void row(struct rw2_reader *r, struct batch *b, int64_t ts_ms, double value,
                const struct histogram *h, int64_t start_ms)
{
    size_t i = b->n++;
    b->key[i] = r->key;
    b->ts_ms[i] = ts_ms;
    b->value[i] = value;
    b->histogram[i] = h;
    b->start_ms[i] = start_ms;
}

/* Labels of an exemplar into canonical bytes; false where they are bad, which is noted. */
static bool exemplar_labels(struct rw2_reader *r, struct str refs, struct sides *s, struct str *ret)
{
    struct key found;
    struct why why;
    struct buf key;
    *ret = (struct str){0};
    if (refs.n == 0)
        return true;
    buf_init(&key, LABELS_KEY_MAX);
    const char *reason = key_find(r, refs, &found);
    if (!reason && labels_canonical_bare(key_make(r, &found), &key, &why))
        reason = why.text;
    if (reason)
        s->bad[s->bad_n++] = (struct sides_bad){
            .at = r->series_n - 1,
            .reason = arena_printf(&r->arena, "an exemplar of series %zu: %s", r->series_n, reason),
        };
    else
        *ret = arena_str(&r->arena, buf_str(&key));
    buf_done(&key);
    return !reason;
}

static bool exemplar(struct rw2_reader *r, const struct wire_field *f, struct sides *s)
{
    struct exemplar e = {.key = r->key};
    struct wire_field inner;
    struct str refs = {0};
    for (const uint8_t *p = f->p, *end = p + f->n; p < end;) {
        p = wire_next(p, end, &inner);
        if (!p)
            return false;
        if (wire_tag(&inner) == WIRE_TAG(1, WIRE_BYTES))
            refs = str_of((const char *)inner.p, inner.n);
        else if (wire_tag(&inner) == WIRE_TAG(2, WIRE_FIXED64))
            e.value = bits_double(inner.v);
        else if (wire_tag(&inner) == WIRE_TAG(3, WIRE_VARINT))
            e.ts_ms = (int64_t)inner.v;
    }
    if (exemplar_labels(r, refs, s, &e.labels))
        s->exemplars[s->exemplars_n++] = e;
    return true;
}

/* The family of a series: without what a classic histogram or summary adds to its name. */
static struct str family(struct str name, enum metric_type type)
{
    static const struct str SUFFIXES[] = {{"_bucket", 7}, {"_count", 6}, {"_sum", 4}};
    if (type != METRIC_HISTOGRAM && type != METRIC_GAUGEHISTOGRAM && type != METRIC_SUMMARY)
        return name;
    for (size_t i = 0; i < COUNTOF(SUFFIXES); i++)
        if (str_ends(name, SUFFIXES[i]) && name.n > SUFFIXES[i].n)
            return str_sub(name, 0, name.n - SUFFIXES[i].n);
    return name;
}

static bool metadata(struct rw2_reader *r, const struct wire_field *f, struct sides *s)
{
    struct metadata m = {0};
    struct wire_field inner;
    struct str message = str_of((const char *)f->p, f->n);
    for (const uint8_t *p = f->p, *end = p + f->n; p < end;) {
        p = wire_next(p, end, &inner);
        if (!p)
            return false;
        if (wire_tag(&inner) == WIRE_TAG(1, WIRE_VARINT) && inner.v <= METRIC_STATESET)
            m.type = (enum metric_type)inner.v;
        else if (wire_tag(&inner) == WIRE_TAG(3, WIRE_VARINT))
            m.help = symbol_text(r, inner.v);
        else if (wire_tag(&inner) == WIRE_TAG(4, WIRE_VARINT))
            m.unit = symbol_text(r, inner.v);
    }
    m.metric = family(labels_get(r->key, LABEL_METRIC), m.type);
    bool nothing = m.type == METRIC_UNKNOWN && m.help.n == 0 && m.unit.n == 0;
    bool again = str_eq(message, r->last_metadata) && str_eq(m.metric, r->last_metric);
    if (nothing || again || m.metric.n == 0)
        return true;
    r->last_metadata = message;
    r->last_metric = m.metric;
    s->metadata[s->metadata_n++] = m;
    return true;
}

/* References that do not lie together, which protobuf allows: puts them together. */
static bool gather(struct rw2_reader *r, const uint8_t *p, size_t n)
{
    struct wire_field f;
    uint8_t *to = arena_new(&r->arena, n + VARINT_MAX), *refs = to;
    for (const uint8_t *end = p + n; p < end;) {
        p = wire_next(p, end, &f);
        if (!p)
            return false;
        if (f.number != SERIES_REFS)
            continue;
        if (f.type == WIRE_BYTES) {
            memcpy(to, f.p, f.n);
            to += f.n;
        } else if (f.type == WIRE_VARINT) {
            to = varint_put(to, f.v);
        }
    }
    r->refs = str_of((const char *)refs, (size_t)(to - refs));
    return true;
}

/* Is the series [p, end) the usual one, references and then samples alone? Where its samples begin
 * then, else NULL. */
static inline const uint8_t *usual(struct rw2_reader *r, const uint8_t *p, const uint8_t *end)
{
    if (end - p < 4 || p[0] != WIRE_TAG(SERIES_REFS, WIRE_BYTES) || p[1] >= 0x80 ||
        p[1] >= end - p - 2)
        return NULL;
    const uint8_t *samples = p + 2 + p[1];
    r->refs = str_of((const char *)p + 2, p[1]);
    if (samples[0] != SERIES_SAMPLE || samples[1] >= 0x80 || samples + 2 + samples[1] != end)
        return NULL;
    return samples;
}

/* Looks through any other series for its references and how many samples it has. */
static bool survey(struct rw2_reader *r, const struct wire_field *series, size_t *ret_samples)
{
    struct wire_field f;
    size_t samples = 0, chunks = 0;
    bool apart = false;
    r->refs = (struct str){0};
    for (const uint8_t *p = series->p, *end = p + series->n; p < end;) {
        p = wire_next(p, end, &f);
        if (!p)
            return false;
        samples += wire_tag(&f) == SERIES_SAMPLE || wire_tag(&f) == SERIES_HISTOGRAM;
        if (f.number == SERIES_REFS) {
            apart |= chunks++ > 0 || f.type != WIRE_BYTES;
            r->refs = str_of((const char *)f.p, f.n);
        }
    }
    *ret_samples = samples;
    return !apart || gather(r, series->p, series->n);
}

/* Begins the series with that message; false where it is malformed. A series that cannot be taken
 * goes to s->bad and is skipped. */
static bool begin(struct rw2_reader *r, const struct wire_field *series, struct sides *s)
{
    struct key found;
    size_t samples = 1;
    r->series_n++;
    const uint8_t *end = series->p + series->n, *at = usual(r, series->p, end);
    if (!at && !survey(r, series, &samples))
        return false;
    const char *reason = key_find(r, r->refs, &found);
    if (!reason && samples == 0)
        reason = "it has neither samples nor histograms";
    if (reason) {
        s->bad[s->bad_n++] = (struct sides_bad){
            .at = r->series_n - 1,
            .reason = arena_printf(&r->arena, "series %zu: %s", r->series_n, reason),
            .samples = samples,
        };
        return true;
    }
    r->key = key_make(r, &found);
    r->at = at ? at : series->p;
    r->series_end = end;
    return true;
}

/* The fields of the present series until one of b and s is full. */
static int fields(struct rw2_reader *r, struct batch *b, struct sides *s, struct why *why)
{
    while (r->at < r->series_end && b->n < BATCH_MAX && !sides_full(s)) {
        const uint8_t *from = r->at;
        struct wire_field f;
        struct histogram *h;
        double value;
        int64_t ts_ms, start_ms;
        bool ok = true;
        if (LIKELY(r->series_end - from >= 2 && from[0] == SERIES_SAMPLE && from[1] < 0x80 &&
                   from[1] <= r->series_end - from - 2)) {
            r->at = from + 2 + from[1];
            if (!wire_sample(from + 2, r->at, &value, &ts_ms, &start_ms))
                return fail(r, from, "a malformed sample", why);
            row(r, b, ts_ms, value, NULL, start_ms);
            continue;
        }
        r->at = wire_next(from, r->series_end, &f);
        if (!r->at)
            return fail(r, from, "a malformed field of a series", why);
        switch (wire_tag(&f)) {
        case SERIES_SAMPLE:
            ok = wire_sample(f.p, f.p + f.n, &value, &ts_ms, &start_ms);
            if (ok)
                row(r, b, ts_ms, value, NULL, start_ms);
            break;
        case SERIES_HISTOGRAM:
            ok = wire_histogram(f.p, f.n, &r->arena, &h, &ts_ms, &start_ms);
            if (ok)
                row(r, b, ts_ms, 0, h, start_ms);
            break;
        case SERIES_EXEMPLAR:
            ok = exemplar(r, &f, s);
            break;
        case SERIES_METADATA:
            ok = metadata(r, &f, s);
            break;
        default:
            break;
        }
        if (!ok)
            return fail(r, from, "a malformed sample, histogram, exemplar or metadata", why);
    }
    return 0;
}

/* What the arena holds is spent with the batch; a series that goes on gets its key again. */
static void forget(struct rw2_reader *r)
{
    struct arena old = r->arena;
    r->last_metadata = r->last_metric = (struct str){0};
    if (r->at == r->series_end) {
        arena_reset(&r->arena);
        return;
    }
    arena_init(&r->arena);
    r->refs = arena_str(&r->arena, r->refs);
    r->key = arena_str(&r->arena, r->key);
    arena_done(&old);
}

int rw2_next(struct rw2_reader *r, struct batch *b, struct sides *s, struct why *why)
{
    forget(r);
    b->n = 0;
    sides_clear(s);
    while (b->n < BATCH_MAX && !sides_full(s)) {
        struct wire_field f;
        if (r->at < r->series_end) {
            int err = fields(r, b, s, why);
            if (err)
                return err;
            continue;
        }
        if (r->p >= r->end)
            break;
        const uint8_t *from = r->p;
        r->p = wire_next(from, r->end, &f);
        if (!r->p)
            return fail(r, from, "a malformed field", why);
        if (wire_tag(&f) == REQUEST_SERIES && !begin(r, &f, s))
            return fail(r, from, "a malformed series", why);
    }
    return b->n || !sides_empty(s);
}
