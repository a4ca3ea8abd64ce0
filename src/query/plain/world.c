#include "query/plain/world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "base/vec.h"
#include "model/labels.h"
#include "model/sample.h"

struct maker {
    const struct world_shape *shape;
    struct arena *arena;
    struct plain_data *data;
    struct rand rand;
};

static uint64_t below(struct maker *m, uint64_t n)
{
    return rand_below(&m->rand, n);
}

/* "name,label=value,..." */
static struct plain_series *series_new(struct maker *m, const char *text)
{
    struct str rest = str_c(text), part;
    struct label labels[16];
    size_t n = 0;
    struct buf key;
    struct why why;
    must(str_split(&rest, ',', &part));
    labels[n++] = (struct label){LABEL_METRIC, part};
    while (rest.p && str_split(&rest, ',', &part)) {
        size_t at = str_find(part, '=');
        labels[n++] = (struct label){str_sub(part, 0, at), str_sub(part, at + 1, part.n)};
    }
    buf_init(&key, 4096);
    must(labels_encode(labels, n, &key, &why) == 0);
    struct plain_series s = {.key = arena_str(m->arena, buf_str(&key))};
    buf_done(&key);
    vec_push(m->data, s);
    return &m->data->v[m->data->n - 1];
}

static void put(struct plain_series *s, int64_t ts_ms, double value)
{
    struct plain_sample sample = {ts_ms, value, NULL};
    if (s->n == 0 || s->v[s->n - 1].ts_ms < ts_ms)
        vec_push(s, sample);
}

enum shape {
    COUNTER, /* whole steps, resets */
    SECONDS, /* quarters, irregular times, resets */
    GAUGE,   /* quarters up and down, below zero too, gaps */
    BYTES,   /* large whole numbers */
    BINARY,  /* 0 and 1, staleness markers */
    CONSTANT,
    ODD,   /* NaN, infinities, -0, huge, tiny */
    SHORT, /* begins late, ends early, by a staleness marker */
    SHAPES,
};

static double odd_value(struct maker *m)
{
    static const double values[] = {NAN,    INFINITY, -INFINITY, -0.0, 0,    1e300,
                                    -1e300, 1e-300,   4,         1,    -2.5, 0x1p53};
    double v = values[below(m, COUNTOF(values))];
    return isnan(v) ? bits_double(SAMPLE_NAN_BITS) : v;
}

/* The next value after v. */
static double next_value(struct maker *m, enum shape shape, double v)
{
    switch (shape) {
    case COUNTER:
        return below(m, 60) == 0 ? (double)below(m, 4) : v + (double)below(m, 9);
    case SECONDS:
        return below(m, 80) == 0 ? 0 : v + (double)below(m, 40) / 4;
    case GAUGE:
        return v + ((double)below(m, 17) - 8) / 4;
    case BYTES:
        return (double)(below(m, 1 << 20) * 4096);
    case BINARY:
        return (double)(below(m, 5) != 0);
    case ODD:
        return odd_value(m);
    default:
        return v;
    }
}

/* Series of one place mostly have the same times, as those of one scrape. */
static void fill(struct maker *m, struct plain_series *s, enum shape shape, size_t place)
{
    const struct world_shape *w = m->shape;
    int64_t interval = w->interval_ms * (below(m, 6) == 0 ? 4 : 1);
    int64_t from = w->start_ms + (int64_t)(place * 2711 % (uint64_t)w->interval_ms);
    int64_t to = w->start_ms + w->length_ms;
    if (shape == SHORT) {
        from += (int64_t)below(m, (uint64_t)w->length_ms / 2);
        to -= (int64_t)below(m, (uint64_t)w->length_ms / 3);
    }
    double v = shape == CONSTANT ? (double)below(m, 5) : (double)below(m, 200) / 4;
    for (int64_t t = from; t < to; t += interval) {
        int64_t at = t;
        v = next_value(m, shape, v);
        if (shape == SECONDS)
            at += (int64_t)below(m, (uint64_t)interval / 3);
        if (below(m, 90) == 0)
            t += interval * (int64_t)(1 + below(m, 30)); /* a gap */
        else if ((shape == BINARY || shape == SHORT) && below(m, 40) == 0)
            put(s, at, sample_stale());
        else
            put(s, at, v);
    }
    if (shape == SHORT)
        put(s, to, sample_stale());
}

static void make_floats(struct maker *m)
{
    static const struct {
        const char *name;
        enum shape shape;
    } rows[] = {
        {"requests_total", COUNTER},
        {"busy_seconds_total", SECONDS},
        {"temperature", GAUGE},
        {"memory_bytes", BYTES},
        {"up", BINARY},
        {"level", CONSTANT},
        {"odd", ODD},
        {"brief", SHORT},
    };
    static const char *const places[] = {
        "job=a,instance=h1,zone=east", "job=a,instance=h2,zone=west", "job=b,instance=h1,zone=east",
        "job=b,instance=h3",           "job=c,instance=h4,zone=",
    };
    char text[256];
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        for (size_t k = 0; k < COUNTOF(places); k++) {
            if (below(m, 6) == 0)
                continue;
            unsigned codes = rows[i].shape == COUNTER ? 2 : 1;
            for (unsigned code = 0; code < codes; code++) {
                if (codes == 1)
                    snprintf(text, sizeof text, "%s,%s", rows[i].name, places[k]);
                else
                    snprintf(text, sizeof text, "%s,%s,code=%u", rows[i].name, places[k],
                             200 + code * 300);
                fill(m, series_new(m, text), rows[i].shape, k);
            }
        }
    }
}

/* Classic buckets, cumulative; now and then one is behind. */
static void make_buckets(struct maker *m)
{
    static const char *const bounds[] = {"0.1", "0.5", "1", "2.5", "10", "+Inf", "1.0", "x"};
    for (int job = 0; job < 2; job++) {
        struct plain_series *s[COUNTOF(bounds)];
        size_t first = m->data->n;
        char text[128];
        for (size_t i = 0; i < COUNTOF(bounds); i++) {
            snprintf(text, sizeof text, "latency_bucket,job=%c,instance=h%d,le=%s", 'a' + job,
                     job + 1, bounds[i]);
            (void)series_new(m, text);
        }
        for (size_t i = 0; i < COUNTOF(bounds); i++)
            s[i] = &m->data->v[first + i];
        double count[COUNTOF(bounds)] = {0};
        for (int64_t t = 0; t < m->shape->length_ms; t += m->shape->interval_ms) {
            double grown = 0;
            for (size_t i = 0; i < COUNTOF(bounds); i++) {
                grown += (double)below(m, 4);
                count[i] += i < 6 ? grown : (double)below(m, 2);
                double behind = below(m, 100) == 0 ? 3 : 0;
                if (below(m, 50))
                    put(s[i], m->shape->start_ms + t + 1234, count[i] - behind);
            }
        }
    }
}

static void make_native(struct maker *m, const char *text)
{
    enum { BUCKETS = 4 };
    struct plain_series *s = series_new(m, text);
    double positive[BUCKETS] = {0}, negative = 0, zero = 0, sum = 0;
    int32_t schema = (int32_t)below(m, 3);
    for (int64_t t = 0; t < m->shape->length_ms; t += m->shape->interval_ms) {
        struct histogram *h = arena_new(m->arena, sizeof *h);
        struct histogram_span *spans = arena_array(m->arena, 3, sizeof *spans);
        double *counts = arena_array(m->arena, BUCKETS + 1, sizeof *counts);
        if (below(m, 50) == 0) {
            memset(positive, 0, sizeof positive);
            negative = zero = sum = 0;
        }
        h->count = zero += (double)below(m, 3);
        for (size_t i = 0; i < BUCKETS; i++) {
            double more = (double)below(m, 6);
            counts[i] = positive[i] += more;
            sum += more * (double)(i + 1);
            h->count += counts[i];
        }
        counts[BUCKETS] = negative += (double)below(m, 2);
        h->count += negative;
        h->sum = sum;
        h->schema = schema;
        h->zero_threshold = 0.001;
        h->zero_count = zero;
        spans[0] = (struct histogram_span){-1, 2};
        spans[1] = (struct histogram_span){3, 2};
        spans[2] = (struct histogram_span){1, 1};
        h->positive_spans = spans;
        h->positive_spans_n = 2;
        h->positive = counts;
        h->positive_n = BUCKETS;
        h->negative_spans = spans + 2;
        h->negative_spans_n = 1;
        h->negative = counts + BUCKETS;
        h->negative_n = 1;
        struct plain_sample sample = {m->shape->start_ms + t + 777, 0, h};
        if (below(m, 40))
            vec_push(s, sample);
    }
}

static int series_cmp(const void *a, const void *b)
{
    return labels_cmp(((const struct plain_series *)a)->key, ((const struct plain_series *)b)->key);
}

void world_make(const struct world_shape *shape, struct arena *a, struct plain_data *data)
{
    struct maker m = {.shape = shape, .arena = a, .data = data};
    rand_init(&m.rand, shape->seed);
    make_floats(&m);
    make_buckets(&m);
    if (shape->histograms) {
        make_native(&m, "waiting,job=a,instance=h1,zone=east");
        make_native(&m, "waiting,job=a,instance=h2,zone=west");
        make_native(&m, "waiting,job=b,instance=h1,zone=east");
    }
    qsort(data->v, data->n, sizeof *data->v, series_cmp);
    size_t n = 0;
    for (size_t i = 0; i < data->n; i++) {
        if (data->v[i].n)
            data->v[n++] = data->v[i];
        else
            vec_free(&data->v[i]);
    }
    data->n = n;
}

void world_done(struct plain_data *data)
{
    for (size_t i = 0; i < data->n; i++)
        vec_free(&data->v[i]);
    vec_free(data);
}
