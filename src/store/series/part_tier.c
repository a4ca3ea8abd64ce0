#include "store/series/part_tier.h"

#include "base/bits.h"
#include "store/series/chunk.h"
#include "store/series/chunk_int.h"

enum whole { WHOLE_FIRST_MS, WHOLE_SPAN_MS, WHOLE_N, WHOLE_RESETS, WHOLE_SUMMARISED, WHOLES };
enum part { PART_FIRST, PART_LAST, PART_MIN, PART_MAX, PART_SUM, PART_RESET_SUM, PARTS };

/* How a column of doubles is written: its own, or equal to one before it. */
enum source { SOURCE_OWN, SOURCE_FIRST, SOURCE_LAST, SOURCE_ZERO };

static double part_of(const struct block *b, enum part part)
{
    const double of[PARTS] = {b->first, b->last, b->min, b->max, b->sum, b->reset_sum};
    return of[part];
}

static void set_part(struct block *b, enum part part, double v)
{
    double *of[PARTS] = {&b->first, &b->last, &b->min, &b->max, &b->sum, &b->reset_sum};
    *of[part] = v;
}

static int64_t whole_of(const struct block *b, enum whole whole)
{
    const int64_t of[WHOLES] = {
        b->first_ms,   (int64_t)((uint64_t)b->last_ms - (uint64_t)b->first_ms), b->n, b->resets,
        b->summarised,
    };
    return of[whole];
}

static bool equal(const double *a, const double *b, size_t n)
{
    return memcmp(a, b, n * sizeof *a) == 0;
}

int part_tier_encode(const struct block *b, size_t n, struct buf *out)
{
    static const double zeros[CHUNK_MAX];
    double column[PARTS][CHUNK_MAX];
    int64_t x[CHUNK_MAX];
    if (n < 1 || n > CHUNK_MAX)
        return -ERR_RANGE;
    for (enum whole k = 0; k < WHOLES; k++) {
        for (size_t i = 0; i < n; i++)
            x[i] = whole_of(&b[i], k);
        chunk_int_encode(x, n, out);
    }
    for (enum part k = 0; k < PARTS; k++) {
        for (size_t i = 0; i < n; i++)
            column[k][i] = part_of(&b[i], k);
        enum source s = SOURCE_OWN;
        if (k != PART_FIRST && equal(column[k], column[PART_FIRST], n))
            s = SOURCE_FIRST;
        else if (k > PART_LAST && equal(column[k], column[PART_LAST], n))
            s = SOURCE_LAST;
        else if (equal(column[k], zeros, n))
            s = SOURCE_ZERO;
        buf_put_c(out, (char)s);
        if (s == SOURCE_OWN && chunk_encode(column[k], n, out))
            return -ERR_LIMIT;
    }
    return buf_failed(out) ? -ERR_LIMIT : 0;
}

static bool set_whole(struct block *b, enum whole whole, int64_t v)
{
    if (whole == WHOLE_FIRST_MS) {
        *b = (struct block){.first_ms = v, .tier = true};
        return true;
    }
    if (v < 0 || (whole != WHOLE_SPAN_MS && v > UINT32_MAX))
        return false;
    if (whole == WHOLE_SPAN_MS) {
        b->last_ms = (int64_t)((uint64_t)b->first_ms + (uint64_t)v);
        return b->last_ms >= b->first_ms;
    }
    if (whole == WHOLE_N)
        b->n = (uint32_t)v;
    else if (whole == WHOLE_RESETS)
        b->resets = (uint32_t)v;
    else
        b->summarised = v != 0;
    return true;
}

/* One column of doubles; NULL where the bytes are wrong, else the byte behind it. */
static const uint8_t *get_part(const uint8_t *p, const uint8_t *end, size_t n, enum part part,
                               struct block *b)
{
    double v[CHUNK_MAX];
    size_t used = 0;
    if (p == end || *p > SOURCE_ZERO)
        return NULL;
    enum source s = *p++;
    if (s == SOURCE_OWN && chunk_decode(p, (size_t)(end - p), n, v, &used))
        return NULL;
    for (size_t i = 0; i < n; i++) {
        double known = s == SOURCE_FIRST ? b[i].first : s == SOURCE_LAST ? b[i].last : 0;
        set_part(&b[i], part, s == SOURCE_OWN ? v[i] : known);
    }
    return p + used;
}

int part_tier_decode(const uint8_t *p, size_t len, size_t n, struct block *ret, size_t *ret_used)
{
    const uint8_t *at = p, *end = p + len;
    int64_t x[CHUNK_MAX + CHUNK_INT_BLOCK];
    if (n < 1 || n > CHUNK_MAX)
        return -ERR_FORMAT;
    for (enum whole k = 0; k < WHOLES; k++) {
        size_t used;
        if (chunk_int_decode_copy(at, (size_t)(end - at), n, x, &used))
            return -ERR_FORMAT;
        at += used;
        for (size_t i = 0; i < n; i++)
            if (!set_whole(&ret[i], k, x[i]))
                return -ERR_FORMAT;
    }
    for (enum part k = 0; k < PARTS; k++) {
        at = get_part(at, end, n, k, ret);
        if (!at)
            return -ERR_FORMAT;
    }
    if (ret_used)
        *ret_used = (size_t)(at - p);
    return 0;
}
