#include "store/series/part_read.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/bits.h"
#include "base/mem.h"
#include "store/series/part_meta.h"

enum { IDS = 4096 };

/* Which ids open parts have taken; they are part of ts_id. */
static _Atomic uint64_t ids_taken[IDS / 64];

static uint32_t id_take(void)
{
    for (size_t w = 0; w < IDS / 64; w++) {
        uint64_t old = atomic_load(&ids_taken[w]);
        uint64_t never = w == 0; /* id 0 is nobody's */
        while (~(old | never)) {
            uint64_t bit = (uint64_t)1 << __builtin_ctzll(~(old | never));
            if (atomic_compare_exchange_weak(&ids_taken[w], &old, old | bit))
                return (uint32_t)(w * 64 + (size_t)__builtin_ctzll(bit));
        }
    }
    return 0;
}

static void id_give(uint32_t id)
{
    if (id)
        atomic_fetch_and(&ids_taken[id / 64], ~((uint64_t)1 << (id % 64)));
}

static int read_meta(const struct part_place *at, const char *dir, struct part_meta *ret,
                     uint64_t *ret_bytes, struct why *why)
{
    char path[PART_PATH_MAX + 16];
    void *bytes;
    size_t n;
    snprintf(path, sizeof path, "%s/meta", dir);
    int err = disk_slurp(at->disk, path, PART_META_BYTES_MAX, &bytes, &n);
    if (err)
        return why_set(why, (enum err) - err, "part %s: meta could not be read: %s", dir,
                       err_text(err));
    err = part_meta_decode(bytes, n, ret);
    mem_free(bytes);
    *ret_bytes = n;
    if (err)
        return why_set(why, (enum err) - err, "part %s: meta is damaged or of another version: %s",
                       dir, err_text(err));
    return 0;
}

static int open_file(const struct part_place *at, const char *dir, const char *name,
                     enum page_kind kind, uint64_t size, struct page_file **ret, struct why *why)
{
    char path[PART_PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int err = page_file_open(at->disk, path, kind, at->ring, at->cache, ret, why);
    if (!err && page_file_size(*ret) != size)
        return why_set(why, ERR_CORRUPT, "part %s: %s has %llu bytes, meta says %llu", dir, name,
                       (unsigned long long)page_file_size(*ret), (unsigned long long)size);
    return err;
}

/* The table at the end of idx: names, columns of times, exemplars. */
static int read_top(struct part *p, const struct part_meta *m)
{
    if (m->top_bytes > INDEX_TOP_MAX)
        return -ERR_CORRUPT;
    uint8_t *top = mem_raw(m->top_bytes + 1);
    size_t used;
    int err = page_copy(p->idx, m->top, m->top_bytes, top, NULL);
    if (!err)
        err = index_open(p->idx, top, m->top_bytes, &p->index, &used);
    if (!err) {
        const uint8_t *at = top + used, *end = top + m->top_bytes;
        at = varint_get(at, end, &p->columns_n);
        at = at ? varint_get(at, end, &p->columns) : NULL;
        at = at ? varint_get(at, end, &p->exemplars_n) : NULL;
        at = at ? varint_get(at, end, &p->exemplars) : NULL;
        err = at && index_series(p->index) == p->info.series ? 0 : -ERR_CORRUPT;
    }
    mem_free(top);
    return err;
}

static uint64_t disk_size_of(const struct part_place *at, const char *dir, const char *name)
{
    char path[PART_PATH_MAX + 16];
    struct disk_file *f;
    uint64_t n = 0;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (disk_open(at->disk, path, DISK_READ, &f))
        return 0;
    /* The size is for show: a failure leaves it too small. */
    if (disk_size(at->disk, f, &n))
        n = 0;
    disk_close(at->disk, f);
    return n;
}

int part_open(const struct part_place *at, const char *dir, struct part **ret, struct why *why)
{
    struct part_meta m;
    uint64_t meta_bytes = 0;
    if (strlen(dir) >= PART_PATH_MAX)
        return why_set(why, ERR_RANGE, "the path of part %.100s... is too long", dir);
    int err = read_meta(at, dir, &m, &meta_bytes, why);
    if (err)
        return err;
    struct part *p = mem_new(sizeof *p);
    p->dir = mem_text(dir, strlen(dir));
    p->info = m.info;
    p->id = id_take();
    err = open_file(at, dir, "idx", PAGE_KIND_INDEX, m.info.idx_bytes, &p->idx, why);
    if (!err)
        err = open_file(at, dir, "ts", PAGE_KIND_TIMES, m.info.ts_bytes, &p->ts, why);
    if (!err)
        err = open_file(at, dir, "data", PAGE_KIND_DATA, m.info.data_bytes, &p->data, why);
    if (!err) {
        err = read_top(p, &m);
        if (err)
            why_set(why, (enum err) - err, "part %s: the index's table is damaged", dir);
    }
    if (err) {
        part_free(p);
        return err;
    }
    p->info.disk_bytes = meta_bytes + disk_size_of(at, dir, "idx") + disk_size_of(at, dir, "ts") +
                         disk_size_of(at, dir, "data");
    p->columns_kept = part_columns_new(p->columns_n);
    *ret = p;
    return 0;
}

void part_free(struct part *p)
{
    if (!p)
        return;
    id_give(p->id);
    part_columns_free(p->columns_kept);
    index_free(p->index);
    page_file_close(p->data);
    page_file_close(p->ts);
    page_file_close(p->idx);
    mem_free(p->dir);
    mem_free(p);
}

const struct part_info *part_info(const struct part *p)
{
    return &p->info;
}
