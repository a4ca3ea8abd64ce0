#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/vec.h"
#include "codec/prom_chunk_read.h"
#include "codec/tsdb_index.h"
#include "model/labels.h"
#include "os/file.h"
#include "store/series/store_import.h"
#include "tool/import_state.h"

enum { SEGMENTS_MAX = 100000, DAY_MS = 86400000 };

/* One series of a block. */
struct block_series {
    struct str key; /* canonical */
    uint64_t id;
    size_t chunk, chunks_n; /* in block.chunks */
};

struct tsdb_block {
    char folder[IMPORT_PATH_MAX];
    struct str index;
    struct {
        struct str *v; /* mapped files, by their number from 1 */
        size_t n, capacity;
    } segments;
    struct {
        struct block_series *v; /* [n] by key */
        size_t n, capacity;
    } series;
    struct {
        struct tsdb_chunk *v;
        size_t n, capacity;
    } chunks;
    struct tsdb_tombstone *tombstones; /* [tombstones_n], owned */
    size_t tombstones_n;
    int64_t first_ms, last_ms; /* of its samples */
    struct arena keys;
};

/* ---- files */

static int map_below(const char *folder, const char *name, struct str *ret, struct why *why)
{
    char path[IMPORT_PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return why_set(why, ERR_LIMIT, "the path %s is too long", folder);
    return file_map(path, ret, why);
}

static int open_segments(struct tsdb_block *b, struct why *why)
{
    char name[32];
    for (unsigned i = 1; i < SEGMENTS_MAX; i++) {
        struct str bytes;
        snprintf(name, sizeof name, "chunks/%06u", i);
        int err = map_below(b->folder, name, &bytes, why);
        if (err == -ERR_NOENT && i > 1) {
            why->text[0] = '\0';
            return 0;
        }
        if (err != 0)
            return err;
        vec_push(&b->segments, bytes);
    }
    return why_set(why, ERR_LIMIT, "%s has too many files of chunks", b->folder);
}

static void close_block(struct tsdb_block *b)
{
    file_unmap(b->index);
    for (size_t i = 0; i < b->segments.n; i++)
        file_unmap(b->segments.v[i]);
    vec_free(&b->segments);
    vec_free(&b->series);
    vec_free(&b->chunks);
    mem_free(b->tombstones);
    arena_done(&b->keys);
}

static int by_key(const void *a, const void *b)
{
    return str_cmp(((const struct block_series *)a)->key, ((const struct block_series *)b)->key);
}

static void add_series(struct import *im, struct tsdb_block *b, struct str raw, struct buf *key,
                       const struct tsdb_series *series)
{
    struct why why = {0};
    buf_clear(key);
    if (labels_canonical(raw, key, &why) != 0) {
        import_refused(im, str_c(why.text));
        return;
    }
    struct block_series s = {arena_str(&b->keys, buf_str(key)), series->id, b->chunks.n,
                             series->chunks_n};
    for (size_t i = 0; i < series->chunks_n; i++) {
        const struct tsdb_chunk *c = &series->chunks[i];
        b->first_ms = MIN(b->first_ms, c->first_ms);
        b->last_ms = MAX(b->last_ms, c->last_ms);
        vec_push(&b->chunks, *c);
    }
    vec_push(&b->series, s);
}

static int read_index(struct import *im, struct tsdb_block *b, struct why *why)
{
    struct tsdb_index x;
    struct tsdb_series series = {0};
    struct buf raw, key;
    int err = tsdb_index_open(b->index, &x, why), got = 0;
    if (err != 0)
        return err;
    buf_init(&raw, 2 * LABELS_KEY_MAX);
    buf_init(&key, LABELS_KEY_MAX);
    size_t at = x.series_from;
    while ((got = tsdb_index_series(&x, &at, &raw, &series, why)) > 0) {
        add_series(im, b, buf_str(&raw), &key, &series);
        buf_clear(&raw);
    }
    buf_done(&raw);
    buf_done(&key);
    mem_free(series.chunks);
    tsdb_index_done(&x);
    if (got == 0 && b->series.n)
        qsort(b->series.v, b->series.n, sizeof *b->series.v, by_key);
    return got;
}

static int open_block(struct import *im, const char *folder, struct tsdb_block *b, struct why *why)
{
    struct str tombstones;
    struct why none = {0};
    *b = (struct tsdb_block){.first_ms = INT64_MAX, .last_ms = INT64_MIN};
    arena_init(&b->keys);
    snprintf(b->folder, sizeof b->folder, "%s", folder);
    int err = map_below(folder, "index", &b->index, why);
    if (err == 0)
        err = open_segments(b, why);
    if (err == 0 && map_below(folder, "tombstones", &tombstones, &none) == 0) {
        err = tsdb_index_tombstones(tombstones, &b->tombstones, &b->tombstones_n, why);
        file_unmap(tombstones);
    }
    if (err == 0)
        err = read_index(im, b, why);
    if (err != 0)
        (void)why_prefix(why, "%s", folder);
    return err;
}

/* ---- samples */

/* Samples of one series that wait to be written, all of one kind. */
struct run {
    struct {
        int64_t *v;
        size_t n, capacity;
    } ts;
    struct {
        double *v;
        size_t n, capacity;
    } values;
    struct {
        const struct histogram **v;
        size_t n, capacity;
    } histograms;
    bool any_histogram;
    int64_t last_ms; /* of the present series */
};

/* Arrays that a chunk is read into. */
static int64_t chunk_ts[PROM_CHUNK_READ_MAX];
static double chunk_values[PROM_CHUNK_READ_MAX];
static const struct histogram *chunk_histograms[PROM_CHUNK_READ_MAX];

struct writing {
    struct import *im;
    const struct tsdb_block *b;
    struct store_import *to; /* NULL: import_put() */
    int64_t from_ms, to_ms;  /* of the day */
    struct run run;
    struct arena arena; /* of histograms that wait */
};

static int write_run(struct writing *w, struct str key, struct why *why)
{
    struct run *r = &w->run;
    int err = 0;
    if (w->to != NULL)
        err = store_import_samples(w->to, r->ts.v, r->values.v,
                                   r->any_histogram ? r->histograms.v : NULL, r->ts.n, why);
    for (size_t i = 0; w->to == NULL && i < r->ts.n && err == 0; i++)
        err = import_put(w->im, key, r->ts.v[i], r->values.v[i], r->histograms.v[i], why);
    if (w->to == NULL && err == 0)
        err = import_flush(w->im, why); /* its histograms go with the arena */
    r->ts.n = r->values.n = r->histograms.n = 0;
    arena_reset(&w->arena);
    return err;
}

static bool is_deleted(const struct tsdb_block *b, uint64_t id, int64_t ts_ms)
{
    for (size_t i = 0; i < b->tombstones_n; i++)
        if (b->tombstones[i].id == id && ts_ms >= b->tombstones[i].from_ms &&
            ts_ms <= b->tombstones[i].to_ms)
            return true;
    return false;
}

static int add_chunk(struct writing *w, const struct block_series *s, unsigned type, size_t n,
                     struct why *why)
{
    struct run *r = &w->run;
    bool histogram = type != PROM_CHUNK_XOR;
    int err = 0;
    if (histogram != r->any_histogram && r->ts.n > 0)
        err = write_run(w, s->key, why);
    r->any_histogram = histogram;
    for (size_t i = 0; i < n && err == 0; i++) {
        int64_t ts = chunk_ts[i];
        if (ts < w->from_ms || ts > w->to_ms || ts <= r->last_ms ||
            (w->b->tombstones_n && is_deleted(w->b, s->id, ts)))
            continue;
        const struct histogram *h =
            histogram ? histogram_clone(chunk_histograms[i], &w->arena) : NULL;
        double v = histogram ? 0 : chunk_values[i];
        r->last_ms = ts;
        vec_push(&r->ts, ts);
        vec_push(&r->values, v);
        vec_push(&r->histograms, h);
    }
    return err;
}

static int read_chunk(struct writing *w, const struct block_series *s, const struct tsdb_chunk *c,
                      struct arena *a, struct why *why)
{
    struct prom_chunk_read to = {chunk_ts, chunk_values, chunk_histograms};
    size_t segment = (size_t)(c->ref >> 32);
    unsigned type;
    struct str bytes;
    if (segment >= w->b->segments.n)
        return why_set(why, ERR_FORMAT, "the index names a file of chunks that is missing");
    int err = tsdb_index_chunk(w->b->segments.v[segment], c->ref & UINT32_MAX, &type, &bytes, why);
    if (err == 0)
        err = prom_chunk_read(type, bytes, a, &to, why);
    if (err == 0)
        err = add_chunk(w, s, type, prom_chunk_read_n(bytes), why);
    arena_reset(a);
    return err;
}

/* Damage costs a chunk, not the import. */
static bool can_go_on(struct writing *w, int err, struct why *why)
{
    if (err != -ERR_CORRUPT && err != -ERR_FORMAT && err != -ERR_UNSUPPORTED)
        return err == 0;
    import_skipped(w->im, str_c(why->text));
    why->text[0] = '\0';
    return true;
}

static int write_series(struct writing *w, const struct block_series *s, struct arena *a,
                        struct why *why)
{
    int err = w->to != NULL ? store_import_series(w->to, s->key, why) : 0;
    w->run.last_ms = INT64_MIN;
    for (size_t i = 0; i < s->chunks_n && err == 0; i++) {
        const struct tsdb_chunk *c = &w->b->chunks.v[s->chunk + i];
        if (c->last_ms < w->from_ms || c->first_ms > w->to_ms)
            continue;
        err = read_chunk(w, s, c, a, why);
        err = can_go_on(w, err, why) ? 0 : err;
    }
    return err == 0 ? write_run(w, s->key, why) : err;
}

static int write_range(struct writing *w, struct why *why)
{
    struct arena a;
    int err = 0;
    arena_init(&a);
    arena_init(&w->arena);
    for (size_t i = 0; i < w->b->series.n && err == 0; i++)
        err = write_series(w, &w->b->series.v[i], &a, why);
    vec_free(&w->run.ts);
    vec_free(&w->run.values);
    vec_free(&w->run.histograms);
    arena_done(&w->arena);
    arena_done(&a);
    return err;
}

/* Parts never reach over a day. */
static int write_days(struct import *im, const struct tsdb_block *b, int64_t from_ms, int64_t to_ms,
                      struct why *why)
{
    int err = 0;
    for (int64_t at = from_ms; at <= to_ms && err == 0;) {
        int64_t day = (at >= 0 ? at / DAY_MS : (at + 1) / DAY_MS - 1) * DAY_MS;
        struct writing w = {.im = im, .b = b, .from_ms = at, .to_ms = MIN(day + DAY_MS - 1, to_ms)};
        err = store_import_new(im->store, im->owner, &w.to, why);
        if (err != 0)
            return err;
        err = write_range(&w, why);
        if (err == 0)
            err = store_import_finish(w.to, &im->samples, why);
        store_import_free(w.to);
        import_progress(im, b->folder);
        at = day + DAY_MS;
    }
    return err;
}

static int import_block(struct import *im, const char *folder, int64_t *last_ms, struct why *why)
{
    struct tsdb_block b;
    int err = open_block(im, folder, &b, why);
    if (err == 0 && b.chunks.n > 0) {
        int64_t from_ms = MAX(b.first_ms, im->from_ms), to_ms = MIN(b.last_ms, im->to_ms);
        struct writing w = {.im = im, .b = &b, .from_ms = from_ms, .to_ms = to_ms};
        err = im->store != NULL ? write_days(im, &b, from_ms, to_ms, why) : write_range(&w, why);
        *last_ms = MAX(*last_ms, b.last_ms);
    }
    close_block(&b);
    return err;
}

/* ---- the directory */

static bool is_block(const char *folder)
{
    char path[IMPORT_PATH_MAX];
    struct str bytes;
    struct why why = {0};
    snprintf(path, sizeof path, "%s/meta.json", folder);
    if (file_map(path, &bytes, &why) != 0)
        return false;
    file_unmap(bytes);
    return true;
}

int import_tsdb(struct import *im, const char *folder, struct why *why)
{
    char pattern[IMPORT_PATH_MAX];
    struct arena a;
    struct str *found;
    size_t n;
    int64_t done_ms = INT64_MIN;
    if (is_block(folder))
        return import_block(im, folder, &done_ms, why);
    arena_init(&a);
    snprintf(pattern, sizeof pattern, "%s/*/meta.json", folder);
    int err = file_glob(pattern, &a, &found, &n, why);
    for (size_t i = 0; i < n && err == 0; i++) { /* their names sort by age */
        struct str block = str_sub(found[i], 0, found[i].n - strlen("/meta.json"));
        err = import_block(im, arena_printf(&a, STR_FMT, STR_ARG(block)).p, &done_ms, why);
    }
    arena_done(&a);
    if (err == 0)
        err = import_wal(im, folder, done_ms, why);
    if (err == 0 && n == 0 && im->samples == 0 && im->skipped == 0 && im->refused == 0)
        return why_set(why, ERR_NOENT, "%s has neither blocks nor a log of Prometheus", folder);
    return err;
}
