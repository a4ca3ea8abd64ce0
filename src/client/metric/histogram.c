/* Histograms: of each thread, a count for each bucket and a sum (classic), or struct buckets. */
#include <math.h>
#include <string.h>

#include "client/core/lost.h"
#include "client/core/module.h"
#include "client/core/problem.h"
#include "client/core/ticks.h"
#include "client/metric/export.h"
#include "client/metric/family.h"
#include "client/metric/registry.h"

enum { NATIVE_EXEMPLARS = REGISTRY_NATIVE_EXEMPLARS };

typedef double four_doubles __attribute__((vector_size(32)));
typedef int64_t four_counts __attribute__((vector_size(32)));

static bool shape_of(const char *name, const sonde_histogram_options *options,
                     struct family_shape *ret)
{
    static const double standard[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
    sonde_histogram_options o = SONDE_HISTOGRAM_OPTIONS_INIT;
    if (options) {
        memcpy(&o, options, options->struct_size < sizeof o ? options->struct_size : sizeof o);
    }
    *ret = (struct family_shape){.kind = o.native ? FAMILY_NATIVE : FAMILY_HISTOGRAM};
    if (o.native) {
        return true;
    }
    bool given = o.bounds && o.bounds_n;
    ret->bounds = given ? o.bounds : standard;
    size_t n = given ? o.bounds_n : sizeof standard / sizeof *standard;
    if (n && isinf(ret->bounds[n - 1]) && ret->bounds[n - 1] > 0) {
        n--; /* it is always there */
    }
    bool good = n > 0 && n <= FAMILY_BOUNDS_MAX;
    for (size_t i = 0; good && i < n; i++) {
        good = isfinite(ret->bounds[i]) && (i == 0 || ret->bounds[i] > ret->bounds[i - 1]);
    }
    if (!good) {
        problem_set("metric %.100s: bounds of buckets must grow and be 1 to %d finite numbers",
                    name ? name : "", FAMILY_BOUNDS_MAX);
    }
    ret->bounds_n = (uint32_t)n;
    return good;
}

sonde_histogram *sonde_histogram_get(const char *name, const char *help, const sonde_label *labels,
                                     const sonde_histogram_options *options)
{
    struct family_shape shape;
    return shape_of(name, options, &shape)
               ? (sonde_histogram *)family_series(name, help, labels, &shape)
               : NULL;
}

sonde_family *sonde_histogram_family(const char *name, const char *help,
                                     const char *const *label_names,
                                     const sonde_histogram_options *options)
{
    struct family_shape shape;
    return shape_of(name, options, &shape) ? family_get(name, help, label_names, &shape) : NULL;
}

sonde_histogram *sonde_histogram_with(sonde_family *family, const char *const *values)
{
    return (sonde_histogram *)family_with(family, values, FAMILY_HISTOGRAM);
}

/* The first bucket whose bound is not below value: all bounds are compared, four at a time, which
 * for few of them is faster than any search that has to guess branches. */
static inline uint32_t bucket_of(const struct family_shape *shape, double value)
{
    const four_doubles *bounds = __builtin_assume_aligned(shape->bounds, 32);
    four_doubles v = {value, value, value, value};
    four_counts below = {0, 0, 0, 0};
    for (uint32_t i = 0; i < shape->bounds_padded / 4; i++) {
        below -= bounds[i] < v;
    }
    return (uint32_t)(below[0] + below[1] + below[2] + below[3]);
}

void sonde_histogram_observe(sonde_histogram *histogram, double value)
{
    const struct series *s = (const struct series *)histogram;
    if (!s || !atomic_load_explicit(&module_on, memory_order_relaxed)) {
        return;
    }
    union cell *c = cells_at(s->cell);
    if (__builtin_expect(c == NULL || value != value, 0)) {
        lost_add(LOST_METRIC, LOST_REFUSED, c != NULL);
        return;
    }
    const struct family_shape *shape = &s->family->shape;
    if (shape->kind == FAMILY_HISTOGRAM) {
        uint32_t i = bucket_of(shape, value);
        i = i < shape->bounds_n ? i : shape->bounds_n; /* +Inf is above the padding too */
        slot_add_u64(&c[i].count, 1);
        slot_add_double(&c[shape->bounds_n + 1].number, value);
        return;
    }
    struct buckets *b = cells_buckets(c);
    if (b) {
        buckets_observe(b, value);
    }
}

void sonde_histogram_observe_in(sonde_histogram *histogram, double value,
                                const sonde_context *context)
{
    struct series *s = (struct series *)histogram;
    sonde_histogram_observe(histogram, value);
    if (!s || !atomic_load_explicit(&module_on, memory_order_relaxed) || !isfinite(value)) {
        return;
    }
    const struct family_shape *shape = &s->family->shape;
    if (shape->kind == FAMILY_HISTOGRAM) {
        exemplar_keep(&s->exemplars, shape->bounds_n + 1, bucket_of(shape, value), value, context);
    } else {
        size_t octave = value > 0 ? buckets_index(value) >> BUCKETS_SCHEMA : 0;
        exemplar_keep(&s->exemplars, NATIVE_EXEMPLARS, octave % NATIVE_EXEMPLARS, value, context);
    }
}

uint64_t sonde_histogram_begin(void)
{
    return atomic_load_explicit(&module_on, memory_order_relaxed) ? ticks_now() : 0;
}

void sonde_histogram_end(sonde_histogram *histogram, uint64_t begun)
{
    if (histogram && begun) {
        uint64_t now = ticks_now();
        sonde_histogram_observe(histogram, now > begun ? (double)ticks_ns(now - begun) / 1e9 : 0);
    }
}

static void read_one(const sonde_histogram *histogram, struct registry_distribution *ret)
{
    bool locked = export_lock();
    registry_distribution((const struct series *)histogram, ret);
    if (locked) {
        export_unlock();
    }
}

uint64_t sonde_histogram_count(const sonde_histogram *histogram)
{
    struct registry_distribution d;
    if (!histogram) {
        return 0;
    }
    read_one(histogram, &d);
    return d.count;
}

double sonde_histogram_sum(const sonde_histogram *histogram)
{
    struct registry_distribution d;
    if (!histogram) {
        return 0;
    }
    read_one(histogram, &d);
    return d.sum;
}

double sonde_histogram_quantile(const sonde_histogram *histogram, double q)
{
    struct registry_distribution d;
    if (!histogram) {
        return NAN;
    }
    read_one(histogram, &d);
    const struct family_shape *shape = &((const struct series *)histogram)->family->shape;
    return shape->kind == FAMILY_HISTOGRAM ? registry_classic_quantile(shape, d.bucket, q)
                                           : buckets_quantile(&d.buckets, q);
}
