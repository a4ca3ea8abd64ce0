#include "codec/metric_family_read.h"

#include <math.h>

#include "base/vec.h"
#include "codec/exposition_line.h"
#include "codec/wire.h"
#include "model/labels.h"

/* Tags of the messages. */
enum {
    FAMILY_NAME = WIRE_TAG(1, WIRE_BYTES),
    FAMILY_HELP = WIRE_TAG(2, WIRE_BYTES),
    FAMILY_TYPE = WIRE_TAG(3, WIRE_VARINT),
    FAMILY_METRIC = WIRE_TAG(4, WIRE_BYTES),
    FAMILY_UNIT = WIRE_TAG(5, WIRE_BYTES),

    METRIC_LABEL = WIRE_TAG(1, WIRE_BYTES),
    METRIC_GAUGE_FIELD = WIRE_TAG(2, WIRE_BYTES),
    METRIC_COUNTER_FIELD = WIRE_TAG(3, WIRE_BYTES),
    METRIC_SUMMARY_FIELD = WIRE_TAG(4, WIRE_BYTES),
    METRIC_UNTYPED_FIELD = WIRE_TAG(5, WIRE_BYTES),
    METRIC_TIME = WIRE_TAG(6, WIRE_VARINT),
    METRIC_HISTOGRAM_FIELD = WIRE_TAG(7, WIRE_BYTES),

    VALUE = WIRE_TAG(1, WIRE_FIXED64), /* of gauge, counter, untyped */
    COUNTER_EXEMPLAR = WIRE_TAG(2, WIRE_BYTES),
    COUNTER_START = WIRE_TAG(3, WIRE_BYTES),

    SUMMARY_COUNT = WIRE_TAG(1, WIRE_VARINT),
    SUMMARY_SUM = WIRE_TAG(2, WIRE_FIXED64),
    SUMMARY_QUANTILE = WIRE_TAG(3, WIRE_BYTES),
    SUMMARY_START = WIRE_TAG(4, WIRE_BYTES),
    QUANTILE_AT = WIRE_TAG(1, WIRE_FIXED64),
    QUANTILE_VALUE = WIRE_TAG(2, WIRE_FIXED64),

    HISTOGRAM_COUNT = WIRE_TAG(1, WIRE_VARINT),
    HISTOGRAM_SUM = WIRE_TAG(2, WIRE_FIXED64),
    HISTOGRAM_BUCKET = WIRE_TAG(3, WIRE_BYTES),
    HISTOGRAM_COUNT_FLOAT = WIRE_TAG(4, WIRE_FIXED64),
    HISTOGRAM_SCHEMA = WIRE_TAG(5, WIRE_VARINT),
    HISTOGRAM_ZERO_THRESHOLD = WIRE_TAG(6, WIRE_FIXED64),
    HISTOGRAM_ZERO_COUNT = WIRE_TAG(7, WIRE_VARINT),
    HISTOGRAM_ZERO_COUNT_FLOAT = WIRE_TAG(8, WIRE_FIXED64),
    HISTOGRAM_START = WIRE_TAG(15, WIRE_BYTES),
    HISTOGRAM_EXEMPLAR = WIRE_TAG(16, WIRE_BYTES),
    /* Numbers, as these come packed or one by one: */
    NEGATIVE_SPAN = 9,
    NEGATIVE_DELTA = 10,
    NEGATIVE_COUNT = 11,
    POSITIVE_SPAN = 12,
    POSITIVE_DELTA = 13,
    POSITIVE_COUNT = 14,

    BUCKET_COUNT = WIRE_TAG(1, WIRE_VARINT),
    BUCKET_BOUND = WIRE_TAG(2, WIRE_FIXED64),
    BUCKET_EXEMPLAR = WIRE_TAG(3, WIRE_BYTES),
    BUCKET_COUNT_FLOAT = WIRE_TAG(4, WIRE_FIXED64),

    EXEMPLAR_LABEL = WIRE_TAG(1, WIRE_BYTES),
    EXEMPLAR_VALUE = WIRE_TAG(2, WIRE_FIXED64),
    EXEMPLAR_TIME = WIRE_TAG(3, WIRE_BYTES),
    TIME_SECONDS = WIRE_TAG(1, WIRE_VARINT),
    TIME_NANOSECONDS = WIRE_TAG(2, WIRE_VARINT),
};

enum {
    BUCKETS_MAX = HISTOGRAM_BUCKETS_MAX, /* classic ones of a metric; quantiles too */
    EXEMPLARS_MAX = SIDES_MAX / 2,       /* of a histogram */
    KEY_MAX = 16 * LABELS_KEY_MAX,
};

void metric_family_read_init(struct metric_family_reader *r)
{
    memset(r, 0, sizeof *r);
    arena_init(&r->arena);
    buf_init(&r->key, KEY_MAX);
}

void metric_family_read_done(struct metric_family_reader *r)
{
    arena_done(&r->arena);
    buf_done(&r->key);
    vec_free(&r->rows);
}

void metric_family_read_begin(struct metric_family_reader *r, struct str bytes, int64_t now_ms)
{
    r->p = (const uint8_t *)bytes.p;
    r->end = r->p + bytes.n;
    r->now_ms = now_ms;
    r->native = true;
    r->classic = r->has_metadata = false;
    r->metric = r->family_end = NULL;
    r->rows.n = r->rows.at = 0;
}

static struct str bytes_of(const struct wire_field *f)
{
    return str_of((const char *)f->p, f->n);
}

#define EACH(field, from, size)                                                                    \
    const uint8_t *at_ = (from), *end_ = at_ + (size);                                             \
    for (struct wire_field field; at_ < end_;)                                                     \
        if ((at_ = wire_next(at_, end_, &field)) == NULL)                                          \
            return false;                                                                          \
        else

/* ---- parts */

static bool read_time(const struct wire_field *in, int64_t *ret_ms)
{
    int64_t seconds = 0, nanoseconds = 0;
    EACH(f, in->p, in->n)
    {
        if (wire_tag(&f) == TIME_SECONDS)
            seconds = (int64_t)f.v;
        else if (wire_tag(&f) == TIME_NANOSECONDS)
            nanoseconds = (int64_t)f.v;
    }
    if (seconds > INT64_MAX / 2000 || seconds < INT64_MIN / 2000)
        return false;
    *ret_ms = seconds * 1000 + nanoseconds / 1000000;
    return true;
}

/* The key of a sample of the present metric: name with suffix, the metric's labels (in r->key), and
 * a bound. */
static struct str make_key(struct metric_family_reader *r, const char *suffix, const char *bound,
                           double at)
{
    char text[NUMBER_MAX + 2];
    struct str name = r->name;
    if (*suffix)
        name = arena_printf(&r->arena, STR_FMT "%s", STR_ARG(r->name), suffix);
    struct buf key;
    buf_init(&key, KEY_MAX);
    labels_put(&key, LABEL_METRIC, name);
    buf_put_str(&key, buf_str(&r->key));
    if (*bound)
        labels_put(&key, str_c(bound), str_of(text, exposition_line_put_bound(at, text)));
    struct str ret = arena_str(&r->arena, buf_str(&key));
    buf_done(&key);
    return ret;
}

static struct metric_family_row *add_row(struct metric_family_reader *r, struct str key,
                                         double value)
{
    struct metric_family_row row = {.key = key, .value = value};
    vec_push(&r->rows, row);
    return &r->rows.v[r->rows.n - 1];
}

static bool read_exemplar(struct metric_family_reader *r, const struct wire_field *in,
                          struct exemplar *ret)
{
    struct buf labels, sorted;
    struct exemplar e = {.ts_ms = r->now_ms};
    bool good = true;
    buf_init(&labels, LABELS_KEY_MAX);
    const uint8_t *p = in->p, *end = p + in->n;
    for (struct wire_field f; good && p < end;) {
        p = wire_next(p, end, &f);
        good = p != NULL;
        if (good && wire_tag(&f) == EXEMPLAR_LABEL) {
            buf_put_c(&labels, 0x0a);
            buf_put_varint(&labels, f.n);
            buf_put_str(&labels, bytes_of(&f));
        } else if (good && wire_tag(&f) == EXEMPLAR_VALUE) {
            e.value = bits_double(f.v);
        } else if (good && wire_tag(&f) == EXEMPLAR_TIME) {
            good = read_time(&f, &e.ts_ms);
        }
    }
    buf_init(&sorted, LABELS_KEY_MAX);
    good =
        good && !buf_failed(&labels) && labels_canonical_bare(buf_str(&labels), &sorted, NULL) == 0;
    if (good) {
        e.labels = arena_str(&r->arena, buf_str(&sorted));
        *ret = e;
    }
    buf_done(&labels);
    buf_done(&sorted);
    return good;
}

static bool one_exemplar(struct metric_family_reader *r, const struct wire_field *in,
                         struct metric_family_row *row)
{
    struct exemplar *e = arena_new(&r->arena, sizeof *e);
    if (!read_exemplar(r, in, e))
        return false;
    e->key = row->key;
    row->exemplars = e;
    row->exemplars_n = 1;
    return true;
}

/* ---- metrics by type */

/* Gauge, counter, untyped. */
static bool read_value(struct metric_family_reader *r, const struct wire_field *in, bool counter)
{
    struct metric_family_row *row = add_row(r, make_key(r, "", "", 0), 0);
    EACH(f, in->p, in->n)
    {
        if (wire_tag(&f) == VALUE)
            row->value = bits_double(f.v);
        else if (counter && wire_tag(&f) == COUNTER_START && !read_time(&f, &r->start_ms))
            return false;
        else if (counter && wire_tag(&f) == COUNTER_EXEMPLAR && !one_exemplar(r, &f, row))
            return false;
    }
    return true;
}

static bool read_quantile(struct metric_family_reader *r, const struct wire_field *in)
{
    double quantile = 0, value = 0;
    EACH(f, in->p, in->n)
    {
        if (wire_tag(&f) == QUANTILE_AT)
            quantile = bits_double(f.v);
        else if (wire_tag(&f) == QUANTILE_VALUE)
            value = bits_double(f.v);
    }
    add_row(r, make_key(r, "", "quantile", quantile), value);
    return r->rows.n <= BUCKETS_MAX;
}

static bool read_summary(struct metric_family_reader *r, const struct wire_field *in)
{
    double count = 0, sum = 0;
    EACH(f, in->p, in->n)
    {
        if (wire_tag(&f) == SUMMARY_COUNT)
            count = (double)f.v;
        else if (wire_tag(&f) == SUMMARY_SUM)
            sum = bits_double(f.v);
        else if (wire_tag(&f) == SUMMARY_START && !read_time(&f, &r->start_ms))
            return false;
        else if (wire_tag(&f) == SUMMARY_QUANTILE && !read_quantile(r, &f))
            return false;
    }
    add_row(r, make_key(r, "_count", "", 0), count);
    add_row(r, make_key(r, "_sum", "", 0), sum);
    return true;
}

struct bucket {
    double bound, count;
    struct wire_field exemplar; /* p is NULL: none */
};

/* A Histogram message taken apart. */
struct parts {
    struct histogram h;
    struct wire_buckets native;
    bool count_float, is_native;
    struct {
        struct bucket *v;
        size_t n, capacity;
    } buckets;
    struct {
        struct wire_field *v;
        size_t n, capacity;
    } exemplars;
};

static bool read_bucket(const struct wire_field *in, struct bucket *ret)
{
    struct bucket b = {0};
    EACH(f, in->p, in->n)
    {
        if (wire_tag(&f) == BUCKET_COUNT)
            b.count = b.count > 0 ? b.count : (double)f.v;
        else if (wire_tag(&f) == BUCKET_COUNT_FLOAT && bits_double(f.v) > 0)
            b.count = bits_double(f.v);
        else if (wire_tag(&f) == BUCKET_BOUND)
            b.bound = bits_double(f.v);
        else if (wire_tag(&f) == BUCKET_EXEMPLAR)
            b.exemplar = f;
    }
    *ret = b;
    return true;
}

static bool native_field(struct parts *p, const struct wire_field *f)
{
    struct wire_buckets *n = &p->native;
    switch (f->number) {
    case NEGATIVE_SPAN:
    case POSITIVE_SPAN:
        p->is_native = true;
        return f->type != WIRE_BYTES ||
               wire_span(n, f->number == NEGATIVE_SPAN ? &n->negative.spans : &n->positive.spans,
                         f);
    case NEGATIVE_DELTA:
        return wire_deltas(n, &n->negative.deltas, f);
    case NEGATIVE_COUNT:
        return wire_reals(n, &n->negative.counts, f);
    case POSITIVE_DELTA:
        return wire_deltas(n, &n->positive.deltas, f);
    case POSITIVE_COUNT:
        return wire_reals(n, &n->positive.counts, f);
    default:
        return true;
    }
}

static bool histogram_field(struct metric_family_reader *r, struct parts *p,
                            const struct wire_field *f)
{
    struct bucket bucket = {0};
    double v = bits_double(f->v);
    switch (wire_tag(f)) {
    case HISTOGRAM_COUNT:
        if (!p->count_float)
            p->h.count = (double)f->v;
        return true;
    case HISTOGRAM_COUNT_FLOAT:
        p->count_float = v > 0;
        p->h.is_float = p->h.is_float || v > 0;
        p->h.count = v > 0 ? v : p->h.count;
        return true;
    case HISTOGRAM_SUM:
        p->h.sum = v;
        return true;
    case HISTOGRAM_SCHEMA:
        p->h.schema = (int32_t)unzigzag(f->v);
        return true;
    case HISTOGRAM_ZERO_THRESHOLD:
        p->h.zero_threshold = v;
        p->is_native = p->is_native || v > 0;
        return true;
    case HISTOGRAM_ZERO_COUNT:
        p->h.zero_count = p->h.zero_count > 0 ? p->h.zero_count : (double)f->v;
        p->is_native = p->is_native || f->v > 0;
        return true;
    case HISTOGRAM_ZERO_COUNT_FLOAT:
        p->h.zero_count = v > 0 ? v : p->h.zero_count;
        p->h.is_float = p->h.is_float || v > 0;
        p->is_native = p->is_native || v > 0;
        return true;
    case HISTOGRAM_BUCKET:
        if (!read_bucket(f, &bucket))
            return false;
        vec_push(&p->buckets, bucket);
        return p->buckets.n <= BUCKETS_MAX;
    case HISTOGRAM_START:
        return read_time(f, &r->start_ms);
    case HISTOGRAM_EXEMPLAR:
        if (p->exemplars.n < EXEMPLARS_MAX)
            vec_push(&p->exemplars, *f);
        return true;
    default:
        return native_field(p, f);
    }
}

static bool add_classic(struct metric_family_reader *r, const struct parts *p)
{
    bool endless = false;
    add_row(r, make_key(r, "_count", "", 0), p->h.count);
    add_row(r, make_key(r, "_sum", "", 0), p->h.sum);
    for (size_t i = 0; i < p->buckets.n; i++) {
        const struct bucket *b = &p->buckets.v[i];
        struct metric_family_row *row =
            add_row(r, make_key(r, "_bucket", "le", b->bound), b->count);
        endless = endless || (isinf(b->bound) && b->bound > 0);
        if (b->exemplar.p && !one_exemplar(r, &b->exemplar, row))
            return false;
    }
    if (!endless)
        add_row(r, make_key(r, "_bucket", "le", INFINITY), p->h.count);
    return true;
}

/* Exemplars of a native histogram: its own, or else those of its classic buckets. */
static bool native_exemplars(struct metric_family_reader *r, const struct parts *p,
                             struct metric_family_row *row)
{
    struct exemplar *v = arena_array(&r->arena, EXEMPLARS_MAX, sizeof *v);
    size_t n = 0;
    for (size_t i = 0; i < p->exemplars.n; i++)
        if (!read_exemplar(r, &p->exemplars.v[i], &v[n++]))
            return false;
    for (size_t i = 0; p->exemplars.n == 0 && i < p->buckets.n && n < EXEMPLARS_MAX; i++)
        if (p->buckets.v[i].exemplar.p && !read_exemplar(r, &p->buckets.v[i].exemplar, &v[n++]))
            return false;
    for (size_t i = 0; i < n; i++)
        v[i].key = row->key;
    row->exemplars = v;
    row->exemplars_n = n;
    return true;
}

static bool add_native(struct metric_family_reader *r, struct parts *p)
{
    struct histogram *h = arena_new(&r->arena, sizeof *h);
    *h = p->h;
    h->reset = r->gauge_histogram ? HISTOGRAM_RESET_GAUGE : HISTOGRAM_RESET_UNKNOWN;
    wire_buckets_finish(&p->native, h);
    /* A client without observations sends an empty span to say that it is a native histogram. */
    if (h->positive_n == 0 && h->positive_spans_n == 1 && h->positive_spans[0].length == 0)
        h->positive_spans_n = 0;
    if (h->negative_n == 0 && h->negative_spans_n == 1 && h->negative_spans[0].length == 0)
        h->negative_spans_n = 0;
    struct metric_family_row *row = add_row(r, make_key(r, "", "", 0), 0);
    row->histogram = h;
    return (p->exemplars.n == 0 && p->buckets.n == 0) || native_exemplars(r, p, row);
}

static bool read_histogram(struct metric_family_reader *r, const struct wire_field *in)
{
    struct parts p = {.native.arena = &r->arena};
    bool good = true;
    const uint8_t *at = in->p, *end = at + in->n;
    for (struct wire_field f; good && at < end;) {
        at = wire_next(at, end, &f);
        good = at != NULL && histogram_field(r, &p, &f);
    }
    bool native = r->native && p.is_native;
    if (good && native)
        good = add_native(r, &p);
    if (good && (!native || (r->classic && p.buckets.n)))
        good = add_classic(r, &p);
    vec_free(&p.buckets);
    vec_free(&p.exemplars);
    return good;
}

static bool read_by_type(struct metric_family_reader *r, const struct wire_field *f)
{
    switch (wire_tag(f)) {
    case METRIC_COUNTER_FIELD:
        return read_value(r, f, true);
    case METRIC_GAUGE_FIELD:
    case METRIC_UNTYPED_FIELD:
        return read_value(r, f, false);
    case METRIC_SUMMARY_FIELD:
        return read_summary(r, f);
    case METRIC_HISTOGRAM_FIELD:
        return read_histogram(r, f);
    default:
        return true;
    }
}

/* Labels and time first, as the rows need them whatever the order of the fields. */
static bool read_metric(struct metric_family_reader *r, const struct wire_field *in)
{
    struct wire_field value = {0};
    r->ts_ms = r->now_ms;
    r->start_ms = 0;
    r->timed = false;
    r->rows.n = r->rows.at = 0;
    buf_clear(&r->key);
    EACH(f, in->p, in->n)
    {
        if (wire_tag(&f) == METRIC_LABEL) {
            buf_put_c(&r->key, 0x0a);
            buf_put_varint(&r->key, f.n);
            buf_put_str(&r->key, bytes_of(&f));
        } else if (wire_tag(&f) == METRIC_TIME) {
            r->ts_ms = (int64_t)f.v;
            r->timed = f.v != 0;
        } else if (f.type == WIRE_BYTES) {
            value = f;
        }
    }
    if (!r->timed)
        r->ts_ms = r->now_ms;
    return !buf_failed(&r->key) && r->key.n <= LABELS_KEY_MAX && read_by_type(r, &value);
}

/* ---- families */

static const enum metric_type TYPES[] = {METRIC_COUNTER, METRIC_GAUGE,     METRIC_SUMMARY,
                                         METRIC_UNKNOWN, METRIC_HISTOGRAM, METRIC_GAUGEHISTOGRAM};

/* Begins the family at r->p; false where it is malformed. */
static bool read_family(struct metric_family_reader *r)
{
    uint64_t n;
    const uint8_t *p = varint_get(r->p, r->end, &n);
    if (!p || n > (size_t)(r->end - p))
        return false;
    r->name = r->help = r->unit = (struct str){0};
    r->type = METRIC_COUNTER; /* what protobuf has for an enum that is not there */
    EACH(f, p, n)
    {
        if (wire_tag(&f) == FAMILY_NAME)
            r->name = bytes_of(&f);
        else if (wire_tag(&f) == FAMILY_HELP)
            r->help = bytes_of(&f);
        else if (wire_tag(&f) == FAMILY_UNIT)
            r->unit = bytes_of(&f);
        else if (wire_tag(&f) == FAMILY_TYPE)
            r->type = f.v < COUNTOF(TYPES) ? TYPES[f.v] : METRIC_UNKNOWN;
    }
    r->gauge_histogram = r->type == METRIC_GAUGEHISTOGRAM;
    r->has_metadata = true;
    r->metric = p;
    r->family_end = r->p = p + n;
    return r->name.n > 0 && r->name.n <= LABEL_VALUE_MAX && str_utf8(r->name) &&
           str_utf8(r->help) && str_utf8(r->unit);
}

/* The next metric's rows; 0 at the end. */
static int next_metric(struct metric_family_reader *r, struct why *why)
{
    struct wire_field f = {0};
    for (;;) {
        if (r->metric == r->family_end) {
            if (r->p == r->end)
                return 0;
            if (!read_family(r))
                return why_set(why, ERR_FORMAT, "a malformed MetricFamily message");
            continue;
        }
        r->metric = wire_next(r->metric, r->family_end, &f);
        if (!r->metric)
            return why_set(why, ERR_FORMAT, "a malformed MetricFamily message");
        if (wire_tag(&f) != FAMILY_METRIC)
            continue;
        if (!read_metric(r, &f))
            return why_set(why, ERR_FORMAT, "a malformed metric of family \"%.*s\"",
                           (int)MIN(r->name.n, 100u), r->name.p);
        return 1;
    }
}

static void tell_metadata(struct metric_family_reader *r, struct sides *s)
{
    if (!r->has_metadata)
        return;
    r->has_metadata = false;
    s->metadata[s->metadata_n++] =
        (struct metadata){.metric = r->name, .type = r->type, .help = r->help, .unit = r->unit};
}

/* Moves rows of the present metric into the batch; false where it is full. */
static bool move_rows(struct metric_family_reader *r, struct batch *b, struct sides *s)
{
    for (; r->rows.at < r->rows.n; r->rows.at++) {
        const struct metric_family_row *row = &r->rows.v[r->rows.at];
        if (b->n == BATCH_MAX || s->exemplars_n + row->exemplars_n > SIDES_MAX)
            return false;
        size_t i = b->n++;
        b->key[i] = row->key;
        b->value[i] = row->value;
        b->histogram[i] = row->histogram;
        b->ts_ms[i] = r->ts_ms;
        b->start_ms[i] = r->start_ms;
        r->types[i] = r->type;
        r->has_time[i] = r->timed;
        for (size_t k = 0; k < row->exemplars_n; k++)
            s->exemplars[s->exemplars_n++] = row->exemplars[k];
    }
    return true;
}

int metric_family_read(struct metric_family_reader *r, struct batch *b, struct sides *s,
                       struct why *why)
{
    b->n = 0;
    sides_clear(s);
    if (r->rows.at == r->rows.n)
        arena_reset(&r->arena);
    while (move_rows(r, b, s) && !sides_full(s)) {
        int got = next_metric(r, why);
        if (got <= 0) {
            b->n = got < 0 ? 0 : b->n;
            if (got < 0) {
                sides_clear(s);
                return got;
            }
            tell_metadata(r, s);
            break;
        }
        tell_metadata(r, s);
    }
    return b->n || !sides_empty(s);
}
