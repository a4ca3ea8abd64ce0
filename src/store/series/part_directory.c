#include "store/series/part_directory.h"

#include "base/bits.h"
#include "base/vec.h"
#include "store/series/chunk.h"
#include "store/series/chunk_int.h"

/* The columns, in their order on disk. */
enum field {
    FIELD_FLAGS, /* kind | has_start << 2 | summarised << 3 */
    FIELD_TS_REF,
    FIELD_TS_FIRST,
    FIELD_SLOTS,
    FIELD_ABSENT,
    FIELD_FIRST_MS,
    FIELD_SPAN_MS,
    FIELD_BYTES,
    FIELDS,
};

void part_directory_done(struct part_directory *d)
{
    vec_free(d);
}

static int64_t value_of(const struct part_directory_entry *e, enum field c)
{
    switch (c) {
    case FIELD_FLAGS:
        return e->kind | e->has_start << 2 | e->summarised << 3;
    case FIELD_TS_REF:
        return e->ts_ref;
    case FIELD_TS_FIRST:
        return e->ts_first;
    case FIELD_SLOTS:
        return e->slots;
    case FIELD_ABSENT:
        return e->absent;
    case FIELD_FIRST_MS:
        return e->first_ms;
    case FIELD_SPAN_MS:
        return (int64_t)((uint64_t)e->last_ms - (uint64_t)e->first_ms);
    case FIELD_BYTES:
        return e->bytes;
    case FIELDS:
        break;
    }
    return 0;
}

static void put_consts(const struct part_directory *d, struct buf *out)
{
    double v[CHUNK_MAX];
    size_t n = 0;
    for (size_t i = 0; i < d->n; i++) {
        if (d->v[i].kind == PART_CONST)
            v[n++] = d->v[i].value;
        /* A failure is remembered by the buffer, whose owner looks. */
        if (n && (n == CHUNK_MAX || i + 1 == d->n)) {
            if (chunk_encode(v, n, out))
                return;
            n = 0;
        }
    }
}

void part_directory_encode(const struct part_directory *d, struct buf *out)
{
    uint8_t head[2 * VARINT_MAX], *p = varint_put(varint_put(head, d->offset), d->n);
    buf_put(out, head, (size_t)(p - head));
    int64_t chunks[INDEX_BLOCK];
    for (size_t i = 0; i < d->series; i++)
        chunks[i] = d->chunks[i];
    chunk_int_encode(chunks, d->series, out);
    int64_t *x = mem_array(d->n + 1, sizeof *x);
    for (enum field c = 0; c < FIELDS; c++) {
        for (size_t i = 0; i < d->n; i++)
            x[i] = value_of(&d->v[i], c);
        chunk_int_encode(x, d->n, out);
    }
    mem_free(x);
    put_consts(d, out);
}

struct cursor {
    const uint8_t *p, *end;
};

static bool integers(struct cursor *c, size_t n, int64_t *x)
{
    size_t used;
    if (chunk_int_decode_copy(c->p, (size_t)(c->end - c->p), n, x, &used))
        return false;
    c->p += used;
    return true;
}

/* One column's value into an entry; false where it is out of its limits. */
static bool take(struct part_directory_entry *e, enum field c, int64_t v)
{
    if (c == FIELD_FIRST_MS) {
        e->first_ms = v;
        return true;
    }
    if (v < 0)
        return false;
    if (c == FIELD_SPAN_MS) {
        e->last_ms = (int64_t)((uint64_t)e->first_ms + (uint64_t)v);
        return e->last_ms >= e->first_ms;
    }
    if (v > UINT32_MAX)
        return false;
    uint32_t u = (uint32_t)v;
    switch (c) {
    case FIELD_FLAGS:
        e->kind = u & 3;
        e->has_start = u >> 2 & 1;
        e->summarised = u >> 3 & 1;
        return u < 16;
    case FIELD_TS_REF:
        e->ts_ref = u;
        return true;
    case FIELD_TS_FIRST:
        e->ts_first = u;
        return u < PART_TS_MAX;
    case FIELD_SLOTS:
        e->slots = u;
        return u >= 1 && u <= CHUNK_MAX;
    case FIELD_ABSENT:
        e->absent = u;
        return u < e->slots;
    default:
        e->bytes = u;
        return true;
    }
}

static bool consts(struct cursor *c, struct part_directory *d)
{
    size_t left = 0, i = 0;
    for (size_t k = 0; k < d->n; k++)
        left += d->v[k].kind == PART_CONST;
    while (left) {
        double v[CHUNK_MAX];
        size_t n = MIN(left, (size_t)CHUNK_MAX), used;
        if (chunk_decode(c->p, (size_t)(c->end - c->p), n, v, &used))
            return false;
        c->p += used;
        left -= n;
        for (size_t k = 0; k < n; i++)
            if (d->v[i].kind == PART_CONST)
                d->v[i].value = v[k++];
    }
    return true;
}

static bool columns(struct cursor *c, struct part_directory *d)
{
    int64_t *x = mem_raw((d->n + INDEX_BLOCK) * sizeof *x);
    bool good = true;
    for (enum field k = 0; k < FIELDS && good; k++) {
        good = integers(c, d->n, x);
        for (size_t i = 0; i < d->n && good; i++)
            good = take(&d->v[i], k, x[i]);
    }
    mem_free(x);
    return good && consts(c, d);
}

int part_directory_decode(const uint8_t *p, size_t len, uint32_t series, struct part_directory *ret)
{
    struct cursor c = {p, p + len};
    uint64_t offset, n, total = 0;
    int64_t chunks[INDEX_BLOCK];
    c.p = varint_get(c.p, c.end, &offset);
    c.p = c.p ? varint_get(c.p, c.end, &n) : NULL;
    if (!c.p || n > PART_DIRECTORY_CHUNKS_MAX || series > INDEX_BLOCK ||
        !integers(&c, series, chunks))
        return -ERR_CORRUPT;
    for (uint32_t i = 0; i < series; i++) {
        if (chunks[i] < 0 || (uint64_t)chunks[i] > n)
            return -ERR_CORRUPT;
        ret->chunks[i] = (uint32_t)chunks[i];
        total += (uint64_t)chunks[i];
    }
    if (total != n)
        return -ERR_CORRUPT;
    vec_reserve(ret, n + 1);
    ret->n = n;
    ret->series = series;
    ret->offset = offset;
    return columns(&c, ret) ? 0 : -ERR_CORRUPT;
}
