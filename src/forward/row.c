#include "forward/row.h"

#include "base/bits.h"

/* The first byte of a row. */
enum { KIND = 3, SAME_KEY = 4, HAS_START = 8 };

void row_writer_init(struct row_writer *w, size_t bytes_max)
{
    *w = (struct row_writer){0};
    buf_init(&w->bytes, bytes_max);
}

void row_writer_done(struct row_writer *w)
{
    buf_done(&w->bytes);
}

void row_writer_clear(struct row_writer *w)
{
    buf_clear(&w->bytes);
    w->rows = 0;
    w->key_n = w->key_at = 0;
    w->last_ms = 0;
}

static void put_text(struct buf *to, struct str s)
{
    buf_put_varint(to, s.n);
    buf_put_str(to, s);
}

static void put_histogram(struct buf *to, const struct histogram *h)
{
    struct buf bytes;
    buf_init(&bytes, to->max);
    histogram_encode(h, &bytes);
    put_text(to, buf_str(&bytes));
    to->failed |= buf_failed(&bytes);
    buf_done(&bytes);
}

static void put_key(struct row_writer *w, const struct row *row, bool same)
{
    if (same)
        return;
    buf_put_varint(&w->bytes, row->key.n);
    w->key_at = w->bytes.n;
    w->key_n = row->key.n;
    buf_put_str(&w->bytes, row->key);
}

int row_put(struct row_writer *w, const struct row *row)
{
    struct row_writer before = *w;
    struct buf *to = &w->bytes;
    bool same = w->key_n > 0 && row->kind != ROW_METADATA &&
                str_eq(str_of(to->p + w->key_at, w->key_n), row->key);
    unsigned head = (unsigned)row->kind | (same ? SAME_KEY : 0U);
    if (row->kind == ROW_METADATA) {
        buf_put_c(to, (char)head);
        put_text(to, row->metadata.metric);
        buf_put_c(to, (char)row->metadata.type);
        put_text(to, row->metadata.help);
        put_text(to, row->metadata.unit);
    } else {
        buf_put_c(to, (char)(head | (row->start_ms != 0 ? HAS_START : 0U)));
        put_key(w, row, same);
        /* By way of unsigned, as hostile times may be far apart. */
        buf_put_varint(to, zigzag((int64_t)((uint64_t)row->ts_ms - (uint64_t)w->last_ms)));
        if (row->start_ms != 0)
            buf_put_varint(to, zigzag(row->start_ms));
        if (row->kind == ROW_HISTOGRAM)
            put_histogram(to, row->histogram);
        else
            buf_put_double_raw(to, row->value);
        if (row->kind == ROW_EXEMPLAR)
            put_text(to, row->labels);
        w->last_ms = row->ts_ms;
    }
    if (buf_failed(to)) {
        to->n = before.bytes.n;
        to->failed = false;
        w->key_at = before.key_at;
        w->key_n = before.key_n;
        w->last_ms = before.last_ms;
        return -ERR_LIMIT;
    }
    w->rows++;
    return 0;
}

/* ---- reading */
void row_reader_init(struct row_reader *r, struct str bytes, struct arena *a)
{
    const uint8_t *p = (const uint8_t *)bytes.p;
    *r = (struct row_reader){.p = p, .end = p + bytes.n, .arena = a};
}

static bool get_number(struct row_reader *r, uint64_t *ret)
{
    const uint8_t *p = varint_get(r->p, r->end, ret);
    if (p == NULL)
        return false;
    r->p = p;
    return true;
}

static bool get_text(struct row_reader *r, struct str *ret)
{
    uint64_t n;
    if (!get_number(r, &n) || n > (size_t)(r->end - r->p))
        return false;
    *ret = str_of((const char *)r->p, (size_t)n);
    r->p += n;
    return true;
}

static bool get_byte(struct row_reader *r, unsigned *ret)
{
    if (r->p == r->end)
        return false;
    *ret = *r->p++;
    return true;
}

static bool get_metadata(struct row_reader *r, struct metadata *ret)
{
    unsigned type;
    if (!get_text(r, &ret->metric) || !get_byte(r, &type) || type > METRIC_STATESET ||
        !get_text(r, &ret->help) || !get_text(r, &ret->unit))
        return false;
    ret->type = (enum metric_type)type;
    return true;
}

static bool get_value(struct row_reader *r, struct row *ret)
{
    if (r->end - r->p < 8)
        return false;
    ret->value = bits_double(load64(r->p));
    r->p += 8;
    return true;
}

static bool get_histogram(struct row_reader *r, struct row *ret)
{
    struct str bytes;
    struct histogram *h;
    size_t used;
    if (!get_text(r, &bytes) ||
        histogram_decode((const uint8_t *)bytes.p, bytes.n, r->arena, &h, &used) != 0)
        return false;
    ret->histogram = h;
    return used == bytes.n;
}

static bool get_row(struct row_reader *r, unsigned head, struct row *ret)
{
    uint64_t v;
    if (!(head & SAME_KEY) && !get_text(r, &r->key))
        return false;
    if (r->key.n == 0 || !get_number(r, &v))
        return false;
    ret->key = r->key;
    ret->ts_ms = r->last_ms = (int64_t)((uint64_t)r->last_ms + (uint64_t)unzigzag(v));
    if (head & HAS_START) {
        if (!get_number(r, &v))
            return false;
        ret->start_ms = unzigzag(v);
    }
    if (ret->kind == ROW_HISTOGRAM)
        return get_histogram(r, ret);
    return get_value(r, ret) && (ret->kind != ROW_EXEMPLAR || get_text(r, &ret->labels));
}

int row_next(struct row_reader *r, struct row *ret)
{
    unsigned head;
    if (r->p == r->end)
        return 0;
    (void)get_byte(r, &head); /* there is one */
    struct row row = {.kind = (enum row_kind)(head & KIND)};
    if (head > (KIND | SAME_KEY | HAS_START))
        return -ERR_CORRUPT;
    if (row.kind == ROW_METADATA ? !get_metadata(r, &row.metadata) : !get_row(r, head, &row))
        return -ERR_CORRUPT;
    *ret = row;
    return 1;
}
