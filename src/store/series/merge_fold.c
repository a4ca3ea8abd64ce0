#include <string.h>

#include "base/must.h"
#include "model/sample.h"
#include "store/series/chunk.h"
#include "store/series/merge.h"

/* The end of the bucket that ts lies in: (end - width, end]. */
static int64_t end_of(int64_t ts_ms, int64_t width_ms)
{
    int64_t q = ts_ms / width_ms;
    return (q * width_ms < ts_ms ? q + 1 : q) * width_ms;
}

/* a, then b, as one. */
static void join(struct block *a, const struct block *b)
{
    a->resets += b->resets;
    a->reset_sum += b->reset_sum;
    if (b->first < a->last) {
        a->resets++;
        a->reset_sum += a->last;
    }
    a->n += b->n;
    a->sum += b->sum;
    a->min = b->min < a->min ? b->min : a->min;
    a->max = b->max > a->max ? b->max : a->max;
    a->last = b->last;
    a->last_ms = MAX(a->last_ms, b->last_ms);
    a->summarised = a->summarised && b->summarised;
}

/* Joins two blocks of one bucket, whichever is earlier; the same block again replaces itself. */
static void meet(struct block *old, const struct block *b)
{
    struct block later = *old;
    if (old->n == b->n && old->first_ms == b->first_ms && old->last_ms == b->last_ms) {
        *old = *b;
        old->tier = true;
    } else if (b->first_ms < old->first_ms) {
        *old = *b;
        old->tier = true;
        join(old, &later);
    } else {
        join(old, b);
    }
}

/* Enters b where its bucket belongs; nearly always that is the end. */
static void add(const struct block *b, int64_t width_ms, struct block *blocks, size_t *blocks_n)
{
    int64_t end = end_of(b->last_ms, width_ms);
    size_t at = *blocks_n;
    while (at && end_of(blocks[at - 1].last_ms, width_ms) > end)
        at--;
    if (at && end_of(blocks[at - 1].last_ms, width_ms) == end) {
        meet(&blocks[at - 1], b);
        return;
    }
    memmove(blocks + at + 1, blocks + at, (*blocks_n - at) * sizeof *blocks);
    blocks[at] = *b;
    blocks[at].tier = true;
    ++*blocks_n;
}

void merge_fold_blocks(const struct block *in, size_t n, int64_t width_ms, struct block *blocks,
                       size_t *blocks_n)
{
    for (size_t i = 0; i < n; i++)
        add(&in[i], width_ms, blocks, blocks_n);
}

void merge_fold(const int64_t *ts, const double *v, size_t n, int64_t width_ms,
                struct block *blocks, size_t *blocks_n)
{
    int64_t kept_ts[CHUNK_MAX];
    double kept[CHUNK_MAX];
    must(n <= CHUNK_MAX);
    for (size_t i = 0; i < n;) {
        int64_t end = end_of(ts[i], width_ms);
        size_t k = 0;
        for (; i < n && ts[i] <= end; i++) {
            if (sample_is_stale(v[i]) || chunk_is_absent(v[i]))
                continue;
            kept_ts[k] = ts[i];
            kept[k++] = v[i];
        }
        struct block b = {0};
        chunk_summarise(kept_ts, kept, k, &b);
        if (b.n)
            add(&b, width_ms, blocks, blocks_n);
    }
}
