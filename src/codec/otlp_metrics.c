#include "codec/otlp_metrics.h"

#include "base/bits.h"
#include "codec/wire.h"

/* Tags: field number and wire type in one byte. */
enum {
    BYTES_1 = 0x0a,
    BYTES_2 = 0x12,
    VARINT_2 = 0x10,
    VARINT_3 = 0x18,
    START = 0x11,  /* fixed64 2, the same in all points */
    TIME = 0x19,   /* fixed64 3 */
    DOUBLE = 0x21, /* fixed64 4: a number's value, else a count */
    SUM = 0x29,    /* fixed64 5 */
    NO_VALUE = 1,  /* of flags */
};

enum { RESOURCE_METRICS = 1, ATTRIBUTES_OF_RESOURCE = 1, ATTRIBUTES_OF_SCOPE = 3 };

struct reading {
    const uint8_t *start;
    struct arena *lasting, *passing;
    const struct otlp_visitor *visitor;
    struct why *why;
};

static int fail(const struct reading *r, const uint8_t *at, const char *what)
{
    return why_set(r->why, ERR_FORMAT, "OTLP metrics request, byte %zu: malformed %s",
                   (size_t)(at - r->start), what);
}

/* ---- fields that may lie in several places */

/* A run of fields as it is met. */
struct run {
    const uint8_t *p, *end;
    bool scattered;
};

static inline void run_meet(struct run *run, const uint8_t *from, const uint8_t *behind)
{
    if (run->p == NULL)
        run->p = from;
    else if (run->end != from)
        run->scattered = true;
    run->end = behind;
}

/* All fields of that number in a message that has been walked, together. */
static struct str gather(const uint8_t *p, const uint8_t *end, uint32_t number, struct arena *a)
{
    char *to = arena_raw(a, (size_t)(end - p) + 1);
    size_t n = 0;
    for (const uint8_t *from = p; p < end; from = p) {
        struct wire_field f;
        p = wire_next(p, end, &f);
        if (p == NULL)
            break;
        if (f.number == number && f.type == WIRE_BYTES) {
            memcpy(to + n, from, (size_t)(p - from));
            n += (size_t)(p - from);
        }
    }
    return str_of(to, n);
}

static inline struct str run_take(const struct run *run, struct str message, uint32_t number,
                                  struct arena *a)
{
    if (run->p == NULL)
        return (struct str){0};
    if (UNLIKELY(run->scattered)) {
        const uint8_t *p = (const uint8_t *)message.p;
        return gather(p, p + message.n, number, a);
    }
    return str_of((const char *)run->p, (size_t)(run->end - run->p));
}

/* A repeated field of 8 bytes: packed in one piece as all senders put it, else put together. */
struct fixed {
    struct str packed;
    unsigned pieces;
    bool odd; /* a length that is no multiple of 8 */
};

static void fixed_meet(struct fixed *x, const struct wire_field *f)
{
    x->pieces++;
    if (f->type == WIRE_BYTES) {
        x->odd |= f->n % 8 != 0;
        x->packed = str_of((const char *)f->p, f->n);
    } else {
        x->pieces++; /* a single value is always put together */
    }
}

static struct str fixed_take(const struct fixed *x, struct str message, uint32_t number,
                             struct arena *a)
{
    if (x->pieces <= 1)
        return x->packed;
    const uint8_t *p = (const uint8_t *)message.p, *end = p + message.n;
    char *to = arena_raw(a, message.n + 8);
    size_t n = 0;
    while (p < end) {
        struct wire_field f;
        p = wire_next(p, end, &f);
        if (p == NULL)
            break;
        if (f.number != number)
            continue;
        if (f.type == WIRE_BYTES && f.n) {
            memcpy(to + n, f.p, f.n);
            n += f.n;
        } else if (f.type == WIRE_FIXED64) {
            store64(to + n, f.v);
            n += 8;
        }
    }
    return str_of(to, n);
}

static struct str text_of(const struct wire_field *f)
{
    return str_of((const char *)f->p, f->n);
}

/* ---- points: true, or false for a malformed one */

static bool number_point(struct str message, struct arena *a, struct otlp_point *ret)
{
    enum { EXEMPLARS = 5, INT = 0x31, ATTRIBUTES = 7, ATTRIBUTES_TAG = 0x3a, FLAGS_TAG = 0x40 };
    const uint8_t *p = (const uint8_t *)message.p, *end = p + message.n;
    struct run attributes = {0};
    struct wire_field f;
    while (p < end) {
        const uint8_t *from = p;
        if (LIKELY(*p == ATTRIBUTES_TAG && end - p > 2)) {
            uint64_t n;
            p = wire_short_length(p + 1, end, &n);
            if (UNLIKELY(p == NULL || p > end || n > (size_t)(end - p)))
                return false;
            p += n;
            run_meet(&attributes, from, p);
            continue;
        }
        if (LIKELY(end - p >= 9 && (*p & 7) == WIRE_FIXED64 && *p < 0x80)) {
            uint64_t v = load64(p + 1);
            p += 9;
            if (*from == TIME)
                ret->time_ns = v;
            else if (*from == START)
                ret->start_ns = v;
            else if (*from == DOUBLE)
                ret->value = bits_double(v);
            else if (*from == INT)
                ret->value = (double)(int64_t)v;
            continue;
        }
        p = wire_next(p, end, &f);
        if (p == NULL)
            return false;
        if (wire_tag(&f) == ATTRIBUTES_TAG)
            run_meet(&attributes, from, p);
        else if (wire_tag(&f) == FLAGS_TAG)
            ret->no_value = f.v & NO_VALUE;
        else if (f.number == EXEMPLARS && f.type == WIRE_BYTES)
            ret->exemplar_number = EXEMPLARS;
    }
    ret->attributes = run_take(&attributes, message, ATTRIBUTES, a);
    return true;
}

static bool histogram_point(struct str message, struct arena *a, struct otlp_point *ret)
{
    enum { COUNTS = 6, BOUNDS = 7, EXEMPLARS = 8, ATTRIBUTES = 9, FLAGS = 10 };
    const uint8_t *p = (const uint8_t *)message.p, *end = p + message.n;
    struct run attributes = {0};
    struct fixed counts = {0}, bounds = {0};
    struct wire_field f;
    for (const uint8_t *from = p; p < end; from = p) {
        p = wire_next(p, end, &f);
        if (p == NULL)
            return false;
        if (wire_tag(&f) == START) {
            ret->start_ns = f.v;
        } else if (wire_tag(&f) == TIME) {
            ret->time_ns = f.v;
        } else if (wire_tag(&f) == DOUBLE) {
            ret->d.count = f.v;
        } else if (wire_tag(&f) == SUM) {
            ret->d.sum = bits_double(f.v);
            ret->d.has_sum = true;
        } else if (f.number == COUNTS && (f.type == WIRE_BYTES || f.type == WIRE_FIXED64)) {
            fixed_meet(&counts, &f);
        } else if (f.number == BOUNDS && (f.type == WIRE_BYTES || f.type == WIRE_FIXED64)) {
            fixed_meet(&bounds, &f);
        } else if (f.number == EXEMPLARS && f.type == WIRE_BYTES) {
            ret->exemplar_number = EXEMPLARS;
        } else if (f.number == ATTRIBUTES && f.type == WIRE_BYTES) {
            run_meet(&attributes, from, p);
        } else if (f.number == FLAGS && f.type == WIRE_VARINT) {
            ret->no_value = f.v & NO_VALUE;
        }
    }
    if (counts.odd || bounds.odd)
        return false;
    ret->attributes = run_take(&attributes, message, ATTRIBUTES, a);
    ret->d.bucket_counts = fixed_take(&counts, message, COUNTS, a);
    ret->d.bounds = fixed_take(&bounds, message, BOUNDS, a);
    if (ret->d.bounds.n / 8 > OTLP_BOUNDS_MAX)
        ret->bad = "the histogram has more than 1024 bounds";
    return true;
}

/* How many varints a message of buckets has; -1 where it is malformed. */
static int64_t buckets_count(const uint8_t *p, const uint8_t *end)
{
    struct wire_field f;
    int64_t n = 0;
    while (p < end) {
        p = wire_next(p, end, &f);
        if (p == NULL)
            return -1;
        if (f.number != 2)
            continue;
        n += f.type == WIRE_VARINT;
        for (size_t i = 0; f.type == WIRE_BYTES && i < f.n; i++)
            n += f.p[i] < 0x80;
    }
    return n;
}

static bool buckets(const struct wire_field *message, struct arena *a, struct otlp_buckets *ret,
                    const char **ret_bad)
{
    const uint8_t *p = message->p, *end = p + message->n;
    struct wire_field f;
    int64_t n = buckets_count(p, end);
    if (n < 0)
        return false;
    if (n > OTLP_BUCKETS_MAX) {
        *ret_bad = "the histogram has more than 16384 buckets on one side";
        return true;
    }
    uint64_t *counts = arena_raw(a, ((size_t)n + 1) * sizeof *counts);
    size_t at = 0;
    *ret = (struct otlp_buckets){.counts = counts};
    while (p < end) {
        p = wire_next(p, end, &f);
        if (p == NULL)
            return false;
        if (f.number == 1 && f.type == WIRE_VARINT)
            ret->offset = (int32_t)unzigzag((uint32_t)f.v);
        else if (f.number == 2 && f.type == WIRE_VARINT)
            counts[at++] = f.v;
        else if (f.number == 2 && f.type == WIRE_BYTES)
            for (const uint8_t *q = f.p, *q_end = q + f.n; q < q_end; at++)
                if ((q = varint_get(q, q_end, &counts[at])) == NULL)
                    return false;
    }
    ret->n = at;
    return true;
}

static bool exponential_point(struct str message, struct arena *a, struct otlp_point *ret)
{
    enum { ATTRIBUTES = 1, SCALE = 0x30, ZEROS = 0x39, POSITIVE = 0x42, NEGATIVE = 0x4a };
    enum { FLAGS = 0x50, EXEMPLARS = 11, THRESHOLD = WIRE_TAG(14, WIRE_FIXED64) };
    const uint8_t *p = (const uint8_t *)message.p, *end = p + message.n;
    struct run attributes = {0};
    struct wire_field f;
    for (const uint8_t *from = p; p < end; from = p) {
        p = wire_next(p, end, &f);
        if (p == NULL)
            return false;
        uint32_t tag = wire_tag(&f);
        if (tag == BYTES_1) {
            run_meet(&attributes, from, p);
        } else if (tag == START) {
            ret->start_ns = f.v;
        } else if (tag == TIME) {
            ret->time_ns = f.v;
        } else if (tag == DOUBLE) {
            ret->d.count = f.v;
        } else if (tag == SUM) {
            ret->d.sum = bits_double(f.v);
            ret->d.has_sum = true;
        } else if (tag == SCALE) {
            ret->d.scale = (int32_t)unzigzag((uint32_t)f.v);
        } else if (tag == ZEROS) {
            ret->d.zero_count = f.v;
        } else if (tag == FLAGS) {
            ret->no_value = f.v & NO_VALUE;
        } else if (tag == THRESHOLD) {
            ret->d.zero_threshold = bits_double(f.v);
        } else if (tag == POSITIVE || tag == NEGATIVE) {
            if (!buckets(&f, a, tag == POSITIVE ? &ret->d.positive : &ret->d.negative, &ret->bad))
                return false;
        } else if (f.number == EXEMPLARS && f.type == WIRE_BYTES) {
            ret->exemplar_number = EXEMPLARS;
        }
    }
    ret->attributes = run_take(&attributes, message, ATTRIBUTES, a);
    return true;
}

static bool quantile(const struct wire_field *message, struct otlp_quantile *ret)
{
    struct wire_field f;
    *ret = (struct otlp_quantile){0};
    for (const uint8_t *p = message->p, *end = p + message->n; p < end;) {
        p = wire_next(p, end, &f);
        if (p == NULL)
            return false;
        if (wire_tag(&f) == WIRE_TAG(1, WIRE_FIXED64))
            ret->quantile = bits_double(f.v);
        else if (wire_tag(&f) == WIRE_TAG(2, WIRE_FIXED64))
            ret->value = bits_double(f.v);
    }
    return true;
}

static bool quantiles(const struct run *run, struct str message, struct arena *a,
                      struct otlp_point *ret)
{
    struct str all = run_take(run, message, 6, a);
    const uint8_t *p = (const uint8_t *)all.p, *end = all.n ? p + all.n : p;
    struct otlp_quantile *v = arena_raw(a, OTLP_BOUNDS_MAX * sizeof *v);
    struct wire_field f;
    ret->d.quantiles = v;
    while (p < end && ret->d.quantiles_n < OTLP_BOUNDS_MAX) {
        p = wire_next(p, end, &f);
        if (p == NULL || !quantile(&f, &v[ret->d.quantiles_n++]))
            return false;
    }
    if (p < end)
        ret->bad = "the summary has more than 1024 quantiles";
    return true;
}

static bool summary_point(struct str message, struct arena *a, struct otlp_point *ret)
{
    enum { QUANTILES = 6, ATTRIBUTES = 7, FLAGS = 0x40 };
    const uint8_t *p = (const uint8_t *)message.p, *end = p + message.n;
    struct run attributes = {0}, values = {0};
    struct wire_field f;
    for (const uint8_t *from = p; p < end; from = p) {
        p = wire_next(p, end, &f);
        if (p == NULL)
            return false;
        if (wire_tag(&f) == START)
            ret->start_ns = f.v;
        else if (wire_tag(&f) == TIME)
            ret->time_ns = f.v;
        else if (wire_tag(&f) == DOUBLE)
            ret->d.count = f.v;
        else if (wire_tag(&f) == SUM)
            ret->d.sum = bits_double(f.v);
        else if (wire_tag(&f) == FLAGS)
            ret->no_value = f.v & NO_VALUE;
        else if (f.number == QUANTILES && f.type == WIRE_BYTES)
            run_meet(&values, from, p);
        else if (f.number == ATTRIBUTES && f.type == WIRE_BYTES)
            run_meet(&attributes, from, p);
    }
    ret->d.has_sum = true;
    ret->attributes = run_take(&attributes, message, ATTRIBUTES, a);
    return values.p == NULL || quantiles(&values, message, a, ret);
}

static bool read_point(enum otlp_kind kind, struct str message, struct arena *a,
                       struct otlp_point *ret)
{
    /* Most points are numbers: they pay for no more than they have. */
    memset(ret, 0, offsetof(struct otlp_point, d));
    ret->message = message;
    if (kind == OTLP_GAUGE || kind == OTLP_SUM)
        return number_point(message, a, ret);
    ret->d = (struct otlp_distribution){0};
    switch (kind) {
    case OTLP_HISTOGRAM:
        return histogram_point(message, a, ret);
    case OTLP_EXPONENTIAL:
        return exponential_point(message, a, ret);
    default:
        break;
    }
    return summary_point(message, a, ret);
}

/* ---- what holds the points */

static int points(const struct reading *r, enum otlp_kind kind, const struct wire_field *data)
{
    int err = 0;
    for (const uint8_t *p = data->p, *end = p + data->n, *from = p; p < end && !err; from = p) {
        struct wire_field f;
        if (UNLIKELY(*p != BYTES_1)) {
            p = wire_next(p, end, &f); /* seen before */
            if (p == NULL)
                return fail(r, from, "field of a metric");
            continue;
        }
        uint64_t n;
        const uint8_t *at = wire_short_length(p + 1, end, &n);
        if (UNLIKELY(at == NULL || at > end || n > (size_t)(end - at)))
            return fail(r, from, "data point");
        p = at + n;
        struct otlp_point point;
        if (UNLIKELY(!read_point(kind, str_of((const char *)at, (size_t)n), r->passing, &point)))
            return fail(r, from, "data point");
        err = r->visitor->point(r->visitor->context, &point);
    }
    return err;
}

/* Temporality and monotonicity, behind the points or before them. */
static bool about_points(const struct wire_field *data, struct otlp_metric *m)
{
    struct wire_field f;
    for (const uint8_t *p = data->p, *end = p + data->n; p < end;) {
        p = wire_next(p, end, &f);
        if (p == NULL)
            return false;
        if (wire_tag(&f) == VARINT_2)
            m->temporality = f.v <= OTLP_CUMULATIVE ? (enum otlp_temporality)f.v : OTLP_UNSPECIFIED;
        else if (wire_tag(&f) == VARINT_3)
            m->monotonic = f.v != 0;
    }
    return true;
}

static bool kind_of(uint32_t number, enum otlp_kind *ret)
{
    enum { GAUGE = 5, SUM_FIELD = 7, HISTOGRAM = 9, EXPONENTIAL = 10, SUMMARY = 11 };
    if (number == GAUGE)
        *ret = OTLP_GAUGE;
    else if (number == SUM_FIELD)
        *ret = OTLP_SUM;
    else if (number == HISTOGRAM)
        *ret = OTLP_HISTOGRAM;
    else if (number == EXPONENTIAL)
        *ret = OTLP_EXPONENTIAL;
    else if (number == SUMMARY)
        *ret = OTLP_SUMMARY;
    else
        return false;
    return true;
}

static int metric(const struct reading *r, const struct wire_field *message)
{
    struct otlp_metric m = {0};
    struct wire_field f, data = {0};
    for (const uint8_t *p = message->p, *end = p + message->n, *from = p; p < end; from = p) {
        p = wire_next(p, end, &f);
        if (p == NULL)
            return fail(r, from, "metric");
        if (f.type != WIRE_BYTES)
            continue;
        if (f.number == 1)
            m.name = text_of(&f);
        else if (f.number == 2)
            m.description = text_of(&f);
        else if (f.number == 3)
            m.unit = text_of(&f);
        else if (kind_of(f.number, &m.kind))
            data = f; /* the last of a oneof counts */
    }
    if (data.n == 0)
        return 0; /* a metric without points says nothing */
    if (!about_points(&data, &m))
        return fail(r, data.p, "metric");
    int err = r->visitor->metric(r->visitor->context, &m);
    return err ? err : points(r, m.kind, &data);
}

/* The parts of a message that has been walked once. */
static int parts(const struct reading *r, const struct wire_field *message,
                 int (*part)(const struct reading *r, const struct wire_field *message))
{
    int err = 0;
    for (const uint8_t *p = message->p, *end = p + message->n; p < end && !err;) {
        struct wire_field f;
        p = wire_next(p, end, &f);
        if (wire_tag(&f) == BYTES_2)
            err = part(r, &f);
    }
    return err;
}

static int scope_metrics(const struct reading *r, const struct wire_field *message)
{
    struct otlp_scope scope = {0};
    struct wire_field f;
    for (const uint8_t *p = message->p, *end = p + message->n, *from = p; p < end; from = p) {
        p = wire_next(p, end, &f);
        if (p == NULL)
            return fail(r, from, "ScopeMetrics");
        if (f.number == 1 && f.type == WIRE_BYTES)
            scope.message = text_of(&f);
        else if (f.number == 3 && f.type == WIRE_BYTES)
            scope.schema_url = text_of(&f);
    }
    int err = r->visitor->scope(r->visitor->context, &scope);
    return err ? err : parts(r, message, metric);
}

/* The attributes of a message; false where it is malformed. */
static bool attributes_of(struct str message, uint32_t number, struct arena *a, struct str *ret)
{
    const uint8_t *p = (const uint8_t *)message.p, *end = message.n ? p + message.n : p;
    struct run run = {0};
    struct wire_field f;
    for (const uint8_t *from = p; p < end; from = p) {
        p = wire_next(p, end, &f);
        if (p == NULL)
            return false;
        if (f.number == number && f.type == WIRE_BYTES)
            run_meet(&run, from, p);
    }
    *ret = run_take(&run, message, number, a);
    return true;
}

static int resource_metrics(const struct reading *r, const struct wire_field *message)
{
    struct str resource = {0}, attributes;
    struct wire_field f;
    for (const uint8_t *p = message->p, *end = p + message->n, *from = p; p < end; from = p) {
        p = wire_next(p, end, &f);
        if (p == NULL)
            return fail(r, from, "ResourceMetrics");
        if (wire_tag(&f) == BYTES_1)
            resource = text_of(&f);
    }
    if (!attributes_of(resource, ATTRIBUTES_OF_RESOURCE, r->lasting, &attributes))
        return fail(r, message->p, "Resource");
    int err = r->visitor->resource(r->visitor->context, attributes);
    if (err == 0)
        err = parts(r, message, scope_metrics);
    return err ? err : r->visitor->resource_end(r->visitor->context);
}

int otlp_metrics_read(struct str request, struct arena *lasting, struct arena *passing,
                      const struct otlp_visitor *visitor, struct why *why)
{
    const uint8_t *p = (const uint8_t *)request.p, *end = request.n ? p + request.n : p;
    struct reading r = {p, lasting, passing, visitor, why};
    int err = 0;
    for (const uint8_t *from = p; p < end && !err; from = p) {
        struct wire_field f;
        p = wire_next(p, end, &f);
        if (p == NULL)
            return fail(&r, from, "field");
        if (f.number == RESOURCE_METRICS && f.type == WIRE_BYTES)
            err = resource_metrics(&r, &f);
    }
    return err;
}

/* ---- parts that are rarely asked for */

static bool exemplar(const struct wire_field *message, struct arena *a, struct otlp_exemplar *ret)
{
    enum { TIME_2 = 0x11, DOUBLE_3 = 0x19, SPAN = 0x22, TRACE = 0x2a, INT_6 = 0x31 };
    enum { ATTRIBUTES = 7 };
    struct wire_field f;
    *ret = (struct otlp_exemplar){0};
    for (const uint8_t *p = message->p, *end = p + message->n; p < end;) {
        p = wire_next(p, end, &f);
        if (p == NULL)
            return false;
        if (wire_tag(&f) == TIME_2)
            ret->time_ns = f.v;
        else if (wire_tag(&f) == DOUBLE_3)
            ret->value = bits_double(f.v);
        else if (wire_tag(&f) == INT_6)
            ret->value = (double)(int64_t)f.v;
        else if (wire_tag(&f) == SPAN)
            ret->span_id = text_of(&f);
        else if (wire_tag(&f) == TRACE)
            ret->trace_id = text_of(&f);
    }
    return attributes_of(text_of(message), ATTRIBUTES, a, &ret->attributes);
}

int otlp_metrics_exemplar(const struct otlp_point *point, const char **at, struct arena *a,
                          struct otlp_exemplar *ret)
{
    const uint8_t *p = (const uint8_t *)*at;
    const uint8_t *end = (const uint8_t *)point->message.p + point->message.n;
    while (p < end) {
        struct wire_field f;
        p = wire_next(p, end, &f);
        if (p == NULL)
            return -ERR_FORMAT;
        *at = (const char *)p;
        if (f.number == point->exemplar_number && f.type == WIRE_BYTES)
            return exemplar(&f, a, ret) ? 1 : -ERR_FORMAT;
    }
    return 0;
}

bool otlp_metrics_scope(struct str message, struct arena *a, struct str *ret_name,
                        struct str *ret_version, struct str *ret_attributes)
{
    const uint8_t *p = (const uint8_t *)message.p, *end = message.n ? p + message.n : p;
    struct str name = {0}, version = {0};
    struct wire_field f;
    while (p < end) {
        p = wire_next(p, end, &f);
        if (p == NULL)
            return false;
        if (wire_tag(&f) == BYTES_1)
            name = text_of(&f);
        else if (wire_tag(&f) == BYTES_2)
            version = text_of(&f);
    }
    if (!attributes_of(message, ATTRIBUTES_OF_SCOPE, a, ret_attributes))
        return false;
    *ret_name = name;
    *ret_version = version;
    return true;
}
