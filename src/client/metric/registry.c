#include "client/metric/registry.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/metric/export.h"

/* All cells' sums of one export; kept from one to the next. */
static union cells_value *sums;
static uint32_t sums_n, sums_cap;

static bool sum_up(void)
{
    uint32_t n = cells_used();
    sums_n = 0;
    if (n > sums_cap) {
        uint32_t cap = n + n / 4 + CELLS_CHUNK;
        union cells_value *more = realloc(sums, cap * sizeof *more);
        if (!more) {
            return false;
        }
        sums = more;
        sums_cap = cap;
    }
    if (n) {
        cells_sum_all(sums, n);
    }
    sums_n = n;
    return true;
}

/* The sums of a series since the last reset, from those of this export where it has them. */
static void values_of(const struct series *s, bool fresh, union cells_value *ret)
{
    if (!fresh && s->cell + s->cells_n <= sums_n) {
        memcpy(ret, sums + s->cell, s->cells_n * sizeof *ret);
    } else {
        cells_sum(s->cell, s->cells_n, ret);
    }
    if (!s->base) {
        return;
    }
    for (uint32_t i = 0; i < s->cells_n; i++) {
        bool number = s->family->shape.kind == FAMILY_COUNTER || i + 1 == s->cells_n;
        if (number) {
            ret[i].number -= s->base[i].number;
        } else {
            ret[i].count -= s->base[i].count;
        }
    }
}

static double counter(const struct series *s, bool fresh)
{
    union cells_value v;
    if (s->read) {
        return s->read(s->user);
    }
    values_of(s, fresh, &v);
    return v.number;
}

double registry_counter(const struct series *s)
{
    return counter(s, true);
}

double registry_gauge(const struct series *s)
{
    return s->read ? s->read(s->user) : atomic_load_explicit(&s->gauge, memory_order_relaxed);
}

static void distribution(const struct series *s, bool fresh, struct registry_distribution *ret)
{
    uint32_t n = s->family->shape.bounds_n;
    if (s->family->shape.kind != FAMILY_HISTOGRAM) {
        cells_sum_buckets(s->cell, &ret->buckets);
        if (s->base_buckets) {
            buckets_less(&ret->buckets, s->base_buckets);
        }
        ret->count = ret->buckets.count;
        ret->sum = ret->buckets.sum;
        return;
    }
    union cells_value v[FAMILY_BOUNDS_MAX + 2];
    values_of(s, fresh, v);
    ret->count = 0;
    for (uint32_t i = 0; i <= n; i++) {
        ret->bucket[i] = v[i].count;
        ret->count += v[i].count;
    }
    ret->sum = v[n + 1].number;
}

void registry_distribution(const struct series *s, struct registry_distribution *ret)
{
    distribution(s, true, ret);
}

double registry_classic_quantile(const struct family_shape *shape, const uint64_t *bucket, double q)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i <= shape->bounds_n; i++) {
        count += bucket[i];
    }
    if (count == 0 || !(q >= 0 && q <= 1)) {
        return NAN;
    }
    double rank = q * (double)count, before = 0;
    uint32_t i = 0;
    while (i < shape->bounds_n && before + (double)bucket[i] < rank) {
        before += (double)bucket[i++];
    }
    if (i == shape->bounds_n) {
        return shape->bounds[i - 1];
    }
    double upper = shape->bounds[i], lower = i ? shape->bounds[i - 1] : 0;
    if (i == 0 && upper <= 0) {
        return upper;
    }
    double share = bucket[i] ? (rank - before) / (double)bucket[i] : 0;
    return lower + (upper - lower) * share;
}

void registry_window(const struct series *s, struct buckets_sum *ret)
{
    struct registry_distribution d;
    distribution(s, true, &d);
    *ret = d.buckets;
    if (s->ages && s->family->ages_n == FAMILY_SUMMARY_AGES) { /* the oldest is the next to go */
        buckets_less(ret, &s->ages[s->family->age]);
    }
}

int registry_read_from(struct series *s, double (*read)(void *user), void *user)
{
    if (!export_lock()) {
        return SONDE_ERROR_STATE;
    }
    s->read = read;
    s->user = user;
    export_unlock();
    return 0;
}

/* Places for the label bytes of n samples. */
static struct writer_bytes *kept(struct series *s, size_t n)
{
    if (!s->kept) {
        s->kept = calloc(n, sizeof *s->kept);
        s->kept_n = s->kept ? (uint32_t)n : 0;
    }
    return s->kept;
}

void registry_forget_bytes(void)
{
    for (struct sonde_family *f = family_first(); f;
         f = atomic_load_explicit(&f->next, memory_order_acquire)) {
        for (struct series *s = atomic_load_explicit(&f->first, memory_order_acquire); s;
             s = atomic_load_explicit(&s->next, memory_order_acquire)) {
            for (uint32_t i = 0; i < s->kept_n; i++) {
                free(s->kept[i].bytes);
                s->kept[i] = (struct writer_bytes){0};
            }
        }
    }
}

static bool read_exemplar(struct source_writer *w, struct series *s, size_t i,
                          struct exemplar_copy *ret)
{
    struct exemplar_set *set = atomic_load_explicit(&s->exemplars, memory_order_acquire);
    return w->to_daemon ? exemplar_take(set, i, ret) : exemplar_read(set, i, ret);
}

static void write_plain(struct source_writer *w, struct series *s, const char *suffix, double value)
{
    struct exemplar_copy e;
    struct writer_sample x = {
        .suffix = suffix, .labels = s->labels, .value = value, .kept = kept(s, 1)};
    if (read_exemplar(w, s, 0, &e)) {
        x.exemplar = &e;
    }
    w->sample(w, &x);
}

/* Labels of s and one more behind them. */
static void with_label(const struct series *s, const char *name, const char *value,
                       sonde_label *ret)
{
    uint32_t n = s->family->labels_n;
    memcpy(ret, s->labels, n * sizeof *ret);
    ret[n] = (sonde_label){.name = name, .value = value};
    ret[n + 1] = (sonde_label){NULL, NULL};
}

static void write_sum_and_count(struct source_writer *w, const struct series *s, double sum,
                                uint64_t count, struct writer_bytes *k)
{
    struct writer_sample x = {.suffix = "_sum", .labels = s->labels, .value = sum, .kept = k};
    w->sample(w, &x);
    x = (struct writer_sample){
        .suffix = "_count", .labels = s->labels, .value = (double)count, .kept = k ? k + 1 : NULL};
    w->sample(w, &x);
}

static void write_classic(struct source_writer *w, struct series *s)
{
    uint32_t n = s->family->shape.bounds_n;
    struct registry_distribution d;
    distribution(s, false, &d);
    struct writer_bytes *k = kept(s, n + 3);
    sonde_label labels[SOURCE_LABELS_MAX + 1];
    uint64_t below = 0;
    for (uint32_t i = 0; i <= n; i++) {
        struct exemplar_copy e;
        below += d.bucket[i];
        with_label(s, "le", s->family->bound_text[i], labels);
        struct writer_sample x = {.suffix = "_bucket",
                                  .labels = labels,
                                  .value = (double)below,
                                  .exemplar = read_exemplar(w, s, i, &e) ? &e : NULL,
                                  .kept = k ? k + i : NULL};
        w->sample(w, &x);
    }
    write_sum_and_count(w, s, d.sum, d.count, k ? k + n + 1 : NULL);
}

static void write_native(struct source_writer *w, struct series *s)
{
    struct registry_distribution d;
    distribution(s, false, &d);
    struct source_histogram h;
    buckets_native(&d.buckets, &h);
    struct exemplar_copy e[REGISTRY_NATIVE_EXEMPLARS];
    size_t n = 0;
    for (size_t i = 0; i < REGISTRY_NATIVE_EXEMPLARS; i++) {
        n += read_exemplar(w, s, i, &e[n]);
    }
    struct writer_native x = {
        .labels = s->labels, .histogram = &h, .exemplars = e, .exemplars_n = n, .kept = kept(s, 1)};
    w->native(w, &x);
}

static void write_summary(struct source_writer *w, struct series *s)
{
    const struct family_shape *shape = &s->family->shape;
    struct buckets_sum window;
    struct registry_distribution d;
    registry_window(s, &window);
    distribution(s, false, &d);
    struct writer_bytes *k = kept(s, shape->quantiles_n + 2);
    sonde_label labels[SOURCE_LABELS_MAX + 1];
    for (uint32_t i = 0; i < shape->quantiles_n; i++) {
        with_label(s, "quantile", s->family->bound_text[i], labels);
        struct writer_sample x = {.suffix = "",
                                  .labels = labels,
                                  .value = buckets_quantile(&window, shape->quantiles[i]),
                                  .kept = k ? k + i : NULL};
        w->sample(w, &x);
    }
    write_sum_and_count(w, s, d.sum, d.count, k ? k + shape->quantiles_n : NULL);
}

static void write_series(struct source_writer *w, struct series *s)
{
    switch (s->family->shape.kind) {
    case FAMILY_COUNTER:
        write_plain(w, s, "_total", counter(s, false));
        break;
    case FAMILY_GAUGE:
        write_plain(w, s, "", registry_gauge(s));
        break;
    case FAMILY_HISTOGRAM:
        write_classic(w, s);
        break;
    case FAMILY_NATIVE:
        write_native(w, s);
        break;
    case FAMILY_SUMMARY:
        write_summary(w, s);
        break;
    }
}

void registry_write(struct source_writer *w, bool (*match)(const char *name, void *context),
                    void *context)
{
    static const enum source_type types[] = {
        [FAMILY_COUNTER] = SOURCE_COUNTER,     [FAMILY_GAUGE] = SOURCE_GAUGE,
        [FAMILY_HISTOGRAM] = SOURCE_HISTOGRAM, [FAMILY_NATIVE] = SOURCE_HISTOGRAM,
        [FAMILY_SUMMARY] = SOURCE_SUMMARY,
    };
    (void)sum_up(); /* without memory for all at once they are summed one by one */
    for (struct sonde_family *f = family_first(); f;
         f = atomic_load_explicit(&f->next, memory_order_acquire)) {
        struct series *s = atomic_load_explicit(&f->first, memory_order_acquire);
        if (atomic_load_explicit(&f->hidden, memory_order_relaxed) || !s ||
            (match && !match(f->name, context))) {
            continue;
        }
        bool tell = w->to_daemon && !atomic_exchange(&f->told, true);
        writer_family_begin(w, f->name, types[f->shape.kind], f->help, NULL, tell);
        for (; s; s = atomic_load_explicit(&s->next, memory_order_acquire)) {
            if (!atomic_load_explicit(&s->hidden, memory_order_relaxed)) {
                write_series(w, s);
            }
        }
    }
    sums_n = 0;
}

static void slide(struct sonde_family *f)
{
    for (struct series *s = atomic_load_explicit(&f->first, memory_order_acquire); s;
         s = atomic_load_explicit(&s->next, memory_order_acquire)) {
        if (!s->ages) {
            s->ages = calloc(FAMILY_SUMMARY_AGES, sizeof *s->ages);
        }
        if (s->ages) {
            struct registry_distribution d;
            distribution(s, true, &d);
            s->ages[f->age] = d.buckets;
        }
    }
    f->age = (f->age + 1) % FAMILY_SUMMARY_AGES;
    f->ages_n += f->ages_n < FAMILY_SUMMARY_AGES;
}

void registry_slide(uint64_t now_ns)
{
    for (struct sonde_family *f = family_first(); f;
         f = atomic_load_explicit(&f->next, memory_order_acquire)) {
        uint64_t step_ns = (uint64_t)f->shape.window_s * 1000000000u / FAMILY_SUMMARY_AGES;
        if (f->shape.kind != FAMILY_SUMMARY) {
            continue;
        }
        if (f->age_ns == 0) {
            f->age_ns = now_ns;
        }
        for (int i = 0; now_ns - f->age_ns >= step_ns && i < FAMILY_SUMMARY_AGES; i++) {
            slide(f);
            f->age_ns += step_ns;
        }
        if (now_ns - f->age_ns >= step_ns) { /* was not here for longer than the window */
            f->age_ns = now_ns;
        }
    }
}

void registry_reset(void)
{
    for (struct sonde_family *f = family_first(); f;
         f = atomic_load_explicit(&f->next, memory_order_acquire)) {
        for (struct series *s = atomic_load_explicit(&f->first, memory_order_acquire); s;
             s = atomic_load_explicit(&s->next, memory_order_acquire)) {
            family_rebase(s);
        }
    }
}

void registry_told(void)
{
    for (struct sonde_family *f = family_first(); f;
         f = atomic_load_explicit(&f->next, memory_order_acquire)) {
        atomic_store_explicit(&f->told, false, memory_order_relaxed);
    }
}
