#include "store/series/chunk.h"

#include <math.h>
#include <string.h>

#include "base/must.h"
#include "model/sample.h"
#include "store/series/chunk_value.h"

enum {
    EXPONENT_TRY = 17,   /* no more decimals than this are tried */
    EXPONENT_PLAIN = 5,  /* up to so many decimals a decimal form is taken without a look around */
    EXCEPTIONS_MAX = 40, /* values that a decimal form may leave out, of any chunk */
    SAMPLE_MAX = 48,     /* values looked at to find the decimals of noisy sums */
};

/* A way to write the chunk. */
struct form {
    enum chunk_value_kind kind;
    unsigned exponent;
    int64_t k[CHUNK_MAX];   /* integers of all values; those of exceptions repeat the one before */
    int64_t ulp[CHUNK_MAX]; /* CHUNK_VALUE_NEAR */
    bool out[CHUNK_MAX];    /* written as an exception */
    size_t outs;
};

/* NaN, infinity or -0? */
static bool special(double v)
{
    uint64_t bits = double_bits(v), exponent = 0x7ff0000000000000ULL;
    return (bits & exponent) == exponent || bits == (uint64_t)1 << 63;
}

/* Fills the places of exceptions with the integer before them (the first: behind them). */
static void fill(struct form *f, size_t n)
{
    size_t first = 0;
    while (first < n && f->out[first])
        first++;
    int64_t last = first < n ? f->k[first] : 0;
    for (size_t i = 0; i < n; i++) {
        if (f->out[i])
            f->k[i] = last;
        last = f->k[i];
    }
}

/* The fewest decimals that hold all values but the exceptions; false where more than `most` values
 * would be exceptions. */
static bool decimal(const double *v, size_t n, struct form *f, size_t most)
{
    unsigned e = 0;
    size_t done = 0;
    f->kind = CHUNK_VALUE_DECIMAL;
    f->outs = 0;
    for (size_t i = 0; i < n; i++) {
        f->out[i] = true;
        unsigned at = e;
        while (!special(v[i]) && at <= EXPONENT_TRY) {
            if (chunk_value_decimal(v[i], at, &f->k[i])) {
                f->out[i] = false;
                break;
            }
            at++;
        }
        if (f->out[i] && !special(v[i]) && ++f->outs > most)
            return false;
        if (!f->out[i] && at > e) {
            e = at;
            done = i;
        }
    }
    /* Values before the last one that asked for more decimals were scaled by fewer. */
    for (size_t i = 0; i < done; i++)
        if (!f->out[i] && !chunk_value_decimal(v[i], e, &f->k[i])) {
            f->out[i] = true;
            if (++f->outs > most)
                return false;
        }
    f->exponent = e;
    fill(f, n);
    return true;
}

static void near_one(double v, unsigned e, int64_t *ret_k, int64_t *ret_ulp)
{
    double scaled = v * chunk_value_power[e];
    int64_t k = fabs(scaled) < 0x1p62 ? chunk_value_round(scaled) : 0;
    *ret_k = k;
    *ret_ulp = (int64_t)(double_bits(v) - double_bits((double)k / chunk_value_power[e]));
}

static unsigned bits_of(int64_t v)
{
    uint64_t u = zigzag(v);
    return u ? 64 - (unsigned)__builtin_clzll(u) : 0;
}

/* The number of decimals with which values are shortest as decimals plus noise. */
static unsigned near_exponent(const double *v, size_t n)
{
    unsigned best = 0;
    uint64_t best_bits = UINT64_MAX;
    size_t step = n / SAMPLE_MAX + 1;
    for (unsigned e = 0; e <= EXPONENT_TRY; e++) {
        uint64_t bits = 0;
        int64_t last = 0;
        bool any = false;
        for (size_t i = 0; i < n; i += step) {
            int64_t k, ulp;
            if (special(v[i]))
                continue;
            near_one(v[i], e, &k, &ulp);
            bits += any ? bits_of((int64_t)((uint64_t)k - (uint64_t)last)) : 0;
            bits += MIN(bits_of(ulp), 60u);
            last = k;
            any = true;
        }
        if (bits < best_bits) {
            best_bits = bits;
            best = e;
        }
    }
    return best;
}

static void nearly(const double *v, size_t n, struct form *f)
{
    f->kind = CHUNK_VALUE_NEAR;
    f->exponent = near_exponent(v, n);
    f->outs = 0;
    for (size_t i = 0; i < n; i++) {
        f->out[i] = special(v[i]);
        f->ulp[i] = 0;
        if (!f->out[i])
            near_one(v[i], f->exponent, &f->k[i], &f->ulp[i]);
    }
    fill(f, n);
}

static void as_bits(const double *v, size_t n, struct form *f)
{
    f->kind = CHUNK_VALUE_BITS;
    f->exponent = 0;
    f->outs = 0;
    for (size_t i = 0; i < n; i++) {
        f->out[i] = special(v[i]);
        f->k[i] = (int64_t)double_bits(v[i]);
    }
    fill(f, n);
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

/* The largest number that divides all differences; 1 where there is no difference, or one that
 * does not fit. */
static uint64_t common_factor(const int64_t *k, size_t n)
{
    uint64_t g = 0;
    int64_t difference;
    for (size_t i = 1; i < n && g != 1; i++) {
        uint64_t d = k[i] > k[i - 1] ? (uint64_t)k[i] - (uint64_t)k[i - 1]
                                     : (uint64_t)k[i - 1] - (uint64_t)k[i];
        if (d)
            g = (g & (g - 1)) == 0 && g && (d & (g - 1)) == 0 ? g : gcd(d, g);
        if (__builtin_sub_overflow(k[i], k[0], &difference))
            return 1;
    }
    return g && g <= INT64_MAX ? g : 1;
}

static void put_special(struct buf *out, uint64_t bits)
{
    if (bits == SAMPLE_STALE_BITS) {
        buf_put_c(out, CHUNK_VALUE_STALE);
    } else if (bits == CHUNK_ABSENT_BITS) {
        buf_put_c(out, CHUNK_VALUE_ABSENT);
    } else if (bits == SAMPLE_NAN_BITS) {
        buf_put_c(out, CHUNK_VALUE_NAN);
    } else {
        uint8_t raw[8];
        store64(raw, bits);
        buf_put_c(out, CHUNK_VALUE_RAW);
        buf_put(out, raw, sizeof raw);
    }
}

/* Runs of exceptions with the same bits: gap, length, what. */
static void put_exceptions(struct buf *out, const double *v, const struct form *f, size_t n)
{
    size_t count = 0, at = 0;
    for (size_t i = 0; i < n; i++)
        count += f->out[i] && !(i && f->out[i - 1] && double_bits(v[i]) == double_bits(v[i - 1]));
    buf_put_varint(out, count);
    for (size_t i = 0; i < n;) {
        if (!f->out[i]) {
            i++;
            continue;
        }
        size_t run = 1;
        while (i + run < n && f->out[i + run] && double_bits(v[i + run]) == double_bits(v[i]))
            run++;
        buf_put_varint(out, i - at);
        buf_put_varint(out, run);
        put_special(out, double_bits(v[i]));
        i += run;
        at = i;
    }
}

static void put_form(struct buf *out, const double *v, const struct form *f, size_t n)
{
    bool any = false;
    for (size_t i = 0; i < n; i++)
        any |= f->out[i];
    int64_t x[CHUNK_MAX];
    uint64_t factor = common_factor(f->k, n);
    unsigned head = (unsigned)f->kind | (any ? (unsigned)CHUNK_VALUE_EXCEPTIONS : 0) |
                    (factor > 1 ? (unsigned)CHUNK_VALUE_FACTOR : 0) |
                    MIN(f->exponent, 15u) << CHUNK_VALUE_EXPONENT;
    for (size_t i = 0; i < n; i++)
        x[i] = (int64_t)((uint64_t)f->k[i] - (uint64_t)f->k[0]);
    for (size_t i = 0; i < n && factor > 1; i++)
        x[i] /= (int64_t)factor;
    buf_put_c(out, (char)head);
    if (any)
        put_exceptions(out, v, f, n);
    if (f->exponent >= 15)
        buf_put_c(out, (char)f->exponent);
    buf_put_varint(out, zigzag(f->k[0]));
    if (factor > 1)
        buf_put_varint(out, factor);
    chunk_int_encode(x + 1, n - 1, out);
    if (f->kind == CHUNK_VALUE_NEAR)
        chunk_int_encode(f->ulp, n, out);
}

/* Takes what lies in out behind `from` back where decoding it does not give v again. */
static bool holds(const struct buf *out, size_t from, const double *v, size_t n)
{
    double back[CHUNK_MAX];
    size_t len = out->n - from, used;
    return !out->failed && len <= CHUNK_BYTES_MAX &&
           chunk_decode(out->p + from, len, n, back, &used) == 0 && used == len &&
           memcmp(back, v, n * sizeof *v) == 0;
}

/* Writes f behind out and keeps it where it holds and is shorter than what begins at *best. */
static void attempt(struct buf *out, const double *v, const struct form *f, size_t n, size_t start,
                    size_t *best)
{
    size_t from = out->n;
    put_form(out, v, f, n);
    size_t len = out->n - from;
    if (out->failed || len >= *best || !holds(out, from, v, n)) {
        out->n = from;
        return;
    }
    memmove(out->p + start, out->p + from, len);
    out->n = start + len;
    *best = len;
}

int chunk_encode(const double *v, size_t n, struct buf *out)
{
    must(n >= 1 && n <= CHUNK_MAX);
    struct buf work;
    buf_init(&work, 4 * CHUNK_BYTES_MAX);
    struct form f;
    size_t best = SIZE_MAX;
    bool plain = decimal(v, n, &f, n / 16 < EXCEPTIONS_MAX ? n / 16 : EXCEPTIONS_MAX);
    if (plain)
        attempt(&work, v, &f, n, 0, &best);
    bool settled = best < n / 2 && !f.outs;
    if (!plain || (f.exponent > EXPONENT_PLAIN && !settled) || f.outs || best == SIZE_MAX) {
        nearly(v, n, &f);
        attempt(&work, v, &f, n, 0, &best);
    }
    /* What decimals made this short, bits cannot make shorter. */
    if (best == SIZE_MAX || (best >= n * 3 && f.kind == CHUNK_VALUE_NEAR)) {
        as_bits(v, n, &f);
        attempt(&work, v, &f, n, 0, &best);
    }
    /* The bits always come back; a miss is a bug in this file. */
    must(best != SIZE_MAX);
    buf_put(out, work.p, work.n);
    buf_done(&work);
    return buf_failed(out) ? -ERR_LIMIT : 0;
}

bool chunk_is_const(const double *v, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (double_bits(v[i]) != double_bits(v[0]))
            return false;
    return true;
}
