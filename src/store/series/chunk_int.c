#include "store/series/chunk_int.h"

#include <string.h>

#include "base/bits.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/must.h"
#include "store/series/chunk_kernel.h"

/* The low half of a block's first byte; its high half is a width or a count. */
enum form {
    FORM_SAME,        /* all equal to the value before; the high half counts blocks */
    FORM_FRAME,       /* least value + packed */
    FORM_DELTA,       /* least difference + packed */
    FORM_ZIGZAG,      /* packed zigzag differences */
    FORM_SECOND,      /* packed zigzag differences of differences */
    FORM_DICT,        /* up to 16 values + packed indexes */
    FORM_SPARSE,      /* where it changes + packed zigzag differences there */
    FORM_PATCHED = 8, /* added to FRAME .. SECOND: outliers follow */
};

enum {
    BLOCK = CHUNK_INT_BLOCK,
    WIDTH_ESCAPE = 15, /* in the high half: the width is in the next byte */
    DICT_MAX = 16,
    SPARSE_LIST_MAX = 10, /* more changes than this are kept as a bitmap */
    SAME_MAX = 15 + 255,
    WIDTHS = 80,                       /* 0 .. 64, rounded up to whole vectors */
    BLOCK_BYTES_MAX = 32 + BLOCK * 10, /* pack() writes up to 8 bytes past its end */
};

/* What one block leaves behind for the next. */
struct state {
    int64_t prev;  /* last value */
    int64_t step;  /* last difference */
    int64_t floor; /* least difference of the last FORM_DELTA block */
};

/* One way to write a block and what it costs. */
struct plan {
    enum form form;
    bool patched;
    unsigned width;
    size_t bytes;
    int64_t base;      /* FRAME: least value, DELTA: least difference */
    const uint64_t *u; /* what is packed */
};

static unsigned width_of(uint64_t u)
{
    unsigned w = u ? 64 - (unsigned)__builtin_clzll(u) : 0;
    return w > CHUNK_KERNEL_WIDTH_MAX ? 64 : w;
}

static size_t packed_bytes(size_t n, unsigned width)
{
    return (n * width + 7) / 8;
}

static size_t head_bytes(unsigned width)
{
    return width < WIDTH_ESCAPE ? 1 : 2;
}

static uint8_t *pack(uint8_t *p, const uint64_t *u, size_t n, unsigned width)
{
    if (width == 64) {
        for (size_t i = 0; i < n; i++)
            store64(p + 8 * i, u[i]);
        return p + 8 * n;
    }
    uint64_t mask = ((uint64_t)1 << width) - 1, open = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < n; i++) {
        open |= (u[i] & mask) << bits;
        bits += width;
        store64(p, open);
        p += bits / 8;
        open >>= bits & ~7u;
        bits &= 7;
    }
    if (bits)
        *p++ = (uint8_t)open;
    return p;
}

/* How many of u[n] have which width. Two tables, since runs of one width would wait for each
 * other's count. */
static void count_widths(const uint64_t *u, size_t n, uint8_t count[WIDTHS], uint64_t *ret_seen)
{
    uint8_t part[2][WIDTHS] = {0};
    uint64_t seen = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned w = 64 - (unsigned)__builtin_clzll(u[i] | 1);
        w -= u[i] == 0;
        part[i % 2][w]++;
        seen |= (uint64_t)(u[i] != 0) << (w - (w != 0));
    }
    for (unsigned w = 0; w < WIDTHS; w++)
        count[w] = (uint8_t)(part[0][w] + part[1][w]);
    *ret_seen = seen;
}

/* The cheapest width for u[n] with and without patches, into best where it beats it. */
static void consider(struct plan *best, enum form form, int64_t base, size_t extra,
                     const uint64_t *u, size_t n)
{
    uint64_t all = 0;
    for (size_t i = 0; i < n; i++)
        all |= u[i];
    unsigned whole = width_of(all);
    size_t bytes = head_bytes(whole) + extra + packed_bytes(n, whole);
    if (bytes < best->bytes)
        *best = (struct plan){form, false, whole, bytes, base, u};
    if (whole < 2)
        return;
    /* Patches are for the few: look closer only where few are widest. */
    size_t widest = 0;
    unsigned top_bit = 63 - (unsigned)__builtin_clzll(all);
    for (size_t i = 0; i < n; i++)
        widest += u[i] >> top_bit;
    if (widest > n / 4)
        return;
    uint64_t seen; /* widths that occur, bit w - 1 */
    uint8_t count[WIDTHS];
    count_widths(u, n, count, &seen);
    /* Narrower widths, widest first: what is wider becomes a patch. */
    unsigned wider[64], wider_n = 0, patches = 0;
    uint64_t left = seen;
    while (left && patches <= n / 4) {
        unsigned top = 64 - (unsigned)__builtin_clzll(left);
        left &= ~((uint64_t)1 << (top - 1));
        wider[wider_n++] = top;
        patches += count[top];
        unsigned width = left ? 64 - (unsigned)__builtin_clzll(left) : 0;
        if (width > CHUNK_KERNEL_WIDTH_MAX)
            continue;
        bytes = head_bytes(width) + extra + packed_bytes(n, width) + 1 + packed_bytes(patches, 6);
        for (unsigned k = 0; k < wider_n; k++)
            bytes += count[wider[k]] * ((wider[k] - width + 6) / 7);
        if (bytes < best->bytes)
            *best = (struct plan){form, true, width, bytes, base, u};
    }
}

static uint8_t *put_head(uint8_t *p, unsigned form, unsigned width)
{
    *p++ = (uint8_t)(form | (width < WIDTH_ESCAPE ? width : WIDTH_ESCAPE) << 4);
    if (width >= WIDTH_ESCAPE)
        *p++ = (uint8_t)width;
    return p;
}

static uint8_t *put_patches(uint8_t *p, const uint64_t *u, size_t n, unsigned width)
{
    uint64_t at[BLOCK];
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (u[i] >> width)
            at[count++] = i;
    *p++ = (uint8_t)count;
    p = pack(p, at, count, 6);
    for (size_t k = 0; k < count; k++)
        p = varint_put(p, u[at[k]] >> width);
    return p;
}

/* FRAME .. SECOND. */
static uint8_t *put_packed(uint8_t *p, const struct plan *plan, size_t n, const struct state *s)
{
    p = put_head(p, plan->form | (plan->patched ? (unsigned)FORM_PATCHED : 0), plan->width);
    if (plan->form == FORM_FRAME)
        p = varint_put(p, zigzag((int64_t)((uint64_t)plan->base - (uint64_t)s->prev)));
    if (plan->form == FORM_DELTA)
        p = varint_put(p, zigzag((int64_t)((uint64_t)plan->base - (uint64_t)s->floor)));
    p = pack(p, plan->u, n, plan->width);
    return plan->patched ? put_patches(p, plan->u, n, plan->width) : p;
}

/* Differences that matter to several forms, worked out once. */
struct views {
    uint64_t delta[BLOCK], frame[BLOCK], framed_delta[BLOCK], zig[BLOCK], second[BLOCK];
    uint64_t frame_low[BLOCK], delta_low[BLOCK];
    size_t changes;
};

/* u = x - base; the least and third least of x as base candidates. */
static int64_t least(const int64_t *x, size_t n, int64_t *ret_third, int64_t *ret_most)
{
    int64_t a = INT64_MAX, b = INT64_MAX, c = INT64_MAX, most = INT64_MIN;
    for (size_t i = 0; i < n; i++) {
        int64_t v = x[i];
        most = v > most ? v : most;
        if (v < c) {
            if (v < a) {
                c = b, b = a, a = v;
            } else if (v < b) {
                c = b, b = v;
            } else {
                c = v;
            }
        }
    }
    *ret_third = c;
    *ret_most = most;
    return a;
}

static size_t consider_framed(struct plan *best, enum form form, const int64_t *x, size_t n,
                              int64_t before, uint64_t *u, uint64_t *u_low)
{
    int64_t third, most;
    int64_t base = least(x, n, &third, &most);
    for (size_t i = 0; i < n; i++)
        u[i] = (uint64_t)x[i] - (uint64_t)base;
    size_t extra = varint_len(zigzag((int64_t)((uint64_t)base - (uint64_t)before)));
    consider(best, form, base, extra, u, n);
    /* Lone low outliers: frame from above them, they wrap round and become patches. */
    if (n > 8 && (uint64_t)most - (uint64_t)third < ((uint64_t)most - (uint64_t)base) / 2) {
        for (size_t i = 0; i < n; i++)
            u_low[i] = (uint64_t)x[i] - (uint64_t)third;
        extra = varint_len(zigzag((int64_t)((uint64_t)third - (uint64_t)before)));
        consider(best, form, third, extra, u_low, n);
    }
    return extra;
}

/* The sorted distinct values of x[n], or 0 where there are more than DICT_MAX. */
static size_t distinct(const int64_t *x, size_t n, int64_t *ret)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        size_t at = 0;
        while (at < k && ret[at] < x[i])
            at++;
        if (at < k && ret[at] == x[i])
            continue;
        if (k == DICT_MAX)
            return 0;
        memmove(ret + at + 1, ret + at, (k - at) * sizeof *ret);
        ret[at] = x[i];
        k++;
    }
    return k;
}

static uint8_t *put_dict(uint8_t *p, const int64_t *x, size_t n, const int64_t *dict, size_t k,
                         const struct state *s)
{
    unsigned width = width_of(k - 1);
    p = put_head(p, FORM_DICT, width);
    *p++ = (uint8_t)k;
    p = varint_put(p, zigzag((int64_t)((uint64_t)dict[0] - (uint64_t)s->prev)));
    for (size_t i = 1; i < k; i++)
        p = varint_put(p, (uint64_t)dict[i] - (uint64_t)dict[i - 1]);
    uint64_t u[BLOCK];
    for (size_t i = 0; i < n; i++) {
        size_t at = 0;
        while (dict[at] != x[i])
            at++;
        u[i] = at;
    }
    return pack(p, u, n, width);
}

static size_t dict_bytes(const int64_t *dict, size_t k, size_t n, const struct state *s)
{
    size_t bytes = 2 + varint_len(zigzag((int64_t)((uint64_t)dict[0] - (uint64_t)s->prev)));
    for (size_t i = 1; i < k; i++)
        bytes += varint_len((uint64_t)dict[i] - (uint64_t)dict[i - 1]);
    return bytes + packed_bytes(n, width_of(k - 1));
}

static size_t place_bytes(size_t changes, size_t n)
{
    return changes <= SPARSE_LIST_MAX ? packed_bytes(changes, 6) : packed_bytes(n, 1);
}

static uint8_t *put_sparse(uint8_t *p, const uint64_t *zig, size_t n, unsigned width)
{
    uint64_t at[BLOCK], u[BLOCK], bit[BLOCK];
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        bit[i] = zig[i] != 0;
        at[k] = i;
        u[k] = zig[i];
        k += zig[i] != 0;
    }
    p = put_head(p, FORM_SPARSE, width);
    *p++ = (uint8_t)k;
    p = k <= SPARSE_LIST_MAX ? pack(p, at, k, 6) : pack(p, bit, n, 1);
    return pack(p, u, k, width);
}

static void state_after(struct state *s, const int64_t *x, size_t n)
{
    uint64_t before = n > 1 ? (uint64_t)x[n - 2] : (uint64_t)s->prev;
    s->step = (int64_t)((uint64_t)x[n - 1] - before);
    s->prev = x[n - 1];
}

static void look(const int64_t *x, size_t n, const struct state *s, struct views *v)
{
    uint64_t prev = (uint64_t)s->prev, step = (uint64_t)s->step;
    v->changes = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t d = (uint64_t)x[i] - prev;
        v->delta[i] = d;
        v->zig[i] = zigzag((int64_t)d);
        v->second[i] = zigzag((int64_t)(d - step));
        v->changes += d != 0;
        step = d;
        prev = (uint64_t)x[i];
    }
}

/* Writes x[n] (n <= BLOCK) in the cheapest form; at most BLOCK_BYTES_MAX bytes. */
static uint8_t *put_block(uint8_t *p, const int64_t *x, size_t n, struct state *s)
{
    struct views v;
    look(x, n, s, &v);
    struct plan best = {.bytes = SIZE_MAX};
    uint64_t zig_most = 0;
    for (size_t i = 0; i < n; i++)
        zig_most |= v.zig[i];
    size_t sparse = head_bytes(width_of(zig_most)) + 1 + place_bytes(v.changes, n) +
                    packed_bytes(v.changes, width_of(zig_most));
    consider(&best, FORM_ZIGZAG, 0, 0, v.zig, n);
    if (v.changes > 2 && sparse > 4) {
        consider_framed(&best, FORM_FRAME, x, n, s->prev, v.frame, v.frame_low);
        int64_t delta[BLOCK];
        memcpy(delta, v.delta, n * sizeof *delta);
        consider_framed(&best, FORM_DELTA, delta, n, s->floor, v.framed_delta, v.delta_low);
        consider(&best, FORM_SECOND, 0, 0, v.second, n);
    }
    int64_t dict[DICT_MAX];
    size_t k = best.bytes > 12 ? distinct(x, n, dict) : 0;
    size_t dict_cost = k > 1 ? dict_bytes(dict, k, n, s) : SIZE_MAX;
    if (sparse < best.bytes && sparse <= dict_cost)
        p = put_sparse(p, v.zig, n, width_of(zig_most));
    else if (dict_cost < best.bytes)
        p = put_dict(p, x, n, dict, k, s);
    else {
        p = put_packed(p, &best, n, s);
        if (best.form == FORM_DELTA)
            s->floor = best.base;
    }
    state_after(s, x, n);
    return p;
}

/* How many of x[n] equal prev from the start on. */
static size_t same_run(const int64_t *x, size_t n, int64_t prev)
{
    size_t i = 0;
    while (i < n && x[i] == prev)
        i++;
    return i;
}

/* Encodes into scratch block by block; out NULL only counts. */
static size_t encode(const int64_t *x, size_t n, struct buf *out)
{
    struct state s = {0};
    size_t total = 0;
    for (size_t i = 0; i < n;) {
        uint8_t block[BLOCK_BYTES_MAX], *p = block;
        size_t run = same_run(x + i, n - i, s.prev);
        size_t blocks = run == n - i ? (run + BLOCK - 1) / BLOCK : run / BLOCK;
        if (blocks) {
            blocks = MIN(blocks, (size_t)SAME_MAX + 1);
            p = put_head(p, FORM_SAME, (unsigned)MIN(blocks - 1, WIDTH_ESCAPE));
            if (blocks - 1 >= WIDTH_ESCAPE)
                p[-1] = (uint8_t)(blocks - 1 - WIDTH_ESCAPE);
            i += MIN(blocks * BLOCK, n - i);
            s.step = 0;
        } else {
            size_t take = MIN((size_t)BLOCK, n - i);
            p = put_block(p, x + i, take, &s);
            i += take;
        }
        must(p <= block + sizeof block);
        if (out)
            buf_put(out, block, (size_t)(p - block));
        total += (size_t)(p - block);
    }
    return total;
}

void chunk_int_encode(const int64_t *x, size_t n, struct buf *out)
{
    encode(x, n, out);
}

size_t chunk_int_cost(const int64_t *x, size_t n)
{
    return encode(x, n, NULL);
}

/* ---- decoding ---- */

struct reader {
    const uint8_t *p, *end; /* CHUNK_INT_PAD bytes behind end are readable */
    const struct chunk_kernel *kernel;
};

/* The packed bytes of n integers; NULL where they are cut off. */
static const uint8_t *take(struct reader *r, size_t n, unsigned width)
{
    size_t bytes = packed_bytes(n, width);
    if (bytes > (size_t)(r->end - r->p))
        return NULL;
    const uint8_t *p = r->p;
    r->p += bytes;
    return p;
}

/* Unpacks n integers into x[BLOCK]; a short block near the end of the input goes through a copy,
 * since the kernels read whole blocks. */
static int unpack(struct reader *r, size_t n, unsigned width, int64_t *x)
{
    const uint8_t *p = take(r, n, width);
    if (!p)
        return -ERR_FORMAT;
    size_t whole = packed_bytes(BLOCK, width) + 64;
    if (whole <= (size_t)(r->end - p) + CHUNK_INT_PAD) {
        r->kernel->unpack(p, width, x);
        return 0;
    }
    uint8_t copy[BLOCK * 8 + 64];
    size_t bytes = packed_bytes(n, width);
    memcpy(copy, p, bytes);
    memset(copy + bytes, 0, whole - bytes);
    r->kernel->unpack(copy, width, x);
    return 0;
}

/* The same for few integers, one by one: nothing behind x[n] is written. */
static int unpack_few(struct reader *r, size_t n, unsigned width, int64_t *x)
{
    const uint8_t *p = take(r, n, width);
    if (!p)
        return -ERR_FORMAT;
    uint64_t mask = width < 64 ? ((uint64_t)1 << width) - 1 : UINT64_MAX;
    for (size_t i = 0; i < n; i++)
        x[i] = (int64_t)(load64(p + i * width / 8) >> (i * width % 8) & mask);
    return 0;
}

static int read_patches(struct reader *r, size_t n, unsigned width, int64_t *x)
{
    if (r->p == r->end || width >= 64)
        return -ERR_FORMAT;
    size_t count = *r->p++;
    int64_t at[BLOCK];
    if (count > n || unpack_few(r, count, 6, at))
        return -ERR_FORMAT;
    for (size_t k = 0; k < count; k++) {
        uint64_t high = 0;
        r->p = varint_get(r->p, r->end, &high);
        if (!r->p)
            return -ERR_FORMAT;
        x[at[k]] = (int64_t)((uint64_t)x[at[k]] | high << width);
    }
    return 0;
}

static int read_packed(struct reader *r, unsigned form, unsigned width, size_t n, struct state *s,
                       int64_t *x)
{
    unsigned plain = form & ~(unsigned)FORM_PATCHED;
    uint64_t base = 0;
    if (plain == FORM_FRAME || plain == FORM_DELTA) {
        r->p = varint_get(r->p, r->end, &base);
        if (!r->p)
            return -ERR_FORMAT;
    }
    if (unpack(r, n, width, x))
        return -ERR_FORMAT;
    if ((form & FORM_PATCHED) && read_patches(r, n, width, x))
        return -ERR_FORMAT;
    const struct chunk_kernel *k = r->kernel;
    switch (plain) {
    case FORM_FRAME:
        k->add(x, (int64_t)((uint64_t)s->prev + (uint64_t)unzigzag(base)));
        break;
    case FORM_DELTA:
        s->floor = (int64_t)((uint64_t)s->floor + (uint64_t)unzigzag(base));
        k->sum(x, s->prev, s->floor);
        break;
    case FORM_ZIGZAG:
        k->unzigzag(x);
        k->sum(x, s->prev, 0);
        break;
    default:
        k->unzigzag(x);
        k->sum(x, s->step, 0);
        k->sum(x, s->prev, 0);
        break;
    }
    return 0;
}

static int read_dict(struct reader *r, unsigned width, size_t n, const struct state *s, int64_t *x)
{
    int64_t dict[DICT_MAX] = {0};
    if (r->p == r->end || width > 4)
        return -ERR_FORMAT;
    size_t k = *r->p++;
    if (k < 1 || k > DICT_MAX)
        return -ERR_FORMAT;
    uint64_t at = (uint64_t)s->prev;
    for (size_t i = 0; i < k; i++) {
        uint64_t v;
        r->p = varint_get(r->p, r->end, &v);
        if (!r->p)
            return -ERR_FORMAT;
        at += i ? v : (uint64_t)unzigzag(v);
        dict[i] = (int64_t)at;
    }
    if (unpack(r, n, width, x))
        return -ERR_FORMAT;
    for (size_t i = 0; i < BLOCK; i++)
        x[i] = dict[x[i] & (DICT_MAX - 1)];
    return 0;
}

static int read_sparse(struct reader *r, unsigned width, size_t n, const struct state *s,
                       int64_t *x)
{
    if (r->p == r->end)
        return -ERR_FORMAT;
    size_t k = *r->p++;
    int64_t at[BLOCK] = {0}, change[BLOCK];
    uint64_t map = 0;
    if (k > n)
        return -ERR_FORMAT;
    if (k <= SPARSE_LIST_MAX) {
        if (unpack_few(r, k, 6, at))
            return -ERR_FORMAT;
        for (size_t i = 0; i < k; i++)
            map |= (uint64_t)1 << at[i];
    } else {
        const uint8_t *bits = take(r, n, 1);
        if (!bits)
            return -ERR_FORMAT;
        memcpy(&map, bits, packed_bytes(n, 1));
        map = load64(&map);
    }
    if ((size_t)__builtin_popcountll(map) != k || unpack_few(r, k, width, change))
        return -ERR_FORMAT;
    memset(x, 0, BLOCK * sizeof *x);
    for (size_t i = 0; map; map &= map - 1)
        x[__builtin_ctzll(map)] = unzigzag((uint64_t)change[i++]);
    r->kernel->sum(x, s->prev, 0);
    return 0;
}

static int read_same(struct reader *r, unsigned high, size_t n, struct state *s, int64_t *x,
                     size_t *ret_n)
{
    size_t blocks = high + 1;
    if (high == WIDTH_ESCAPE) {
        if (r->p == r->end)
            return -ERR_FORMAT;
        blocks += *r->p++;
    }
    if ((blocks - 1) * BLOCK >= n)
        return -ERR_FORMAT;
    for (size_t i = 0; i < blocks * BLOCK; i++)
        x[i] = s->prev;
    s->step = 0;
    *ret_n = MIN(blocks * BLOCK, n);
    return 0;
}

/* Reads the next block (or run of same blocks) of at most n integers; how many into *ret_n. */
static int read_block(struct reader *r, size_t n, struct state *s, int64_t *x, size_t *ret_n)
{
    if (r->p == r->end)
        return -ERR_FORMAT;
    unsigned form = *r->p & 15, width = *r->p >> 4;
    r->p++;
    if (form == FORM_SAME)
        return read_same(r, width, n, s, x, ret_n);
    if (width == WIDTH_ESCAPE) {
        if (r->p == r->end)
            return -ERR_FORMAT;
        width = *r->p++;
        if (width > CHUNK_KERNEL_WIDTH_MAX && width != 64)
            return -ERR_FORMAT;
    }
    size_t m = MIN(n, (size_t)BLOCK);
    unsigned plain = form & ~(unsigned)FORM_PATCHED;
    int err = -ERR_FORMAT;
    if (plain >= FORM_FRAME && plain <= FORM_SECOND)
        err = read_packed(r, form, width, m, s, x);
    else if (form == FORM_DICT)
        err = read_dict(r, width, m, s, x);
    else if (form == FORM_SPARSE)
        err = read_sparse(r, width, m, s, x);
    if (err)
        return err;
    state_after(s, x, m);
    *ret_n = m;
    return 0;
}

int chunk_int_decode(const uint8_t *p, size_t len, size_t n, int64_t *ret, size_t *ret_used)
{
    struct reader r = {p, p + len, chunk_kernel()};
    struct state s = {0};
    for (size_t i = 0, got = 0; i < n; i += got)
        if (read_block(&r, n - i, &s, ret + i, &got))
            return -ERR_FORMAT;
    if (ret_used)
        *ret_used = (size_t)(r.p - p);
    return 0;
}

int chunk_int_decode_copy(const uint8_t *p, size_t len, size_t n, int64_t *ret, size_t *ret_used)
{
    if (!n) {
        if (ret_used)
            *ret_used = 0;
        return 0;
    }
    uint8_t *copy = mem_raw(len + CHUNK_INT_PAD);
    memcpy(copy, p, len);
    memset(copy + len, 0, CHUNK_INT_PAD);
    int err = chunk_int_decode(copy, len, n, ret, ret_used);
    mem_free(copy);
    return err;
}
