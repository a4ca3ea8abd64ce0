#include "store/series/chunk.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/series/chunk_int.h"

enum { TS_MAX = 1 << 16, GUESS_FROM = 65 };

/* Timestamps are kept as their distance from a regular grid: ts[i] - ts[0] - i * step. */

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t distance(const int64_t *ts, size_t i, int64_t step)
{
    return (int64_t)((uint64_t)ts[i] - (uint64_t)ts[0] - (uint64_t)i * (uint64_t)step);
}

static size_t cost(const int64_t *ts, size_t n, int64_t step, int64_t *x)
{
    for (size_t i = 1; i < n; i++)
        x[i - 1] = distance(ts, i, step);
    return chunk_int_cost(x, n - 1);
}

/* The step that makes the column shortest, of the likely ones. */
static int64_t best_step(const int64_t *ts, size_t n, int64_t *x)
{
    size_t looked = MIN(n, (size_t)GUESS_FROM) - 1;
    int64_t delta[GUESS_FROM];
    for (size_t i = 0; i < looked; i++)
        delta[i] = (int64_t)((uint64_t)ts[i + 1] - (uint64_t)ts[i]);
    qsort(delta, looked, sizeof *delta, compare);
    int64_t median = delta[looked / 2];
    int64_t tens = median / 10 * 10, thousands = (median + (median > 0 ? 500 : 0)) / 1000 * 1000;
    int64_t mean = (int64_t)((uint64_t)ts[n - 1] - (uint64_t)ts[0]) / (int64_t)(n - 1);
    int64_t tries[] = {median, thousands, mean, tens};
    int64_t best = median;
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < COUNTOF(tries); i++) {
        size_t bytes = cost(ts, n, tries[i], x);
        if (bytes < least) {
            least = bytes;
            best = tries[i];
        }
        if (bytes <= 3)
            break;
    }
    return best;
}

static void put(struct buf *out, int64_t v)
{
    buf_put_varint(out, zigzag(v));
}

int chunk_ts_encode(const int64_t *ts, size_t n, struct buf *out)
{
    if (n < 1 || n > TS_MAX)
        return -ERR_RANGE;
    put(out, ts[0]);
    if (n > 1) {
        int64_t *x = mem_array(n, sizeof *x);
        int64_t step = best_step(ts, n, x);
        put(out, step);
        for (size_t i = 1; i < n; i++)
            x[i - 1] = distance(ts, i, step);
        chunk_int_encode(x, n - 1, out);
        mem_free(x);
    }
    return buf_failed(out) ? -ERR_LIMIT : 0;
}

int chunk_ts_decode(const void *p, size_t len, size_t n, int64_t *ret, size_t *ret_used)
{
    const uint8_t *at = p, *end = at + len;
    uint64_t first, step = 0;
    if (n < 1 || n > TS_MAX)
        return -ERR_FORMAT;
    at = varint_get(at, end, &first);
    if (at && n > 1)
        at = varint_get(at, end, &step);
    if (!at)
        return -ERR_FORMAT;
    first = (uint64_t)unzigzag(first);
    step = (uint64_t)unzigzag(step);
    size_t used = 0;
    if (n > 1) {
        int64_t *x = mem_raw((n + CHUNK_INT_BLOCK) * sizeof *x);
        int err = chunk_int_decode_copy(at, (size_t)(end - at), n - 1, x, &used);
        if (err) {
            mem_free(x);
            return err;
        }
        for (size_t i = 1; i < n; i++)
            ret[i] = (int64_t)(first + step * i + (uint64_t)x[i - 1]);
        mem_free(x);
    }
    ret[0] = (int64_t)first;
    if (ret_used)
        *ret_used = (size_t)(at - (const uint8_t *)p) + used;
    return 0;
}
