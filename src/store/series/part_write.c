#include <stdio.h>

#include "base/bits.h"
#include "base/must.h"
#include "base/vec.h"
#include "store/series/chunk.h"
#include "store/series/chunk_int.h"
#include "store/series/part_directory.h"
#include "store/series/part_meta.h"
#include "store/series/part_tier.h"
#include "store/series/part_write.h"

enum {
    DIRECTORY_BYTES_MAX = 1 << 30,
    EXEMPLAR_BYTES_MAX = 64 << 20,
    TS_BITS = 16, /* a column's entry: offset << 16 | slots - 1 */
};

struct part_writer {
    struct part_place at;
    char dir[PART_PATH_MAX];
    struct part_meta meta;
    struct page_writer *data, *ts, *idx;
    struct index_writer *index;
    struct buf key; /* of the present series */
    bool key_kept;  /* it is in the index */
    bool finished;
    struct part_directory open; /* of the block of the present series */
    struct buf directory;       /* of the blocks before */
    struct {
        uint64_t *v; /* where each block begins in directory */
        size_t n, capacity;
    } directory_at;
    struct {
        uint64_t *v;
        size_t n, capacity;
    } columns;
    struct buf work, exemplars;
};

static void path_of(char *ret, const char *dir, const char *name)
{
    snprintf(ret, PART_PATH_MAX + 16, "%s/%s", dir, name);
}

static int open_file(struct part_writer *w, const char *name, enum page_kind kind,
                     struct page_writer **ret)
{
    char path[PART_PATH_MAX + 16];
    path_of(path, w->dir, name);
    return page_writer_new(w->at.disk, path, kind, w->at.ring, ret);
}

int part_writer_new(const struct part_place *at, const char *dir, const struct part_info *info,
                    struct part_writer **ret, struct why *why)
{
    if (strlen(dir) >= PART_PATH_MAX)
        return why_set(why, ERR_RANGE, "the path of part %.100s... is too long", dir);
    struct part_writer *w = mem_new(sizeof *w);
    w->at = *at;
    snprintf(w->dir, sizeof w->dir, "%s", dir);
    w->meta.info = *info;
    w->meta.info.first_ms = INT64_MAX;
    w->meta.info.last_ms = INT64_MIN;
    w->meta.info.series = w->meta.info.chunks = w->meta.info.samples = 0;
    w->meta.info.ts_columns = w->meta.info.exemplars = 0;
    w->index = index_writer_new();
    buf_init(&w->key, LABELS_KEY_MAX);
    buf_init(&w->directory, DIRECTORY_BYTES_MAX);
    buf_init(&w->work, CHUNK_HISTOGRAM_BYTES_MAX);
    buf_init(&w->exemplars, EXEMPLAR_BYTES_MAX);
    vec_push(&w->directory_at, 0);
    int err = disk_make_dir(at->disk, dir);
    if (!err)
        err = open_file(w, "data", PAGE_KIND_DATA, &w->data);
    if (!err)
        err = open_file(w, "ts", PAGE_KIND_TIMES, &w->ts);
    if (!err)
        err = open_file(w, "idx", PAGE_KIND_INDEX, &w->idx);
    if (err) {
        part_writer_free(w);
        return why_set(why, (enum err) - err, "part %s could not be begun: %s", dir, err_text(err));
    }
    *ret = w;
    return 0;
}

void part_writer_free(struct part_writer *w)
{
    if (!w)
        return;
    page_writer_free(w->data);
    page_writer_free(w->ts);
    page_writer_free(w->idx);
    index_writer_free(w->index);
    buf_done(&w->key);
    buf_done(&w->directory);
    buf_done(&w->work);
    buf_done(&w->exemplars);
    vec_free(&w->directory_at);
    vec_free(&w->columns);
    part_directory_done(&w->open);
    mem_free(w);
}

int part_writer_ts(struct part_writer *w, const int64_t *ts, size_t n, uint32_t *ret_ref)
{
    if (n < 1 || n > PART_TS_MAX || w->columns.n >= UINT32_MAX)
        return -ERR_RANGE;
    buf_clear(&w->work);
    int err = chunk_ts_encode(ts, n, &w->work);
    if (err)
        return err;
    vec_push(&w->columns, page_writer_position(w->ts) << TS_BITS | (n - 1));
    page_writer_put(w->ts, w->work.p, w->work.n);
    *ret_ref = (uint32_t)(w->columns.n - 1);
    return page_writer_error(w->ts);
}

/* Ends the block of 64 series that is open. */
static int end_block(struct part_writer *w)
{
    if (!w->open.series)
        return 0;
    part_directory_encode(&w->open, &w->directory);
    vec_push(&w->directory_at, w->directory.n);
    w->open.series = 0;
    w->open.n = 0;
    return buf_failed(&w->directory) ? -ERR_LIMIT : 0;
}

int part_writer_series(struct part_writer *w, struct str key)
{
    if (w->key.n && str_cmp(key, buf_str(&w->key)) <= 0)
        return -ERR_FORMAT;
    buf_clear(&w->key);
    buf_put_str(&w->key, key);
    w->key_kept = false;
    return buf_failed(&w->key) ? -ERR_LIMIT : 0;
}

/* Enters the present series into the index with its first chunk. */
static int keep_key(struct part_writer *w)
{
    if (w->key_kept)
        return 0;
    int err = w->open.series == INDEX_BLOCK ? end_block(w) : 0;
    if (!err)
        err = index_writer_add(w->index, buf_str(&w->key));
    if (err)
        return err;
    if (!w->open.series)
        w->open.offset = page_writer_position(w->data);
    w->open.chunks[w->open.series++] = 0;
    w->key_kept = true;
    return 0;
}

/* Adds a chunk to the directory; its bytes are in w->work. */
static int add_chunk(struct part_writer *w, struct part_directory_entry *e, uint64_t samples)
{
    if (buf_failed(&w->work) || w->work.n > UINT32_MAX)
        return -ERR_LIMIT;
    int err = keep_key(w);
    if (err)
        return err;
    struct part_info *info = &w->meta.info;
    e->bytes = (uint32_t)w->work.n;
    page_writer_put(w->data, w->work.p, w->work.n);
    vec_push(&w->open, *e);
    w->open.chunks[w->open.series - 1]++;
    info->chunks++;
    info->samples += samples;
    info->first_ms = MIN(info->first_ms, e->first_ms);
    info->last_ms = MAX(info->last_ms, e->last_ms);
    return page_writer_error(w->data);
}

int part_writer_chunk(struct part_writer *w, const struct part_directory_entry *e,
                      const uint8_t *bytes)
{
    struct part_directory_entry copy = *e;
    buf_clear(&w->work);
    buf_put(&w->work, bytes, e->bytes);
    return add_chunk(w, &copy, e->slots - e->absent);
}

uint64_t part_writer_bytes(const struct part_writer *w)
{
    return page_writer_position(w->data) + page_writer_position(w->ts);
}

static void put_starts(struct part_writer *w, struct part_directory_entry *e,
                       const int64_t *start_ms, size_t n)
{
    for (size_t i = 0; start_ms && i < n; i++)
        e->has_start |= start_ms[i] != 0;
    if (e->has_start)
        chunk_int_encode(start_ms, n, &w->work);
}

/* At most CHUNK_MAX slots, the first and last of which are samples. */
static int floats_chunk(struct part_writer *w, struct part_directory_entry e, const int64_t *ts,
                        const double *v, size_t n, const int64_t *start_ms)
{
    struct block b = {0};
    chunk_summarise(ts, v, n, &b);
    e.first_ms = b.first_ms;
    e.last_ms = b.last_ms;
    e.slots = (uint32_t)n;
    e.absent = e.slots - b.n;
    e.kind = PART_FLOATS;
    e.summarised = b.summarised;
    buf_clear(&w->work);
    if (chunk_is_const(v, n)) {
        e.kind = PART_CONST;
        e.value = v[0];
    } else {
        if (b.summarised)
            chunk_block_encode(&b, &w->work);
        int err = chunk_encode(v, n, &w->work);
        if (err)
            return err;
    }
    put_starts(w, &e, start_ms, n);
    return add_chunk(w, &e, b.n);
}

int part_writer_floats(struct part_writer *w, uint32_t ref, size_t first, const int64_t *ts,
                       const double *v, size_t n, const int64_t *start_ms)
{
    for (size_t i = 0; i < n;) {
        if (chunk_is_absent(v[i])) {
            i++;
            continue;
        }
        size_t m = MIN(n - i, (size_t)CHUNK_MAX), next = i + m;
        while (chunk_is_absent(v[i + m - 1]))
            m--;
        struct part_directory_entry e = {.ts_ref = ref, .ts_first = (uint32_t)(first + i)};
        int err = floats_chunk(w, e, ts + i, v + i, m, start_ms ? start_ms + i : NULL);
        if (err)
            return err;
        i = next;
    }
    return 0;
}

int part_writer_histograms(struct part_writer *w, uint32_t ref, size_t first, const int64_t *ts,
                           const struct histogram *const *h, size_t n, const int64_t *start_ms)
{
    for (size_t i = 0; i < n;) {
        if (!h[i]) {
            i++;
            continue;
        }
        size_t m = MIN(n - i, (size_t)CHUNK_MAX), next = i + m, samples = 0;
        while (!h[i + m - 1])
            m--;
        for (size_t k = 0; k < m; k++)
            samples += h[i + k] != NULL;
        struct part_directory_entry e = {
            .first_ms = ts[i],
            .last_ms = ts[i + m - 1],
            .ts_ref = ref,
            .ts_first = (uint32_t)(first + i),
            .slots = (uint32_t)m,
            .absent = (uint32_t)(m - samples),
            .kind = PART_HISTOGRAMS,
        };
        buf_clear(&w->work);
        int err = chunk_histogram_encode(h + i, m, &w->work);
        if (!err) {
            put_starts(w, &e, start_ms ? start_ms + i : NULL, m);
            err = add_chunk(w, &e, samples);
        }
        if (err)
            return err;
        i = next;
    }
    return 0;
}

int part_writer_own(struct part_writer *w, const int64_t *ts, const double *v,
                    const struct histogram *const *h, size_t n, const int64_t *start_ms)
{
    for (size_t i = 0; i < n;) {
        size_t m = MIN(n - i, (size_t)PART_TS_MAX);
        uint32_t ref;
        const int64_t *starts = start_ms ? start_ms + i : NULL;
        int err = part_writer_ts(w, ts + i, m, &ref);
        if (!err)
            err = h ? part_writer_histograms(w, ref, 0, ts + i, h + i, m, starts)
                    : part_writer_floats(w, ref, 0, ts + i, v + i, m, starts);
        if (err)
            return err;
        i += m;
    }
    return 0;
}

int part_writer_tier(struct part_writer *w, const struct block *blocks, size_t n)
{
    for (size_t i = 0; i < n; i += CHUNK_MAX) {
        size_t m = MIN(n - i, (size_t)CHUNK_MAX);
        struct part_directory_entry e = {
            .first_ms = blocks[i].first_ms,
            .last_ms = blocks[i + m - 1].last_ms,
            .slots = (uint32_t)m,
            .kind = PART_TIER,
        };
        uint64_t samples = 0;
        for (size_t k = 0; k < m; k++)
            samples += blocks[i + k].n;
        buf_clear(&w->work);
        int err = part_tier_encode(blocks + i, m, &w->work);
        if (!err)
            err = add_chunk(w, &e, samples);
        if (err)
            return err;
    }
    return 0;
}

int part_writer_exemplar(struct part_writer *w, const struct exemplar *e)
{
    if (!w->key_kept)
        return -ERR_STATE;
    uint8_t value[8];
    store64(value, double_bits(e->value));
    buf_put_varint(&w->exemplars, index_writer_n(w->index) - 1);
    buf_put_varint(&w->exemplars, zigzag(e->ts_ms));
    buf_put(&w->exemplars, value, sizeof value);
    buf_put_varint(&w->exemplars, e->labels.n);
    buf_put_str(&w->exemplars, e->labels);
    w->meta.info.exemplars++;
    return buf_failed(&w->exemplars) ? -ERR_LIMIT : 0;
}

/* Keys, columns of times, exemplars and the table that leads to them all. */
static int write_index(struct part_writer *w)
{
    struct buf top;
    buf_init(&top, INDEX_TOP_MAX);
    int err = index_writer_finish(w->index, &w->directory, w->directory_at.v, w->idx, &top);
    buf_put_varint(&top, w->columns.n);
    buf_put_varint(&top, page_writer_position(w->idx));
    for (size_t i = 0; i < w->columns.n; i++) {
        uint8_t entry[8];
        store64(entry, w->columns.v[i]);
        page_writer_put(w->idx, entry, sizeof entry);
    }
    buf_put_varint(&top, w->exemplars.n);
    buf_put_varint(&top, page_writer_position(w->idx));
    page_writer_put(w->idx, w->exemplars.p, w->exemplars.n);
    w->meta.top = page_writer_position(w->idx);
    w->meta.top_bytes = top.n;
    page_writer_put(w->idx, top.p, top.n);
    if (!err && buf_failed(&top))
        err = -ERR_LIMIT;
    buf_done(&top);
    return err;
}

static int write_meta(struct part_writer *w)
{
    struct part_info *info = &w->meta.info;
    info->series = index_writer_n(w->index);
    info->ts_columns = w->columns.n;
    info->data_bytes = page_writer_position(w->data);
    info->ts_bytes = page_writer_position(w->ts);
    info->idx_bytes = page_writer_position(w->idx);
    struct buf meta;
    char path[PART_PATH_MAX + 16];
    buf_init(&meta, PART_META_BYTES_MAX);
    part_meta_encode(&w->meta, &meta);
    path_of(path, w->dir, "meta");
    int err = buf_failed(&meta) ? -ERR_LIMIT : disk_sync_dir(w->at.disk, w->dir);
    if (!err)
        err = disk_replace(w->at.disk, path, meta.p, meta.n);
    buf_done(&meta);
    return err;
}

/* The size of all files of a part; 0 where it cannot be told. */
static uint64_t size_of(const struct part_writer *w)
{
    static const char *const names[] = {"data", "ts", "idx", "meta"};
    uint64_t total = 0;
    for (size_t i = 0; i < COUNTOF(names); i++) {
        char path[PART_PATH_MAX + 16];
        struct disk_file *f;
        uint64_t n = 0;
        path_of(path, w->dir, names[i]);
        if (disk_open(w->at.disk, path, DISK_READ, &f))
            continue;
        /* The size is for show: a failure leaves it too small. */
        if (disk_size(w->at.disk, f, &n) == 0)
            total += n;
        disk_close(w->at.disk, f);
    }
    return total;
}

static void remove_files(struct part_writer *w)
{
    static const char *const names[] = {"data", "ts", "idx"};
    for (size_t i = 0; i < COUNTOF(names); i++) {
        char path[PART_PATH_MAX + 16];
        path_of(path, w->dir, names[i]);
        /* What is left of an empty part is removed with its directory. */
        if (disk_remove(w->at.disk, path))
            return;
    }
}

int part_writer_finish(struct part_writer *w, struct part_info *ret, struct why *why)
{
    must(!w->finished);
    w->finished = true;
    if (!index_writer_n(w->index)) {
        page_writer_free(w->data);
        page_writer_free(w->ts);
        page_writer_free(w->idx);
        w->data = w->ts = w->idx = NULL;
        remove_files(w);
        return -ERR_SPARSE;
    }
    int err = end_block(w);
    if (!err)
        err = write_index(w);
    if (!err)
        err = page_writer_finish(w->data);
    if (!err)
        err = page_writer_finish(w->ts);
    if (!err)
        err = page_writer_finish(w->idx);
    if (!err)
        err = write_meta(w);
    if (err)
        return why_set(why, (enum err) - err, "part %s could not be written: %s", w->dir,
                       err_text(err));
    w->meta.info.disk_bytes = size_of(w);
    *ret = w->meta.info;
    return 0;
}
