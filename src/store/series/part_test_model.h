/* store/series/part_test_model.h - series and samples in plain arrays, made from a seed: what the
 * tests of parts and merges hold against.
 *
 * Threads: one.
 */
#ifndef STORE_SERIES_PART_TEST_MODEL_H
#define STORE_SERIES_PART_TEST_MODEL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "base/rand.h"
#include "base/vec.h"
#include "model/labels.h"
#include "model/sample.h"
#include "store/series/part.h"

struct model_series {
    struct str key; /* owned */
    struct sample *v;
    size_t n, capacity;
};

struct model {
    struct model_series *series; /* [n] by key */
    size_t n;
};

static inline struct str model_key(size_t i)
{
    static const char *const zones[] = {"", "a", "b", "cc"};
    char metric[32], instance[32];
    snprintf(metric, sizeof metric, "metric_%zu", i % 7);
    snprintf(instance, sizeof instance, "host-%zu", i / 7);
    struct label labels[] = {{LABEL_METRIC, str_c(metric)},
                             {STR("instance"), str_c(instance)},
                             {STR("zone"), str_c(zones[i / 5 % 4])}};
    struct buf key;
    buf_init(&key, LABELS_KEY_MAX);
    must(labels_encode(labels, 3, &key, NULL) == 0);
    return buf_str(&key);
}

static inline int model_compare(const void *a, const void *b)
{
    return str_cmp(((const struct model_series *)a)->key, ((const struct model_series *)b)->key);
}

/* n series with up to 1500 samples from from_ms on. */
static inline struct model *model_new(uint64_t seed, size_t n, int64_t from_ms)
{
    struct model *m = mem_new(sizeof *m);
    struct rand r;
    rand_init(&r, seed);
    m->n = n;
    m->series = mem_array(n, sizeof *m->series);
    for (size_t i = 0; i < n; i++) {
        struct model_series *s = &m->series[i];
        size_t samples = rand_below(&r, 5) ? 1 + rand_below(&r, 300) : 1 + rand_below(&r, 1500);
        int64_t at = from_ms + (int64_t)rand_below(&r, 60000);
        unsigned kind = (unsigned)rand_below(&r, 5);
        double v = 0;
        s->key = model_key(i);
        for (size_t k = 0; k < samples; k++) {
            at += kind == 4 ? 1 + (int64_t)rand_below(&r, 30000) : 15000;
            v = kind == 0   ? 7
                : kind == 1 ? v + (double)rand_below(&r, 50)
                : kind == 2 ? (double)rand_below(&r, 1000) / 10
                            : rand_unit(&r);
            if (kind == 3 && !rand_below(&r, 60))
                v = sample_stale();
            struct sample sample = {at, v};
            vec_push(s, sample);
        }
    }
    qsort(m->series, n, sizeof *m->series, model_compare);
    return m;
}

static inline void model_free(struct model *m)
{
    for (size_t i = 0; i < m->n; i++) {
        mem_free((char *)(uintptr_t)m->series[i].key.p);
        mem_free(m->series[i].v);
    }
    mem_free(m->series);
    mem_free(m);
}

static inline int model_write_series(struct part_writer *w, const struct model_series *s)
{
    int64_t *ts = mem_array(s->n + 1, sizeof *ts);
    double *v = mem_array(s->n + 1, sizeof *v);
    for (size_t k = 0; k < s->n; k++) {
        ts[k] = s->v[k].ts_ms;
        v[k] = s->v[k].value;
    }
    int err = part_writer_series(w, s->key);
    if (!err && s->n)
        err = part_writer_own(w, ts, v, NULL, s->n, NULL);
    mem_free(ts);
    mem_free(v);
    return err;
}

static inline int model_try_write(const struct model *m, const struct part_place *at,
                                  const char *dir, uint64_t sequence)
{
    struct part_info info = {.tenant = "test", .sequence = sequence};
    struct part_writer *w;
    int err = part_writer_new(at, dir, &info, &w, NULL);
    if (err)
        return err;
    for (size_t i = 0; i < m->n && !err; i++)
        err = model_write_series(w, &m->series[i]);
    if (!err)
        err = part_writer_finish(w, &info, NULL);
    part_writer_free(w);
    return err;
}

static inline void model_write(const struct model *m, const struct part_place *at, const char *dir,
                               uint64_t sequence)
{
    must(model_try_write(m, at, dir, sequence) == 0);
}

static inline struct model *model_read_cursor(struct part_cursor *c)
{
    struct model *m = mem_new(sizeof *m);
    size_t capacity = 0;
    struct part_series got;
    while (part_cursor_next(c, &got) == 1) {
        struct model_series s = {0};
        struct buf key;
        buf_init(&key, LABELS_KEY_MAX);
        buf_put_str(&key, got.key);
        s.key = buf_str(&key);
        for (size_t i = 0; i < got.chunks_n; i++) {
            struct column col;
            if (part_cursor_read(c, i, &col))
                continue;
            for (size_t k = 0; k < col.n; k++) {
                struct sample sample = {col.ts_ms[k], col.value[k]};
                vec_push(&s, sample);
            }
        }
        m->series = vec_grow(m->series, sizeof *m->series, m->n + 1, &capacity);
        m->series[m->n++] = s;
    }
    return m;
}

static inline struct model *model_read(struct part *p, const struct index_matchers *how,
                                       int64_t from_ms, int64_t to_ms)
{
    struct part_cursor *c;
    must(part_select(p, how, from_ms, to_ms, NULL, NULL, &c, NULL) == 0);
    struct model *m = model_read_cursor(c);
    part_cursor_free(c);
    return m;
}

/* As model_read, of a part that may be damaged; nothing where it cannot be selected from. */
static inline struct model *model_read_warn(struct part *p, series_warning_f *f, void *context)
{
    struct part_cursor *c;
    if (part_select(p, NULL, INT64_MIN, INT64_MAX, f, context, &c, NULL)) {
        f(context, "no select");
        return mem_new(sizeof(struct model));
    }
    struct model *m = model_read_cursor(c);
    part_cursor_free(c);
    return m;
}

static inline bool model_same_series(const struct model_series *a, const struct model_series *b)
{
    if (!str_eq(a->key, b->key) || a->n != b->n)
        return false;
    for (size_t k = 0; k < a->n; k++)
        if (a->v[k].ts_ms != b->v[k].ts_ms ||
            double_bits(a->v[k].value) != double_bits(b->v[k].value))
            return false;
    return true;
}

/* Series without samples do not count. */
static inline bool model_same(const struct model *a, const struct model *b)
{
    size_t i = 0, k = 0;
    for (;; i++, k++) {
        while (i < a->n && !a->series[i].n)
            i++;
        while (k < b->n && !b->series[k].n)
            k++;
        if (i == a->n || k == b->n)
            return i == a->n && k == b->n;
        if (!model_same_series(&a->series[i], &b->series[k]))
            return false;
    }
}

/* Is every sample of part one of whole's? */
static inline bool model_within(const struct model *whole, const struct model *part)
{
    for (size_t i = 0, at = 0; i < part->n; i++) {
        while (at < whole->n && str_cmp(whole->series[at].key, part->series[i].key) < 0)
            at++;
        if (at == whole->n || !str_eq(whole->series[at].key, part->series[i].key))
            return false;
        const struct model_series *w = &whole->series[at], *p = &part->series[i];
        for (size_t k = 0, j = 0; k < p->n; k++) {
            while (j < w->n && w->v[j].ts_ms < p->v[k].ts_ms)
                j++;
            if (j == w->n || w->v[j].ts_ms != p->v[k].ts_ms ||
                double_bits(w->v[j].value) != double_bits(p->v[k].value))
                return false;
        }
    }
    return true;
}

#endif
