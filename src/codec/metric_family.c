#include "codec/metric_family.h"

#include <math.h>
#include <stdint.h>

#include "codec/wire_put.h"
#include "text/number.h"

/* Field numbers of the messages. */
enum {
    FAMILY_NAME = 1,
    FAMILY_TYPE = 3,
    FAMILY_METRIC = 4,
    METRIC_LABEL = 1,
    METRIC_UNTYPED = 5,
    METRIC_TIME = 6,
    METRIC_HISTOGRAM_FIELD = 7,
    LABEL_NAME = 1,
    LABEL_VALUE = 2,
    UNTYPED_VALUE = 1,
    HISTOGRAM_SUM = 2,
    HISTOGRAM_BUCKET = 3,
    HISTOGRAM_COUNT_FLOAT = 4,
    HISTOGRAM_SCHEMA = 5,
    HISTOGRAM_ZERO_THRESHOLD = 6,
    HISTOGRAM_ZERO_COUNT_FLOAT = 8,
    HISTOGRAM_NEGATIVE_SPAN = 9,
    HISTOGRAM_NEGATIVE_COUNT = 11,
    HISTOGRAM_POSITIVE_SPAN = 12,
    HISTOGRAM_POSITIVE_COUNT = 14,
    BUCKET_BOUND = 2,
    BUCKET_COUNT_FLOAT = 4,
};

void metric_family_init(struct metric_family_writer *w, struct buf *out)
{
    w->out = out;
    buf_init(&w->family, out->max);
    buf_init(&w->metric, out->max);
    buf_init(&w->part, out->max);
}

static void end_family(struct metric_family_writer *w)
{
    if (w->family.n) {
        buf_put_varint(w->out, w->family.n);
        buf_put_str(w->out, buf_str(&w->family));
    }
    w->out->failed = w->out->failed || buf_failed(&w->family) || buf_failed(&w->metric);
    buf_clear(&w->family);
}

void metric_family_done(struct metric_family_writer *w)
{
    end_family(w);
    buf_done(&w->family);
    buf_done(&w->metric);
    buf_done(&w->part);
}

void metric_family_begin(struct metric_family_writer *w, struct str name,
                         enum metric_family_type type)
{
    end_family(w);
    wire_put_bytes(&w->family, FAMILY_NAME, name);
    wire_put_int(&w->family, FAMILY_TYPE, type);
}

static void begin_metric(struct metric_family_writer *w, struct str key)
{
    struct label l;
    buf_clear(&w->metric);
    for (const char *at = key.p; labels_next(key, &at, &l, NULL);) {
        if (str_eq(l.name, LABEL_METRIC))
            continue;
        buf_clear(&w->part);
        wire_put_bytes(&w->part, LABEL_NAME, l.name);
        wire_put_bytes(&w->part, LABEL_VALUE, l.value);
        wire_put_bytes(&w->metric, METRIC_LABEL, buf_str(&w->part));
    }
    buf_clear(&w->part);
}

/* The value is in part. */
static void end_metric(struct metric_family_writer *w, unsigned field, int64_t ts_ms)
{
    /* In the order of their numbers, as other writers do. */
    if (field > METRIC_TIME)
        wire_put_int(&w->metric, METRIC_TIME, (uint64_t)ts_ms);
    wire_put_bytes(&w->metric, field, buf_str(&w->part));
    if (field < METRIC_TIME)
        wire_put_int(&w->metric, METRIC_TIME, (uint64_t)ts_ms);
    wire_put_bytes(&w->family, FAMILY_METRIC, buf_str(&w->metric));
}

void metric_family_untyped(struct metric_family_writer *w, struct str key, double value,
                           int64_t ts_ms)
{
    begin_metric(w, key);
    wire_put_double(&w->part, UNTYPED_VALUE, value);
    end_metric(w, METRIC_UNTYPED, ts_ms);
}

static void put_doubles(struct buf *out, unsigned field, const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        wire_put_double(out, field, v[i]);
}

static void put_exponential(struct buf *out, const struct histogram *h)
{
    wire_put_int(out, HISTOGRAM_SCHEMA, zigzag(h->schema));
    wire_put_double(out, HISTOGRAM_ZERO_THRESHOLD, h->zero_threshold);
    wire_put_double(out, HISTOGRAM_ZERO_COUNT_FLOAT, h->zero_count);
    wire_put_spans(out, HISTOGRAM_NEGATIVE_SPAN, h->negative_spans, h->negative_spans_n);
    put_doubles(out, HISTOGRAM_NEGATIVE_COUNT, h->negative, h->negative_n);
    wire_put_spans(out, HISTOGRAM_POSITIVE_SPAN, h->positive_spans, h->positive_spans_n);
    put_doubles(out, HISTOGRAM_POSITIVE_COUNT, h->positive, h->positive_n);
}

/* The count of the bucket at index. */
static double count_at(const struct histogram *h, int64_t index)
{
    int64_t first = 0;
    size_t at = 0;
    for (size_t s = 0; s < h->positive_spans_n; s++) {
        const struct histogram_span *span = &h->positive_spans[s];
        first += span->offset;
        if (index >= first && index < first + span->length)
            return h->positive[at + (size_t)(index - first)];
        first += span->length;
        at += span->length;
    }
    return 0;
}

static void put_classic(struct buf *out, const struct histogram *h)
{
    double total = 0;
    for (uint32_t i = 0; i <= h->custom_n; i++) {
        char room[32];
        struct buf bucket = {.p = room, .capacity = sizeof room, .max = sizeof room};
        total += count_at(h, i);
        wire_put_double(&bucket, BUCKET_BOUND, i < h->custom_n ? h->custom_bounds[i] : INFINITY);
        wire_put_double(&bucket, BUCKET_COUNT_FLOAT, total);
        wire_put_bytes(out, HISTOGRAM_BUCKET, buf_str(&bucket));
    }
}

void metric_family_histogram(struct metric_family_writer *w, struct str key,
                             const struct histogram *h, int64_t ts_ms)
{
    begin_metric(w, key);
    wire_put_double(&w->part, HISTOGRAM_SUM, h->sum);
    wire_put_double(&w->part, HISTOGRAM_COUNT_FLOAT, h->count);
    if (h->schema == HISTOGRAM_SCHEMA_CUSTOM)
        put_classic(&w->part, h);
    else
        put_exponential(&w->part, h);
    end_metric(w, METRIC_HISTOGRAM_FIELD, ts_ms);
}

/* One entry of an Accept header: its weight where it is this format, else 0. */
static double weight_of(struct str entry, enum name_escape *ret_escape)
{
    bool type = false, message = false, delimited = false;
    double weight = 1;
    struct str part;
    *ret_escape = NAME_ESCAPE_UNDERSCORES;
    while (str_split(&entry, ';', &part)) {
        part = str_trim(part);
        type = type || str_eq(part, STR("application/vnd.google.protobuf"));
        message = message || str_eq(part, STR("proto=io.prometheus.client.MetricFamily"));
        delimited = delimited || str_eq(part, STR("encoding=delimited"));
        if (str_starts(part, STR("q=")) && number_parse(str_sub(part, 2, part.n), &weight))
            weight = 0;
        if (str_starts(part, STR("escaping=")) &&
            !name_escape_of(str_sub(part, 9, part.n), ret_escape))
            *ret_escape = NAME_ESCAPE_UNDERSCORES;
    }
    return type && message && delimited ? weight : 0;
}

double metric_family_weight(struct str accept, enum name_escape *ret_escape)
{
    struct str entry;
    double best = 0;
    while (str_split(&accept, ',', &entry)) {
        enum name_escape escape;
        double weight = weight_of(entry, &escape);
        if (weight <= best)
            continue;
        best = weight;
        *ret_escape = escape;
    }
    return best;
}
