#include "store/series/merge_series.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/rand.h"
#include "base/vec.h"
#include "model/sample.h"
#include "store/series/part_write.h"

enum {
    COPY_MIN = 320,   /* slots of a chunk that is not worth encoding again */
    READY_SMALL = 96, /* so few samples wait for company instead of making a chunk of their own */
    READY_MAX = 16 * CHUNK_MAX,
    COLUMNS_KNOWN_MAX = 1 << 16, /* more are forgotten, and written again where they come back */
};

void merge_series_init(struct merge_series *s, const struct merge *m)
{
    *s = (struct merge_series){.merge = m, .seed = {rand_seed(), rand_seed()}};
    arena_init(&s->histograms);
}

void merge_series_done(struct merge_series *s)
{
    vec_free(&s->open);
    vec_free(&s->ready);
    vec_free(&s->blocks);
    mem_free(s->gaps);
    arena_done(&s->histograms);
}

int merge_series_begin(struct merge_series *s, struct part_writer *w, struct map *columns,
                       struct str key)
{
    const struct merge *m = s->merge;
    s->writer = w;
    s->columns = columns;
    s->open.n = s->ready.n = s->blocks.n = s->gaps_n = 0;
    arena_reset(&s->histograms);
    for (size_t i = 0; i < m->tombstones_n; i++) {
        const struct merge_tombstone *t = &m->tombstones[i];
        if (!index_matchers_match(t->matchers, key))
            continue;
        uint32_t rank = 0;
        while (rank < m->parts_n && part_info(m->parts[rank])->sequence <= t->sequence)
            rank++;
        if (!rank)
            continue;
        s->gaps = vec_grow(s->gaps, sizeof *s->gaps, s->gaps_n + 1, &s->gaps_capacity);
        s->gaps[s->gaps_n++] = (struct merge_gap){t->from_ms, t->to_ms, rank - 1};
    }
    return part_writer_series(w, key);
}

bool merge_series_gone(const struct merge_series *s, int64_t ts_ms, uint32_t rank)
{
    if (ts_ms < s->merge->from_ms || ts_ms > s->merge->to_ms)
        return true;
    for (size_t i = 0; i < s->gaps_n; i++)
        if (rank <= s->gaps[i].rank && ts_ms >= s->gaps[i].from_ms && ts_ms <= s->gaps[i].to_ms)
            return true;
    return false;
}

/* Does anything of [from, to] have to go? */
static bool touched(const struct merge_series *s, int64_t from_ms, int64_t to_ms, uint32_t rank)
{
    if (from_ms < s->merge->from_ms || to_ms > s->merge->to_ms)
        return true;
    for (size_t i = 0; i < s->gaps_n; i++)
        if (rank <= s->gaps[i].rank && from_ms <= s->gaps[i].to_ms && to_ms >= s->gaps[i].from_ms)
            return true;
    return false;
}

static bool is_absent(const struct merge_point *p)
{
    return !p->histogram && chunk_is_absent(p->value);
}

/* The ref of a column of times that may have been written before. */
static int column_ref(struct merge_series *s, const int64_t *ts, size_t n, uint32_t *ret)
{
    uint64_t hash[2] = {hash_xxh3(ts, n * sizeof *ts, s->seed[0]),
                        hash_xxh3(ts, n * sizeof *ts, s->seed[1])};
    bool new;
    if (s->columns->n > COLUMNS_KNOWN_MAX) {
        map_done(s->columns);
        map_init(s->columns, 0);
    }
    union map_value *at = map_put(s->columns, str_of((const char *)hash, sizeof hash), &new);
    if (new) {
        uint32_t ref;
        int err = part_writer_ts(s->writer, ts, n, &ref);
        if (err) {
            map_drop(s->columns, str_of((const char *)hash, sizeof hash));
            return err;
        }
        at->u = ref;
    }
    *ret = (uint32_t)at->u;
    return 0;
}

/* ---- writing what is ready ---- */

struct arrays {
    int64_t ts[CHUNK_MAX], start_ms[CHUNK_MAX];
    double value[CHUNK_MAX];
    const struct histogram *histogram[CHUNK_MAX];
};

static int write_chunk(struct merge_series *s, const struct merge_point *p, size_t n)
{
    struct arrays a;
    bool starts = false;
    uint32_t ref;
    for (size_t i = 0; i < n; i++) {
        a.ts[i] = p[i].ts_ms;
        a.start_ms[i] = p[i].start_ms;
        a.value[i] = p[i].value;
        a.histogram[i] = p[i].histogram;
        starts |= p[i].start_ms != 0;
    }
    int err = column_ref(s, a.ts, n, &ref);
    if (err)
        return err;
    const int64_t *start_ms = starts ? a.start_ms : NULL;
    bool histograms = false;
    for (size_t i = 0; i < n; i++)
        histograms |= p[i].histogram != NULL;
    return histograms ? part_writer_histograms(s->writer, ref, 0, a.ts, a.histogram, n, start_ms)
                      : part_writer_floats(s->writer, ref, 0, a.ts, a.value, n, start_ms);
}

/* How many of p[n] are of one kind (absent slots are of any). */
static size_t same_kind(const struct merge_point *p, size_t n)
{
    int kind = -1;
    for (size_t i = 0; i < n; i++) {
        if (is_absent(&p[i]))
            continue;
        int of = p[i].histogram != NULL;
        if (kind >= 0 && of != kind)
            return i;
        kind = of;
    }
    return n;
}

static int write_blocks(struct merge_series *s)
{
    int err = s->blocks.n ? part_writer_tier(s->writer, s->blocks.v, s->blocks.n) : 0;
    s->blocks.n = 0;
    return err;
}

static int64_t bucket_of(int64_t ts_ms, int64_t width_ms)
{
    int64_t q = ts_ms / width_ms;
    return q * width_ms < ts_ms ? q + 1 : q;
}

/* Of histograms a tier keeps the last in each bucket. */
static int write_last(struct merge_series *s, const struct merge_point *p, size_t n)
{
    int64_t width = part_tier_ms(s->merge->tier);
    struct merge_points last = {0};
    for (size_t i = 0; i < n; i++) {
        if (!p[i].histogram || histogram_is_stale(p[i].histogram))
            continue;
        if (last.n && bucket_of(last.v[last.n - 1].ts_ms, width) == bucket_of(p[i].ts_ms, width))
            last.n--;
        vec_push(&last, p[i]);
    }
    int err = write_blocks(s);
    for (size_t i = 0; i < last.n && !err; i += CHUNK_MAX)
        err = write_chunk(s, last.v + i, MIN(last.n - i, (size_t)CHUNK_MAX));
    vec_free(&last);
    return err;
}

static int fold(struct merge_series *s, const struct merge_point *p, size_t n)
{
    bool histograms = false;
    for (size_t i = 0; i < n; i++)
        histograms |= p[i].histogram != NULL;
    if (histograms)
        return write_last(s, p, n);
    struct arrays a;
    for (size_t i = 0; i < n; i += CHUNK_MAX) {
        size_t m = MIN(n - i, (size_t)CHUNK_MAX);
        for (size_t k = 0; k < m; k++) {
            a.ts[k] = p[i + k].ts_ms;
            a.value[k] = p[i + k].value;
        }
        vec_reserve(&s->blocks, s->blocks.n + m);
        merge_fold(a.ts, a.value, m, part_tier_ms(s->merge->tier), s->blocks.v, &s->blocks.n);
    }
    return 0;
}

/* Writes the first n of what is ready, all of one kind. */
static int write_some(struct merge_series *s, size_t n)
{
    const struct merge_point *p = s->ready.v;
    int err = 0;
    if (s->merge->tier != PART_RAW)
        err = fold(s, p, n);
    else
        for (size_t i = 0; i < n && !err; i += CHUNK_MAX)
            err = write_chunk(s, p + i, MIN(n - i, (size_t)CHUNK_MAX));
    s->ready.n -= n;
    memmove(s->ready.v, s->ready.v + n, s->ready.n * sizeof *s->ready.v);
    return err;
}

static int write_ready(struct merge_series *s)
{
    int err = 0;
    while (s->ready.n && !err)
        err = write_some(s, same_kind(s->ready.v, s->ready.n));
    return err;
}

/* ---- taking chunks in ---- */

static int compare(const void *a, const void *b)
{
    const struct merge_point *x = a, *y = b;
    if (x->ts_ms != y->ts_ms)
        return x->ts_ms < y->ts_ms ? -1 : 1;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

/* Sorts what is open; of equal times the newest stays. */
static void settle(struct merge_points *p)
{
    size_t k = 0;
    if (p->n > 0)
        qsort(p->v, p->n, sizeof *p->v, compare);
    for (size_t i = 0; i < p->n; i++)
        if (i + 1 == p->n || p->v[i + 1].ts_ms != p->v[i].ts_ms)
            p->v[k++] = p->v[i];
    p->n = k;
}

/* Moves what lies before until_ms from open to ready. */
static int release(struct merge_series *s, int64_t until_ms)
{
    size_t n = 0;
    while (n < s->open.n && (s->open.v[n].ts_ms < until_ms || until_ms == INT64_MAX))
        n++;
    if (n) {
        vec_reserve(&s->ready, s->ready.n + n);
        memcpy(s->ready.v + s->ready.n, s->open.v, n * sizeof *s->open.v);
        s->ready.n += n;
        s->open.n -= n;
        memmove(s->open.v, s->open.v + n, s->open.n * sizeof *s->open.v);
    }
    int err = 0;
    while (s->ready.n > READY_MAX && !err) {
        size_t same = same_kind(s->ready.v, s->ready.n);
        err = write_some(s, same > CHUNK_MAX ? same / CHUNK_MAX * CHUNK_MAX : same);
    }
    return err;
}

static int take_points(struct merge_series *s, const struct merge_source *from, bool keep_absent)
{
    struct column col;
    int err = part_cursor_slots(from->cursor, from->chunk, &s->histograms, &col);
    if (err)
        return err;
    vec_reserve(&s->open, s->open.n + col.n);
    for (size_t i = 0; i < col.n; i++) {
        struct merge_point p = {
            .ts_ms = col.ts_ms[i],
            .start_ms = col.start_ms ? col.start_ms[i] : 0,
            .value = col.histogram ? chunk_absent() : col.value[i],
            .histogram = col.histogram ? col.histogram[i] : NULL,
            .rank = from->rank,
        };
        if ((is_absent(&p) && !keep_absent) || merge_series_gone(s, p.ts_ms, p.rank))
            continue;
        s->open.v[s->open.n++] = p;
    }
    return 0;
}

static int copy_chunk(struct merge_series *s, const struct merge_source *from)
{
    struct part_directory_entry e = *from->entry;
    struct page_ref bytes = {0};
    const int64_t *ts;
    int err = part_cursor_times(from->cursor, e.ts_ref, e.ts_first, e.slots, &ts);
    if (!err)
        err = part_cursor_bytes(from->cursor, from->chunk, &bytes);
    if (!err)
        err = column_ref(s, ts, e.slots, &e.ts_ref);
    e.ts_first = 0;
    if (!err)
        err = part_writer_chunk(s->writer, &e, bytes.p);
    page_release(&bytes);
    return err;
}

static int add_tier(struct merge_series *s, const struct merge_source *from)
{
    const struct block *b;
    size_t n;
    int err = write_ready(s);
    if (!err)
        err = part_cursor_tier(from->cursor, from->chunk, &b, &n);
    if (err)
        return err;
    vec_reserve(&s->blocks, s->blocks.n + n);
    for (size_t i = 0; i < n; i++)
        if (!merge_series_gone(s, b[i].last_ms, from->rank))
            merge_fold_blocks(&b[i], 1, part_tier_ms(s->merge->tier), s->blocks.v, &s->blocks.n);
    return 0;
}

static int add(struct merge_series *s, const struct merge_source *from, int64_t next_ms)
{
    const struct part_directory_entry *e = from->entry;
    if (!s->open.n && !s->ready.n)
        arena_reset(&s->histograms);
    if (e->kind == PART_TIER)
        return s->merge->tier == PART_RAW ? -ERR_STATE : add_tier(s, from);
    bool alone = !s->open.n && e->last_ms < next_ms;
    bool whole = !touched(s, e->first_ms, e->last_ms, from->rank);
    bool full = e->slots >= COPY_MIN && e->absent <= e->slots / 4;
    if (alone && whole && full && s->merge->tier == PART_RAW && s->ready.n <= READY_SMALL * 4 &&
        (s->ready.n == 0 || s->ready.n > READY_SMALL)) {
        int err = write_ready(s);
        return err ? err : copy_chunk(s, from);
    }
    int err = take_points(s, from, alone && whole && e->absent <= e->slots / 4);
    if (err)
        return err;
    if (!alone)
        settle(&s->open);
    return release(s, next_ms);
}

int merge_series_add(struct merge_series *s, const struct merge_source *from, int64_t next_ms)
{
    int err = add(s, from, next_ms);
    /* Damage has been told of by the cursor, and what it hit is lost already. */
    return part_is_damage(err) ? release(s, next_ms) : err;
}

int merge_series_end(struct merge_series *s)
{
    settle(&s->open);
    int err = release(s, INT64_MAX);
    if (!err)
        err = write_ready(s);
    return err ? err : write_blocks(s);
}
