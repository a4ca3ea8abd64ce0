#include "store/series/chunk.h"

#include <math.h>
#include <string.h>

#include "model/sample.h"
#include "store/series/chunk_value.h"

/* First byte: exponent (low half, RAW: doubles as they are) | flags. */
enum {
    RAW = 15,
    MIN_IS_FIRST = 0x10,
    MAX_IS_LAST = 0x20,
    RESETS = 0x40,  /* resets and reset_sum follow */
    SUM_RAW = 0x80, /* the sum is 8 bytes */
    EXPONENT_TRY = 14,
};

/* Sum with the error of each addition carried along (Neumaier). */
struct sum {
    double total, rest;
};

static void sum_add(struct sum *s, double v)
{
    double t = s->total + v;
    s->rest += fabs(s->total) >= fabs(v) ? (s->total - t) + v : (v - t) + s->total;
    s->total = t;
}

static double sum_value(const struct sum *s)
{
    return isfinite(s->total) ? s->total + s->rest : s->total;
}

void chunk_summarise(const int64_t *ts, const double *v, size_t n, struct block *ret)
{
    struct block b = {.handle = ret->handle, .summarised = true};
    struct sum sum = {0}, lost = {0};
    for (size_t i = 0; i < n; i++) {
        if (chunk_is_absent(v[i]))
            continue;
        if (v[i] != v[i])
            b.summarised = false;
        if (!b.n) {
            b.first_ms = ts[i];
            b.first = b.min = b.max = v[i];
        } else if (v[i] < b.last) {
            b.resets++;
            sum_add(&lost, b.last);
        }
        b.min = v[i] < b.min ? v[i] : b.min;
        b.max = v[i] > b.max ? v[i] : b.max;
        b.last = v[i];
        b.last_ms = ts[i];
        sum_add(&sum, v[i]);
        b.n++;
    }
    b.sum = sum_value(&sum);
    b.reset_sum = sum_value(&lost);
    b.summarised = b.summarised && b.n;
    *ret = b;
}

struct decimals {
    int64_t first, last, min, max, lost;
};

static bool decimals(const struct block *b, unsigned e, struct decimals *ret)
{
    return chunk_value_decimal(b->first, e, &ret->first) &&
           chunk_value_decimal(b->last, e, &ret->last) &&
           chunk_value_decimal(b->min, e, &ret->min) && chunk_value_decimal(b->max, e, &ret->max) &&
           chunk_value_decimal(b->reset_sum, e, &ret->lost);
}

static void put_doubles(const struct block *b, struct buf *out)
{
    buf_put_c(out, (char)(RAW | (b->resets ? RESETS : 0) | SUM_RAW));
    buf_put_double_raw(out, b->first);
    buf_put_double_raw(out, b->last);
    buf_put_double_raw(out, b->min);
    buf_put_double_raw(out, b->max);
    buf_put_double_raw(out, b->sum);
    if (b->resets) {
        buf_put_varint(out, b->resets);
        buf_put_double_raw(out, b->reset_sum);
    }
}

void chunk_block_encode(const struct block *b, struct buf *out)
{
    struct decimals d = {0};
    unsigned e = 0;
    while (e <= EXPONENT_TRY && !decimals(b, e, &d))
        e++;
    bool odd = double_bits(b->reset_sum) != 0 && !b->resets;
    if (e > EXPONENT_TRY || odd) {
        put_doubles(b, out);
        return;
    }
    int64_t sum;
    bool sum_raw = !chunk_value_decimal(b->sum, e, &sum);
    unsigned head = e | (d.min == d.first ? MIN_IS_FIRST : 0) |
                    (d.max == d.last ? MAX_IS_LAST : 0) | (b->resets ? RESETS : 0) |
                    (sum_raw ? SUM_RAW : 0);
    buf_put_c(out, (char)head);
    buf_put_varint(out, zigzag(d.first));
    buf_put_varint(out, zigzag((int64_t)((uint64_t)d.last - (uint64_t)d.first)));
    if (!(head & MIN_IS_FIRST))
        buf_put_varint(out, (uint64_t)d.first - (uint64_t)d.min);
    if (!(head & MAX_IS_LAST))
        buf_put_varint(out, (uint64_t)d.max - (uint64_t)d.last);
    if (sum_raw)
        buf_put_double_raw(out, b->sum);
    else
        buf_put_varint(out, zigzag((int64_t)((uint64_t)sum - (uint64_t)d.first * b->n)));
    if (b->resets) {
        buf_put_varint(out, b->resets);
        buf_put_varint(out, zigzag(d.lost));
    }
}

struct cursor {
    const uint8_t *p, *end;
};

static bool get(struct cursor *c, uint64_t *ret)
{
    const uint8_t *next = c->p ? varint_get(c->p, c->end, ret) : NULL;
    c->p = next;
    return next != NULL;
}

static bool get_raw(struct cursor *c, double *ret)
{
    if (!c->p || c->end - c->p < 8)
        return false;
    *ret = bits_double(load64(c->p));
    c->p += 8;
    return true;
}

static bool get_resets(struct cursor *c, struct block *b)
{
    uint64_t resets;
    if (!get(c, &resets) || resets > UINT32_MAX)
        return false;
    b->resets = (uint32_t)resets;
    return true;
}

static bool get_doubles(struct cursor *c, unsigned head, struct block *b)
{
    return get_raw(c, &b->first) && get_raw(c, &b->last) && get_raw(c, &b->min) &&
           get_raw(c, &b->max) && get_raw(c, &b->sum) &&
           (!(head & RESETS) || (get_resets(c, b) && get_raw(c, &b->reset_sum)));
}

static bool get_decimals(struct cursor *c, unsigned head, struct block *b)
{
    double power = chunk_value_power[head & 15];
    uint64_t first, last, min, max, sum, lost;
    if (!get(c, &first) || !get(c, &last))
        return false;
    first = (uint64_t)unzigzag(first);
    last = first + (uint64_t)unzigzag(last);
    min = max = 0;
    if (!(head & MIN_IS_FIRST) && !get(c, &min))
        return false;
    if (!(head & MAX_IS_LAST) && !get(c, &max))
        return false;
    b->first = (double)(int64_t)first / power;
    b->last = (double)(int64_t)last / power;
    b->min = (double)(int64_t)(first - min) / power;
    b->max = (double)(int64_t)(last + max) / power;
    if (head & SUM_RAW) {
        if (!get_raw(c, &b->sum))
            return false;
    } else {
        if (!get(c, &sum))
            return false;
        b->sum = (double)(int64_t)((uint64_t)unzigzag(sum) + first * b->n) / power;
    }
    if (!(head & RESETS))
        return true;
    if (!get_resets(c, b) || !get(c, &lost))
        return false;
    b->reset_sum = (double)unzigzag(lost) / power;
    return true;
}

int chunk_block_decode(const void *p, size_t len, struct block *ret, size_t *ret_used)
{
    struct cursor c = {p, (const uint8_t *)p + len};
    if (!len)
        return -ERR_FORMAT;
    unsigned head = *c.p++;
    struct block b = *ret;
    b.summarised = true;
    b.resets = 0;
    b.reset_sum = 0;
    if (!((head & 15) == RAW ? get_doubles(&c, head, &b) : get_decimals(&c, head, &b)))
        return -ERR_FORMAT;
    *ret = b;
    if (ret_used)
        *ret_used = (size_t)(c.p - (const uint8_t *)p);
    return 0;
}
