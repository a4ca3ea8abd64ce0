#include "store/series/chunk.h"

#include <string.h>

#include "model/sample.h"
#include "store/series/chunk_kernel.h"
#include "store/series/chunk_value.h"

const double chunk_value_power[CHUNK_VALUE_EXPONENT_MAX + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

/* Bytes on their way through; a failed get sets p to NULL. */
struct cursor {
    const uint8_t *p, *end; /* CHUNK_INT_PAD readable bytes behind end */
};

static int get(struct cursor *c, uint64_t *ret)
{
    const uint8_t *next = varint_get(c->p, c->end, ret);
    if (!next)
        return -ERR_FORMAT;
    c->p = next;
    return 0;
}

static int get_byte(struct cursor *c, unsigned *ret)
{
    if (c->p >= c->end)
        return -ERR_FORMAT;
    *ret = *c->p++;
    return 0;
}

static int special_bits(struct cursor *c, unsigned what, uint64_t *ret)
{
    static const uint64_t known[] = {
        [CHUNK_VALUE_STALE] = SAMPLE_STALE_BITS,
        [CHUNK_VALUE_ABSENT] = CHUNK_ABSENT_BITS,
        [CHUNK_VALUE_NAN] = SAMPLE_NAN_BITS,
    };
    if (what < COUNTOF(known)) {
        *ret = known[what];
        return 0;
    }
    if (what != CHUNK_VALUE_RAW || c->end - c->p < 8)
        return -ERR_FORMAT;
    *ret = load64(c->p);
    c->p += 8;
    return 0;
}

/* Walks the list of exceptions: v NULL only checks and skips it. */
static int exceptions(struct cursor *c, size_t n, double *v)
{
    uint64_t count, at = 0;
    if (get(c, &count) || count > n)
        return -ERR_FORMAT;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t gap, run, bits;
        unsigned what;
        if (get(c, &gap) || get(c, &run) || get_byte(c, &what) || special_bits(c, what, &bits))
            return -ERR_FORMAT;
        if (gap > n || run > n || at + gap + run > n)
            return -ERR_FORMAT;
        at += gap;
        for (uint64_t k = 0; k < run && v; k++)
            v[at + k] = bits_double(bits);
        at += run;
    }
    return 0;
}

static int integers(struct cursor *c, size_t n, int64_t *x)
{
    size_t used;
    int err = chunk_int_decode(c->p, (size_t)(c->end - c->p), n, x, &used);
    if (!err)
        c->p += used;
    return err;
}

/* v += r units in the last place. */
static int move(struct cursor *c, size_t n, double *v)
{
    int64_t r[CHUNK_VALUE_ROOM];
    if (integers(c, n, r))
        return -ERR_FORMAT;
    chunk_kernel()->move(v, r, n);
    return 0;
}

/* The values without exceptions, into v[CHUNK_VALUE_ROOM]. */
static int values(struct cursor *c, unsigned head, size_t n, double *v)
{
    unsigned kind = head & CHUNK_VALUE_KIND, exponent = head >> CHUNK_VALUE_EXPONENT;
    uint64_t first, factor = 1;
    if (exponent == 15 && get_byte(c, &exponent))
        return -ERR_FORMAT;
    if (exponent > CHUNK_VALUE_EXPONENT_MAX || kind > CHUNK_VALUE_NEAR || get(c, &first))
        return -ERR_FORMAT;
    if ((head & CHUNK_VALUE_FACTOR) && get(c, &factor))
        return -ERR_FORMAT;
    int64_t x[CHUNK_VALUE_ROOM];
    memset(x, 0, 8 * sizeof *x);
    if (integers(c, n - 1, x + 1))
        return -ERR_FORMAT;
    first = (uint64_t)unzigzag(first);
    if (kind == CHUNK_VALUE_BITS) {
        for (size_t i = 0; i < n; i++)
            v[i] = bits_double((uint64_t)x[i] * factor + first);
        return 0;
    }
    chunk_kernel()->decimal(x, (n + 7) & ~(size_t)7, (int64_t)factor, (int64_t)first,
                            chunk_value_power[exponent], v);
    return kind == CHUNK_VALUE_NEAR ? move(c, n, v) : 0;
}

static int decode(const uint8_t *p, size_t len, size_t n, double *v, size_t *ret_used)
{
    struct cursor c = {p, p + len};
    unsigned head;
    if (get_byte(&c, &head))
        return -ERR_FORMAT;
    struct cursor list = c;
    if ((head & CHUNK_VALUE_EXCEPTIONS) && exceptions(&c, n, NULL))
        return -ERR_FORMAT;
    if (values(&c, head, n, v))
        return -ERR_FORMAT;
    if ((head & CHUNK_VALUE_EXCEPTIONS) && exceptions(&list, n, v))
        return -ERR_FORMAT;
    if (ret_used)
        *ret_used = (size_t)(c.p - p);
    return 0;
}

int chunk_decode_roomy(const void *p, size_t len, size_t n, double *ret, size_t *ret_used)
{
    if (n < 1 || n > CHUNK_MAX)
        return -ERR_FORMAT;
    /* The loops read past the end and write whole vectors: both get room. */
    uint8_t copy[CHUNK_BYTES_MAX + CHUNK_INT_PAD];
    size_t take = MIN(len, (size_t)CHUNK_BYTES_MAX);
    memcpy(copy, p, take);
    memset(copy + take, 0, CHUNK_INT_PAD);
    return decode(copy, take, n, ret, ret_used);
}

int chunk_decode(const void *p, size_t len, size_t n, double *ret, size_t *ret_used)
{
    double v[CHUNK_ROOM];
    int err = chunk_decode_roomy(p, len, n, v, ret_used);
    if (!err)
        memcpy(ret, v, n * sizeof *ret);
    return err;
}
