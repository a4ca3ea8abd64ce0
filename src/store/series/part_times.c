#include "base/bits.h"
#include "base/mem.h"
#include "store/series/part_read.h"

enum {
    SLOTS = 1024,         /* columns kept, by ref modulo this */
    BYTES_MAX = 16 << 20, /* of all of them; past that they are all dropped */
    TS_BITS = 16,
    COLUMN_BYTES_MAX = 1 << 20, /* encoded */
};

struct kept {
    uint32_t ref;
    uint32_t n;
    int64_t *ts;
};

struct part_times {
    struct part *part;
    size_t bytes;
    struct kept kept[SLOTS];
};

struct part_times *part_times_new(struct part *p)
{
    struct part_times *t = mem_new(sizeof *t);
    t->part = p;
    return t;
}

static void drop_all(struct part_times *t)
{
    for (size_t i = 0; i < SLOTS; i++) {
        mem_free(t->kept[i].ts);
        t->kept[i].ts = NULL;
    }
    t->bytes = 0;
}

void part_times_free(struct part_times *t)
{
    if (!t)
        return;
    drop_all(t);
    mem_free(t);
}

static int load(struct part *p, uint32_t ref, int64_t **ret, uint32_t *ret_n)
{
    uint8_t entries[16] = {0};
    bool last = ref + (uint64_t)1 == p->columns_n;
    int err = page_copy(p->idx, p->columns + 8 * (uint64_t)ref, last ? 8 : 16, entries, NULL);
    if (err)
        return err;
    uint64_t from = load64(entries) >> TS_BITS;
    uint64_t to = last ? p->info.ts_bytes : load64(entries + 8) >> TS_BITS;
    uint32_t n = (uint32_t)(load64(entries) & ((1 << TS_BITS) - 1)) + 1;
    if (to < from || to - from > COLUMN_BYTES_MAX)
        return -ERR_CORRUPT;
    struct page_ref bytes = {0};
    err = page_read(p->ts, from, to - from, &bytes, NULL);
    if (err)
        return err;
    int64_t *ts = mem_raw(n * sizeof *ts);
    err = chunk_ts_decode(bytes.p, bytes.n, n, ts, NULL) ? -ERR_CORRUPT : 0;
    page_release(&bytes);
    if (err) {
        mem_free(ts);
        return err;
    }
    *ret = ts;
    *ret_n = n;
    return 0;
}

int part_times_get(struct part_times *t, uint32_t ref, uint32_t first, uint32_t n,
                   const int64_t **ret)
{
    struct kept *k = &t->kept[ref % SLOTS];
    if (ref >= t->part->columns_n)
        return -ERR_CORRUPT;
    if (!k->ts || k->ref != ref) {
        int64_t *ts;
        uint32_t slots;
        int err = load(t->part, ref, &ts, &slots);
        if (err)
            return err;
        if (t->bytes > BYTES_MAX)
            drop_all(t);
        if (k->ts)
            t->bytes -= k->n * sizeof *k->ts;
        mem_free(k->ts);
        *k = (struct kept){ref, slots, ts};
        t->bytes += slots * sizeof *ts;
    }
    if (first > k->n || n > k->n - first)
        return -ERR_CORRUPT;
    *ret = k->ts + first;
    return 0;
}
