#include <stdatomic.h>
#include <string.h>

#include "base/bits.h"
#include "base/mem.h"
#include "store/series/part_read.h"

enum {
    SLOTS = 1024,                  /* columns kept, by ref modulo this */
    BYTES_MAX = 16 << 20,          /* of all of them; past that they are all dropped */
    KEPT_COLUMNS_MAX = 1 << 16,    /* of a part: more are never kept */
    KEPT_PART_BYTES_MAX = 4 << 20, /* of a part */
    KEPT_BYTES_MAX = 64 << 20,     /* of all parts */
    TS_BITS = 16,
    COLUMN_BYTES_MAX = 1 << 20, /* encoded */
};

/* ---- what all readers of a part share */

struct column_kept {
    uint32_t n;
    int64_t ts[];
};

struct part_columns {
    uint64_t n;
    atomic_size_t bytes;
    _Atomic(struct column_kept *) v[]; /* [n] by ref */
};

static atomic_size_t kept_bytes; /* of all parts */

struct part_columns *part_columns_new(uint64_t columns_n)
{
    size_t n = MIN(columns_n, (uint64_t)KEPT_COLUMNS_MAX);
    struct part_columns *c = mem_new(sizeof *c + n * sizeof c->v[0]);
    c->n = n;
    return c;
}

void part_columns_free(struct part_columns *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n; i++)
        mem_free(atomic_load_explicit(&c->v[i], memory_order_relaxed));
    atomic_fetch_sub(&kept_bytes, atomic_load(&c->bytes));
    mem_free(c);
}

static const struct column_kept *kept_get(struct part_columns *c, uint32_t ref)
{
    return ref < c->n ? atomic_load_explicit(&c->v[ref], memory_order_acquire) : NULL;
}

/* Keeps a copy where there is room for it; the copy, or NULL. */
static const struct column_kept *kept_put(struct part_columns *c, uint32_t ref, const int64_t *ts,
                                          uint32_t n)
{
    size_t bytes = n * sizeof *ts;
    if (ref >= c->n || atomic_load(&c->bytes) + bytes > KEPT_PART_BYTES_MAX ||
        atomic_load(&kept_bytes) + bytes > KEPT_BYTES_MAX)
        return NULL;
    struct column_kept *k = mem_raw(sizeof *k + bytes), *before = NULL;
    k->n = n;
    memcpy(k->ts, ts, bytes);
    if (!atomic_compare_exchange_strong(&c->v[ref], &before, k)) {
        mem_free(k); /* another reader was faster */
        return before;
    }
    atomic_fetch_add(&c->bytes, bytes);
    atomic_fetch_add(&kept_bytes, bytes);
    return k;
}

/* ---- one cursor's */

struct kept {
    uint32_t ref;
    uint32_t n;
    int64_t *ts;
};

struct part_times {
    struct part *part;
    size_t bytes;
    struct kept *kept; /* [SLOTS] once it is needed */
};

struct part_times *part_times_new(struct part *p)
{
    struct part_times *t = mem_new(sizeof *t);
    t->part = p;
    return t;
}

static void drop_all(struct part_times *t)
{
    for (size_t i = 0; t->kept && i < SLOTS; i++) {
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
    mem_free(t->kept);
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

/* Into the cursor's own slots. */
static int load_own(struct part_times *t, uint32_t ref, const int64_t **ret, uint32_t *ret_n)
{
    if (!t->kept)
        t->kept = mem_array(SLOTS, sizeof *t->kept);
    struct kept *k = &t->kept[ref % SLOTS];
    if (k->ts && k->ref == ref) {
        *ret = k->ts;
        *ret_n = k->n;
        return 0;
    }
    int64_t *ts;
    uint32_t slots;
    int err = load(t->part, ref, &ts, &slots);
    if (err)
        return err;
    const struct column_kept *shared = kept_put(t->part->columns_kept, ref, ts, slots);
    if (shared) {
        mem_free(ts);
        *ret = shared->ts;
        *ret_n = shared->n;
        return 0;
    }
    if (t->bytes > BYTES_MAX)
        drop_all(t);
    if (k->ts)
        t->bytes -= k->n * sizeof *k->ts;
    mem_free(k->ts);
    *k = (struct kept){ref, slots, ts};
    t->bytes += slots * sizeof *ts;
    *ret = ts;
    *ret_n = slots;
    return 0;
}

int part_times_get(struct part_times *t, uint32_t ref, uint32_t first, uint32_t n,
                   const int64_t **ret)
{
    if (ref >= t->part->columns_n)
        return -ERR_CORRUPT;
    const struct column_kept *shared = kept_get(t->part->columns_kept, ref);
    const int64_t *ts = shared ? shared->ts : NULL;
    uint32_t slots = shared ? shared->n : 0;
    int err = shared ? 0 : load_own(t, ref, &ts, &slots);
    if (err)
        return err;
    if (first > slots || n > slots - first)
        return -ERR_CORRUPT;
    *ret = ts + first;
    return 0;
}
