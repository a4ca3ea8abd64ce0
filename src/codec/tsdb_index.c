#include "codec/tsdb_index.h"

#include "base/bits.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/vec.h"
#include "codec/byte_in.h"
#include "model/labels.h"

enum {
    MAGIC_INDEX = 0xbaaad700,
    MAGIC_CHUNKS = 0x85bd40dd,
    MAGIC_TOMBSTONES = 0x0130ba30,
    HEAD = 5, /* magic, version */
    TOC = 6 * 8 + 4,
    ALIGNMENT = 16, /* of series in version 2 */
    CHUNKS_MAX = 1 << 24,
    SEGMENT_HEAD = 8,
};

static bool sum_fits(struct str bytes, const uint8_t *sum)
{
    struct byte_in r = {sum, sum + 4, false};
    return hash_crc32c(0, bytes.p, bytes.n) == byte_in_be(&r, 4);
}

static int damaged(const char *what, struct why *why)
{
    return why_set(why, ERR_CORRUPT, "%s: its checksum does not fit", what);
}

/* ---- symbols */

static int read_symbols(struct tsdb_index *x, size_t at, struct why *why)
{
    struct byte_in r = byte_in_of(str_sub(x->bytes, at, x->bytes.n));
    uint64_t length = byte_in_be(&r, 4);
    if (r.past || length < 4 || length + 4 > (uint64_t)(r.end - r.p))
        return why_set(why, ERR_FORMAT, "the index's symbols reach past its end");
    struct str table = str_of((const char *)r.p, (size_t)length);
    if (!sum_fits(table, r.p + length))
        return damaged("the index's symbols", why);
    r = byte_in_of(table);
    uint64_t n = byte_in_be(&r, 4);
    if (n > length)
        return why_set(why, ERR_FORMAT, "the index has more symbols than bytes for them");
    x->symbols = mem_array((size_t)n + 1, sizeof *x->symbols);
    x->symbols_n = (size_t)n;
    for (size_t i = 0; i < x->symbols_n; i++)
        x->symbols[i] = byte_in_text(&r);
    return r.past ? why_set(why, ERR_FORMAT, "the index's symbols are cut off") : 0;
}

/* Version 1 refers to a symbol by where it lies. */
static bool symbol(const struct tsdb_index *x, uint64_t ref, struct str *ret)
{
    if (x->version == 2) {
        if (ref >= x->symbols_n)
            return false;
        *ret = x->symbols[ref];
        return true;
    }
    if (ref >= x->bytes.n)
        return false;
    struct byte_in r = byte_in_of(str_sub(x->bytes, (size_t)ref, x->bytes.n));
    *ret = byte_in_text(&r);
    return !r.past;
}

int tsdb_index_open(struct str bytes, struct tsdb_index *ret, struct why *why)
{
    struct byte_in r = byte_in_of(bytes);
    struct tsdb_index x = {.bytes = bytes};
    if (bytes.n < HEAD + TOC || byte_in_be(&r, 4) != MAGIC_INDEX)
        return why_set(why, ERR_FORMAT, "this is no index of a Prometheus block");
    x.version = (unsigned)byte_in_be(&r, 1);
    if (x.version != 1 && x.version != 2)
        return why_set(why, ERR_UNSUPPORTED, "an index of version %u, only 1 and 2 are known",
                       x.version);
    struct str toc = str_sub(bytes, bytes.n - TOC, bytes.n - 4);
    if (!sum_fits(toc, (const uint8_t *)bytes.p + bytes.n - 4))
        return damaged("the index's table of contents", why);
    r = byte_in_of(toc);
    uint64_t symbols = byte_in_be(&r, 8), series = byte_in_be(&r, 8), next = byte_in_be(&r, 8);
    for (int i = 0; i < 3 && next == 0; i++) /* a section that is not there */
        next = byte_in_be(&r, 8);
    if (series > bytes.n - TOC || next > bytes.n - TOC || symbols > bytes.n - TOC || next < series)
        return why_set(why, ERR_FORMAT, "the index's sections reach past its end");
    x.series_from = (size_t)series;
    x.series_to = (size_t)next;
    int err = read_symbols(&x, (size_t)symbols, why);
    if (err != 0) {
        tsdb_index_done(&x);
        return err;
    }
    *ret = x;
    return 0;
}

void tsdb_index_done(struct tsdb_index *x)
{
    mem_free(x->symbols);
    x->symbols = NULL;
}

/* ---- series */

static bool read_labels(const struct tsdb_index *x, struct byte_in *r, struct buf *key)
{
    uint64_t n = byte_in_varint(r);
    if (r->past || n > LABELS_KEY_MAX)
        return false;
    for (uint64_t i = 0; i < n; i++) {
        struct str name, value;
        uint64_t a = byte_in_varint(r), b = byte_in_varint(r);
        if (r->past || !symbol(x, a, &name) || !symbol(x, b, &value))
            return false;
        labels_put(key, name, value);
    }
    return !buf_failed(key);
}

static bool read_chunks(struct byte_in *r, struct tsdb_series *ret)
{
    uint64_t n = byte_in_varint(r), ref = 0;
    int64_t last = 0;
    if (r->past || n > CHUNKS_MAX || n > (uint64_t)(r->end - r->p))
        return false;
    ret->chunks_n = 0;
    ret->chunks = vec_grow(ret->chunks, sizeof *ret->chunks, (size_t)n + 1, &ret->capacity);
    for (uint64_t i = 0; i < n; i++) {
        struct tsdb_chunk c;
        uint64_t first = byte_in_varint(r);
        c.first_ms = i == 0 ? unzigzag(first) : (int64_t)((uint64_t)last + first);
        c.last_ms = last = (int64_t)((uint64_t)c.first_ms + byte_in_varint(r));
        uint64_t step = byte_in_varint(r);
        ref = i == 0 ? step : ref + (uint64_t)unzigzag(step);
        c.ref = ref;
        ret->chunks[ret->chunks_n++] = c;
    }
    return !r->past;
}

int tsdb_index_series(const struct tsdb_index *x, size_t *at, struct buf *key,
                      struct tsdb_series *ret, struct why *why)
{
    size_t from = *at;
    if (x->version == 2)
        from = (from + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (from >= x->series_to)
        return 0;
    struct byte_in r = byte_in_of(str_sub(x->bytes, from, x->series_to));
    uint64_t length = byte_in_varint(&r);
    if (r.past || length == 0 || length + 4 > (uint64_t)(r.end - r.p))
        return why_set(why, ERR_FORMAT, "a series at %zu of the index is cut off", from);
    struct str entry = str_of((const char *)r.p, (size_t)length);
    if (!sum_fits(entry, r.p + length))
        return damaged("a series of the index", why);
    *at = (size_t)(r.p - (const uint8_t *)x->bytes.p) + (size_t)length + 4;
    r = byte_in_of(entry);
    ret->id = x->version == 2 ? from / ALIGNMENT : from;
    if (!read_labels(x, &r, key) || !read_chunks(&r, ret))
        return why_set(why, ERR_FORMAT, "a series at %zu of the index is malformed", from);
    return 1;
}

/* ---- chunks and tombstones */

int tsdb_index_chunk(struct str segment, uint64_t offset, unsigned *ret_type, struct str *ret,
                     struct why *why)
{
    struct byte_in r = byte_in_of(segment);
    if (byte_in_be(&r, 4) != MAGIC_CHUNKS)
        return why_set(why, ERR_FORMAT, "a file of chunks does not begin as one");
    if (offset < SEGMENT_HEAD || offset >= segment.n)
        return why_set(why, ERR_FORMAT, "a chunk lies past the end of its file");
    r = byte_in_of(str_sub(segment, (size_t)offset, segment.n));
    uint64_t length = byte_in_varint(&r);
    if (r.past || length > (uint64_t)(r.end - r.p) || (uint64_t)(r.end - r.p) - length < 5)
        return why_set(why, ERR_FORMAT, "a chunk reaches past the end of its file");
    struct str checked = str_of((const char *)r.p, (size_t)length + 1);
    if (!sum_fits(checked, r.p + length + 1))
        return damaged("a chunk", why);
    *ret_type = r.p[0];
    *ret = str_sub(checked, 1, checked.n);
    return 0;
}

int tsdb_index_tombstones(struct str bytes, struct tsdb_tombstone **ret, size_t *ret_n,
                          struct why *why)
{
    struct {
        struct tsdb_tombstone *v;
        size_t n, capacity;
    } found = {0};
    struct byte_in r = byte_in_of(bytes);
    *ret = NULL;
    *ret_n = 0;
    if (bytes.n == 0)
        return 0;
    if (bytes.n < HEAD + 4 || byte_in_be(&r, 4) != MAGIC_TOMBSTONES || byte_in_be(&r, 1) != 1)
        return why_set(why, ERR_FORMAT, "tombstones of a form that is not known");
    struct str entries = str_sub(bytes, HEAD, bytes.n - 4);
    if (!sum_fits(entries, (const uint8_t *)bytes.p + bytes.n - 4))
        return damaged("the tombstones", why);
    r = byte_in_of(entries);
    while (r.p < r.end && !r.past) {
        struct tsdb_tombstone t = {.id = byte_in_varint(&r)};
        t.from_ms = unzigzag(byte_in_varint(&r));
        t.to_ms = unzigzag(byte_in_varint(&r));
        vec_push(&found, t);
    }
    if (r.past) {
        vec_free(&found);
        return why_set(why, ERR_FORMAT, "the tombstones are cut off");
    }
    *ret = found.v;
    *ret_n = found.n;
    return 0;
}
