#include "codec/otlp_translate.h"

#include <math.h>
#include <string.h>

#include "base/bits.h"
#include "codec/otlp_exponential.h"
#include "codec/otlp_labels.h"
#include "codec/otlp_series.h"
#include "model/sample.h"

enum {
    NS_PER_MS = 1000000,
    PASSING_MAX = 1 << 20,      /* bytes that a batch's parts may have */
    EXEMPLAR_LETTERS_MAX = 128, /* of all labels, as OpenMetrics has it */
    ID_BYTES_MAX = 16
};

void otlp_translate_init(struct otlp_translate *t, const struct otlp_settings *settings,
                         struct otlp_delta *delta)
{
    memset(t, 0, sizeof *t);
    t->settings = settings;
    t->rules = otlp_settings_rules(settings);
    t->delta = delta;
    otlp_cache_init(&t->cache, (size_t)settings->cache_bytes_max);
    arena_init(&t->passing);
    arena_init(&t->lasting);
}

void otlp_translate_done(struct otlp_translate *t)
{
    otlp_cache_done(&t->cache);
    arena_done(&t->passing);
    arena_done(&t->lasting);
}

/* ---- rows */

static int flush(struct otlp_translate *t)
{
    if (t->batch.n == 0 && sides_empty(&t->sides))
        return 0;
    int err = t->take(t->context, t);
    t->batch.n = 0;
    sides_clear(&t->sides);
    return err;
}

/* Between points: what was passing may go with the batch that used it. */
static int settle(struct otlp_translate *t)
{
    if (LIKELY(t->batch.n < BATCH_MAX && !sides_full(&t->sides) && t->passing.total <= PASSING_MAX))
        return 0;
    int err = flush(t);
    arena_reset(&t->passing);
    return err;
}

static inline int row(struct otlp_translate *t, int64_t point, struct str key, int64_t ts_ms,
                      double value, const struct histogram *h, int64_t start_ms)
{
    struct batch *b = &t->batch;
    if (UNLIKELY(b->n == BATCH_MAX)) {
        int err = flush(t);
        if (err)
            return err;
    }
    size_t i = b->n++;
    b->key[i] = key;
    b->ts_ms[i] = ts_ms;
    b->value[i] = value;
    b->histogram[i] = h;
    b->start_ms[i] = start_ms;
    t->point[i] = point;
    return 0;
}

/* The point cannot be taken; all else can. */
static int refuse(struct otlp_translate *t, const char *reason)
{
    if (sides_full(&t->sides)) {
        int err = flush(t);
        if (err)
            return err;
    }
    t->sides.bad[t->sides.bad_n++] = (struct sides_bad){
        .at = (size_t)t->points,
        .series = t->metric.name,
        .reason = arena_str(&t->passing, str_c(reason)),
        .samples = 1,
    };
    return 0;
}

/* ---- exemplars */

static size_t letters(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

static bool is_zero(struct str id)
{
    for (size_t i = 0; i < id.n; i++)
        if (id.p[i])
            return false;
    return true;
}

static void add_id(struct otlp_translate *t, struct otlp_labels *l, struct str name, struct str id)
{
    static const char DIGITS[] = "0123456789abcdef";
    if (id.n > ID_BYTES_MAX || is_zero(id))
        return;
    char *text = arena_raw(&t->passing, id.n * 2);
    for (size_t i = 0; i < id.n; i++) {
        text[i * 2] = DIGITS[(unsigned char)id.p[i] >> 4];
        text[i * 2 + 1] = DIGITS[(unsigned char)id.p[i] & 15];
    }
    otlp_labels_set(l, name, str_of(text, id.n * 2));
}

/* The labels of an exemplar; the filtered attributes only where they are few and well-formed. */
static struct str exemplar_labels(struct otlp_translate *t, const struct otlp_exemplar *e)
{
    struct otlp_labels *l = arena_raw(&t->passing, sizeof *l);
    struct otlp_attribute *v;
    struct buf key;
    size_t n, all = 0;
    l->n = 0;
    add_id(t, l, STR("trace_id"), e->trace_id);
    add_id(t, l, STR("span_id"), e->span_id);
    size_t ids = l->n;
    for (size_t i = 0; i < ids; i++)
        all += letters(l->v[i].name) + l->v[i].value.n;
    if (otlp_value_attributes(e->attributes, OTLP_ATTRIBUTES_MAX, &t->passing, &v, &n, NULL) == 0) {
        for (size_t i = 0; i < n; i++)
            all += letters(v[i].key) + letters(v[i].value);
        for (size_t i = 0; i < n && all <= EXEMPLAR_LETTERS_MAX; i++)
            otlp_labels_default(l, v[i].key, v[i].value);
    }
    buf_init(&key, LABELS_KEY_MAX);
    if (labels_encode_bare(l->v, l->n, &key, NULL)) {
        buf_clear(&key); /* names that are none: the exemplar stays without labels */
    }
    struct str made = key.n ? arena_str(&t->passing, buf_str(&key)) : (struct str){0};
    buf_done(&key);
    return made;
}

/* The series that an exemplar of a point belongs to: of a classic histogram its bucket. */
static struct str exemplar_series(const struct otlp_translate *t, const struct otlp_point *p,
                                  const struct otlp_cache_entry *e, double value)
{
    if (t->metric.kind != OTLP_HISTOGRAM || e->keys_n == 1)
        return e->keys[0];
    for (size_t i = 0; i + OTLP_SERIES_BOUNDS < e->keys_n; i++)
        if (value <= bits_double(load64(p->d.bounds.p + i * 8)))
            return e->keys[OTLP_SERIES_BOUNDS + i];
    return e->keys[OTLP_SERIES_INFINITE];
}

static int exemplars(struct otlp_translate *t, const struct otlp_point *p,
                     const struct otlp_cache_entry *e)
{
    const char *at = p->message.p;
    struct otlp_exemplar one;
    while (otlp_metrics_exemplar(p, &at, &t->passing, &one) > 0) {
        if (t->sides.exemplars_n == SIDES_MAX) {
            int err = flush(t);
            if (err)
                return err;
        }
        t->sides.exemplars[t->sides.exemplars_n++] = (struct exemplar){
            .key = exemplar_series(t, p, e, one.value),
            .labels = exemplar_labels(t, &one),
            .ts_ms = (int64_t)((one.time_ns ? one.time_ns : p->time_ns) / NS_PER_MS),
            .value = one.value,
        };
    }
    return 0; /* a malformed exemplar is an exemplar less: the sample is there */
}

/* ---- points */

static int64_t start_of(const struct otlp_translate *t, const struct otlp_point *p)
{
    bool counts = t->metric.kind == OTLP_SUM ? t->metric.monotonic : t->metric.kind != OTLP_GAUGE;
    return counts && p->start_ns <= p->time_ns ? (int64_t)(p->start_ns / NS_PER_MS) : 0;
}

static double told(const struct otlp_point *p, double value)
{
    return p->no_value ? sample_stale() : value;
}

static int classic(struct otlp_translate *t, const struct otlp_point *p,
                   const struct otlp_cache_entry *e)
{
    int64_t ts = (int64_t)(p->time_ns / NS_PER_MS), start = start_of(t, p);
    uint64_t sum = 0;
    int err =
        row(t, t->points, e->keys[OTLP_SERIES_COUNT], ts, told(p, (double)p->d.count), NULL, start);
    if (err == 0 && p->d.has_sum)
        err = row(t, t->points, e->keys[OTLP_SERIES_SUM], ts, told(p, p->d.sum), NULL, start);
    if (err == 0)
        err = row(t, t->points, e->keys[OTLP_SERIES_INFINITE], ts, told(p, (double)p->d.count),
                  NULL, start);
    bool counted = p->d.bucket_counts.n > 0;
    size_t n = counted || p->no_value ? e->keys_n - OTLP_SERIES_BOUNDS : 0;
    for (size_t i = 0; err == 0 && i < n; i++) {
        sum += counted ? load64(p->d.bucket_counts.p + i * 8) : 0;
        if (bits_double(load64(p->d.bounds.p + i * 8)) != INFINITY) /* that one is there already */
            err = row(t, t->points, e->keys[OTLP_SERIES_BOUNDS + i], ts, told(p, (double)sum), NULL,
                      start);
    }
    return err;
}

static int summary(struct otlp_translate *t, const struct otlp_point *p,
                   const struct otlp_cache_entry *e)
{
    int64_t ts = (int64_t)(p->time_ns / NS_PER_MS), start = start_of(t, p);
    int err =
        row(t, t->points, e->keys[OTLP_SERIES_COUNT], ts, told(p, (double)p->d.count), NULL, start);
    if (err == 0)
        err = row(t, t->points, e->keys[OTLP_SERIES_SUM], ts, told(p, p->d.sum), NULL, start);
    for (size_t i = 0; err == 0 && i < p->d.quantiles_n; i++)
        err = row(t, t->points, e->keys[OTLP_SERIES_INFINITE + i], ts,
                  told(p, p->d.quantiles[i].value), NULL, start);
    return err;
}

static int native(struct otlp_translate *t, const struct otlp_point *p,
                  const struct otlp_cache_entry *e)
{
    struct histogram *h;
    struct why why = {0};
    int err = t->metric.kind == OTLP_EXPONENTIAL
                  ? otlp_exponential_native(p, &t->passing, &h, &why)
                  : otlp_exponential_custom(p, &t->passing, &h, &why);
    if (err)
        return refuse(t, why.text);
    return row(t, t->points, e->keys[0], (int64_t)(p->time_ns / NS_PER_MS), 0, h, start_of(t, p));
}

static int write_rows(struct otlp_translate *t, const struct otlp_point *p,
                      const struct otlp_cache_entry *e)
{
    switch (t->metric.kind) {
    case OTLP_GAUGE:
    case OTLP_SUM:
        return row(t, t->points, e->keys[0], (int64_t)(p->time_ns / NS_PER_MS), told(p, p->value),
                   NULL, start_of(t, p));
    case OTLP_HISTOGRAM:
        return e->keys_n == 1 ? native(t, p, e) : classic(t, p, e);
    case OTLP_EXPONENTIAL:
        return native(t, p, e);
    case OTLP_SUMMARY:
        break;
    }
    return summary(t, p, e);
}

/* Adds a delta to its series: sum becomes the point to write. False with why where it cannot be. */
static bool add_up(struct otlp_translate *t, const struct otlp_point *p,
                   const struct otlp_cache_entry *e, struct otlp_point *sum, struct why *why)
{
    struct str key = e->keys[0];
    uint64_t owner = t->tenant + t->metric.kind; /* the address of a tenant: a multiple of 8 */
    char *id = arena_raw(&t->passing, sizeof owner + key.n);
    memcpy(id, &owner, sizeof owner);
    memcpy(id + sizeof owner, key.p, key.n);
    struct str whole = str_of(id, sizeof owner + key.n);
    *sum = *p;
    if (p->no_value) {
        otlp_delta_forget(t->delta, whole);
        return true;
    }
    return otlp_delta_add(t->delta, whole, t->metric.kind, t->now_ms, &t->passing, sum, why) == 0;
}

/* What is wrong with a point whatever its series is, or NULL. */
static const char *fault_of(const struct otlp_translate *t, const struct otlp_point *p)
{
    enum otlp_kind kind = t->metric.kind;
    if (p->bad)
        return p->bad;
    if (p->time_ns == 0 || p->time_ns > INT64_MAX)
        return "the point has no time";
    if (kind == OTLP_GAUGE || kind == OTLP_SUMMARY)
        return NULL;
    if (t->metric.temporality == OTLP_UNSPECIFIED)
        return "the metric has no aggregation temporality";
    if (t->metric.temporality == OTLP_DELTA && t->delta == NULL)
        return "delta temporality is not taken here (otlp.delta_to_cumulative)";
    if (kind != OTLP_HISTOGRAM)
        return NULL;
    size_t buckets = p->d.bucket_counts.n / 8, bounds = p->d.bounds.n / 8;
    if (buckets != 0 && buckets != bounds + 1)
        return "the histogram has not one bucket more than it has bounds";
    return NULL;
}

static struct str bounds_of(struct otlp_translate *t, const struct otlp_point *p)
{
    if (t->metric.kind == OTLP_HISTOGRAM && !t->settings->convert_histograms_to_nhcb)
        return p->d.bounds;
    if (t->metric.kind != OTLP_SUMMARY)
        return (struct str){0};
    char *to = arena_raw(&t->passing, p->d.quantiles_n * 8 + 1);
    for (size_t i = 0; i < p->d.quantiles_n; i++)
        store64(to + i * 8, double_bits(p->d.quantiles[i].quantile));
    return str_of(to, p->d.quantiles_n * 8);
}

static void note_metadata(struct otlp_translate *t)
{
    static const uint8_t TYPES[] = {
        [OTLP_GAUGE] = METRIC_GAUGE,         [OTLP_SUM] = METRIC_COUNTER,
        [OTLP_HISTOGRAM] = METRIC_HISTOGRAM, [OTLP_EXPONENTIAL] = METRIC_HISTOGRAM,
        [OTLP_SUMMARY] = METRIC_SUMMARY,
    };
    struct otlp_series_metric *m = t->series_of->payload;
    if (LIKELY(t->now_ms - m->metadata_ms < OTLP_SERIES_METADATA_MS) ||
        t->sides.metadata_n == SIDES_MAX)
        return;
    bool gauge = t->metric.kind == OTLP_SUM && !t->metric.monotonic;
    m->metadata_ms = t->now_ms;
    t->sides.metadata[t->sides.metadata_n++] = (struct metadata){
        .metric = m->name,
        .type = gauge ? METRIC_GAUGE : (enum metric_type)TYPES[t->metric.kind],
        .help = t->metric.description,
        .unit = m->unit,
    };
}

static int take_point(struct otlp_translate *t, const struct otlp_point *p)
{
    const char *fault = fault_of(t, p);
    struct why why; /* read where it was set only */
    if (UNLIKELY(otlp_cache_spent(&t->cache))) {
        int err = flush(t);
        otlp_cache_forget(&t->cache);
        t->resource = t->scope = t->series_of = NULL;
        if (err)
            return err;
    }
    if (fault == NULL && t->series_of == NULL) {
        fault = otlp_series_above(t);
        if (fault == NULL)
            note_metadata(t);
        else
            t->series_of = NULL;
    }
    if (UNLIKELY(fault != NULL))
        return refuse(t, fault);
    struct otlp_cache_entry *e = otlp_series_of(t, p->attributes, bounds_of(t, p), &why);
    if (UNLIKELY(e == NULL))
        return refuse(t, why.text);
    struct otlp_point sum;
    bool delta = t->metric.temporality == OTLP_DELTA && t->metric.kind != OTLP_GAUGE &&
                 t->metric.kind != OTLP_SUMMARY;
    const struct otlp_point *given = p;
    if (delta) {
        if (!add_up(t, p, e, &sum, &why))
            return refuse(t, why.text);
        given = &sum;
    }
    int64_t ts = (int64_t)(p->time_ns / NS_PER_MS);
    t->oldest_ms = MIN(t->oldest_ms, ts);
    t->newest_ms = MAX(t->newest_ms, ts);
    t->some_value = t->some_value || !p->no_value;
    int err = write_rows(t, given, e);
    return err || p->exemplar_number == 0 ? err : exemplars(t, given, e);
}

/* ---- the visitor */

static int on_resource(void *context, struct str attributes)
{
    struct otlp_translate *t = context;
    t->resource_bytes = attributes;
    t->resource = t->scope = t->series_of = NULL;
    t->oldest_ms = INT64_MAX;
    t->newest_ms = INT64_MIN;
    t->some_value = false;
    return 0;
}

static int on_scope(void *context, const struct otlp_scope *scope)
{
    struct otlp_translate *t = context;
    t->scope_bytes = *scope;
    t->scope = t->series_of = NULL;
    return 0;
}

static int on_metric(void *context, const struct otlp_metric *metric)
{
    struct otlp_translate *t = context;
    t->metric = *metric;
    t->series_of = NULL;
    return 0;
}

static int on_point(void *context, const struct otlp_point *point)
{
    struct otlp_translate *t = context;
    int err = take_point(t, point);
    t->points++;
    return err ? err : settle(t);
}

static int on_resource_end(void *context)
{
    struct otlp_translate *t = context;
    if (t->resource == NULL || t->newest_ms < t->oldest_ms)
        return 0;
    const struct otlp_series_resource *r = t->resource->payload;
    if (r->target_info.n == 0)
        return 0;
    int64_t furthest = (int64_t)OTLP_TARGET_INFO_MS * (OTLP_TARGET_INFO_MAX - 1);
    int64_t ts = MAX(t->oldest_ms, t->newest_ms - furthest);
    int err = 0;
    for (; err == 0 && ts < t->newest_ms; ts += OTLP_TARGET_INFO_MS)
        err = row(t, OTLP_TRANSLATE_NO_POINT, r->target_info, ts, 1, NULL, 0);
    if (err == 0)
        err = row(t, OTLP_TRANSLATE_NO_POINT, r->target_info, t->newest_ms,
                  t->some_value ? 1 : sample_stale(), NULL, 0);
    return err ? err : settle(t);
}

int otlp_translate_read(struct otlp_translate *t, struct str request, uint64_t tenant,
                        int64_t now_ms, int (*take)(void *context, struct otlp_translate *t),
                        void *context, struct why *why)
{
    const struct otlp_visitor visitor = {t,         on_resource, on_scope,
                                         on_metric, on_point,    on_resource_end};
    if (t->passing.total > PASSING_MAX)
        arena_done(&t->passing);
    arena_reset(&t->passing);
    arena_reset(&t->lasting);
    t->take = take;
    t->context = context;
    t->tenant = tenant;
    t->now_ms = now_ms;
    t->points = 0;
    t->batch.n = 0;
    sides_clear(&t->sides);
    int err = otlp_metrics_read(request, &t->lasting, &t->passing, &visitor, why);
    int last = flush(t);
    return err ? err : last;
}
