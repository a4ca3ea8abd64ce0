#include "codec/tsdb_wal.h"

#include "base/bits.h"
#include "base/hash.h"
#include "codec/byte_in.h"
#include "model/labels.h"
#include "pack/pack.h"
#include "pack/snappy.h"

enum {
    PAGE = 32 * 1024,
    HEAD = 7,              /* type, length, checksum */
    RECORD_MAX = 64 << 20, /* bytes of a record, unpacked */
    KIND = 0x07,
    SNAPPY = 0x08,
    ZSTD = 0x10,
};

/* What a fragment is of its record. */
enum { FILLING = 0, WHOLE = 1, FIRST = 2, MIDDLE = 3, LAST = 4 };

void tsdb_wal_init(struct tsdb_wal *w)
{
    buf_init(&w->record, RECORD_MAX);
    buf_init(&w->unpacked, (size_t)RECORD_MAX + SNAPPY_SLACK);
    w->torn = false;
}

void tsdb_wal_done(struct tsdb_wal *w)
{
    buf_done(&w->record);
    buf_done(&w->unpacked);
}

static int unpack(struct tsdb_wal *w, unsigned flags, struct str *ret, struct why *why)
{
    struct str packed = buf_str(&w->record);
    size_t n;
    buf_clear(&w->unpacked);
    *ret = packed;
    if (flags & ZSTD) {
        int err = pack_unpack(PACK_ZSTD, packed, &w->unpacked, RECORD_MAX, why);
        *ret = buf_str(&w->unpacked);
        return err;
    }
    if (!(flags & SNAPPY))
        return 0;
    if (snappy_length(packed, &n) != 0 || n > RECORD_MAX)
        return why_set(why, ERR_CORRUPT, "a record of the log is no snappy block");
    char *to = buf_reserve(&w->unpacked, n + SNAPPY_SLACK);
    if (to == NULL || snappy_decode(packed, (uint8_t *)to, n) != 0)
        return why_set(why, ERR_CORRUPT, "a record of the log cannot be unpacked");
    buf_commit(&w->unpacked, n);
    *ret = buf_str(&w->unpacked);
    return 0;
}

/* The fragment at *at: its type and flags, or FILLING at the segment's end. */
static int take_fragment(struct str segment, size_t *at, unsigned *ret_type, struct str *ret,
                         struct why *why)
{
    for (;;) {
        size_t left = PAGE - *at % PAGE;
        if (*at >= segment.n || (left < HEAD && segment.n - *at <= left)) {
            *ret_type = FILLING;
            return 0;
        }
        unsigned type = (unsigned char)segment.p[*at];
        if (left >= HEAD && (type & KIND) != FILLING)
            break;
        *at += left; /* the rest of a page may be zeros */
    }
    struct byte_in b = byte_in_of(str_sub(segment, *at, segment.n));
    *ret_type = (unsigned)byte_in_be(&b, 1);
    uint64_t length = byte_in_be(&b, 2), sum = byte_in_be(&b, 4);
    if (b.past || length > byte_in_left(&b) || *at % PAGE + HEAD + length > PAGE)
        return why_set(why, ERR_FORMAT, "a record of the log is cut off");
    *ret = str_of((const char *)b.p, (size_t)length);
    if (hash_crc32c(0, ret->p, ret->n) != sum)
        return why_set(why, ERR_CORRUPT, "a record of the log: its checksum does not fit");
    *at += HEAD + (size_t)length;
    return 0;
}

int tsdb_wal_record(struct tsdb_wal *w, struct str segment, size_t *at, struct str *ret,
                    struct why *why)
{
    for (;;) {
        struct str fragment;
        unsigned type;
        int err = take_fragment(segment, at, &type, &fragment, why);
        if (err != 0 || type == FILLING)
            return err;
        unsigned kind = type & KIND;
        if (kind > LAST || (kind != MIDDLE && kind != LAST) == w->torn) {
            bool begins = kind == WHOLE || kind == FIRST;
            w->torn = false;
            if (!begins)
                return why_set(why, ERR_FORMAT, "a record of the log without its begin");
        }
        if (kind == WHOLE || kind == FIRST)
            buf_clear(&w->record);
        buf_put_str(&w->record, fragment);
        w->torn = kind == FIRST || kind == MIDDLE;
        if (buf_failed(&w->record))
            return why_set(why, ERR_LIMIT, "a record of the log is longer than %d bytes",
                           RECORD_MAX);
        if (w->torn)
            continue;
        err = unpack(w, type, ret, why);
        return err == 0 ? 1 : err;
    }
}

/* ---- records */

int tsdb_wal_series(struct str record, void (*f)(void *context, uint64_t ref, struct str key),
                    void *context)
{
    struct byte_in b = byte_in_of(record);
    struct buf key;
    if (byte_in_be(&b, 1) != TSDB_WAL_SERIES)
        return -ERR_UNSUPPORTED;
    buf_init(&key, 2 * LABELS_KEY_MAX);
    while (b.p < b.end && !b.past) {
        uint64_t ref = byte_in_be(&b, 8), n = byte_in_varint(&b);
        buf_clear(&key);
        for (uint64_t i = 0; i < n && !b.past; i++) {
            struct str name = byte_in_text(&b), value = byte_in_text(&b);
            labels_put(&key, name, value);
        }
        if (!b.past && !buf_failed(&key))
            f(context, ref, buf_str(&key));
    }
    buf_done(&key);
    return b.past ? -ERR_FORMAT : 0;
}

static bool take_spans(struct byte_in *b, struct arena *a, const struct histogram_span **ret,
                       uint32_t *ret_n)
{
    uint64_t n = byte_in_varint(b);
    if (b->past || n > HISTOGRAM_BUCKETS_MAX)
        return false;
    struct histogram_span *spans = arena_array(a, (size_t)n + 1, sizeof *spans);
    for (uint64_t i = 0; i < n; i++) {
        spans[i].offset = (int32_t)unzigzag(byte_in_varint(b));
        spans[i].length = (uint32_t)byte_in_varint(b);
    }
    *ret = spans;
    *ret_n = (uint32_t)n;
    return !b->past;
}

static double take_double(struct byte_in *b)
{
    return bits_double(byte_in_be(b, 8));
}

/* Counts of whole numbers are differences of neighbours. */
static bool take_counts(struct byte_in *b, bool is_float, struct arena *a, const double **ret,
                        uint32_t *ret_n)
{
    uint64_t n = byte_in_varint(b);
    int64_t before = 0;
    if (b->past || n > HISTOGRAM_BUCKETS_MAX)
        return false;
    double *counts = arena_array(a, (size_t)n + 1, sizeof *counts);
    for (uint64_t i = 0; i < n; i++) {
        if (is_float) {
            counts[i] = take_double(b);
            continue;
        }
        before = (int64_t)((uint64_t)before + (uint64_t)unzigzag(byte_in_varint(b)));
        counts[i] = (double)before;
    }
    *ret = counts;
    *ret_n = (uint32_t)n;
    return !b->past;
}

static bool take_bounds(struct byte_in *b, struct arena *a, struct histogram *h)
{
    uint64_t n = byte_in_varint(b);
    if (b->past || n > HISTOGRAM_BUCKETS_MAX)
        return false;
    double *bounds = arena_array(a, (size_t)n + 1, sizeof *bounds);
    for (uint64_t i = 0; i < n; i++)
        bounds[i] = take_double(b);
    h->custom_bounds = bounds;
    h->custom_n = (uint32_t)n;
    return !b->past;
}

static bool take_histogram(struct byte_in *b, bool is_float, struct arena *a,
                           const struct histogram **ret)
{
    struct histogram *h = arena_new(a, sizeof *h);
    h->is_float = is_float;
    h->reset = (uint8_t)(byte_in_be(b, 1) & 3);
    h->schema = (int32_t)unzigzag(byte_in_varint(b));
    h->zero_threshold = take_double(b);
    h->zero_count = is_float ? take_double(b) : (double)byte_in_varint(b);
    h->count = is_float ? take_double(b) : (double)byte_in_varint(b);
    h->sum = take_double(b);
    *ret = h;
    bool fine = take_spans(b, a, &h->positive_spans, &h->positive_spans_n) &&
                take_spans(b, a, &h->negative_spans, &h->negative_spans_n) &&
                take_counts(b, is_float, a, &h->positive, &h->positive_n) &&
                take_counts(b, is_float, a, &h->negative, &h->negative_n);
    return fine && (h->schema != HISTOGRAM_SCHEMA_CUSTOM || take_bounds(b, a, h));
}

int tsdb_wal_samples(struct str record, struct arena *a,
                     int (*f)(void *context, const struct tsdb_wal_sample *s), void *context)
{
    struct byte_in b = byte_in_of(record);
    unsigned type = (unsigned)byte_in_be(&b, 1);
    bool floats = type == TSDB_WAL_SAMPLES;
    bool wholes = type == TSDB_WAL_HISTOGRAMS || type == TSDB_WAL_CUSTOM_HISTOGRAMS;
    int err = 0;
    if (!floats && !wholes && type != TSDB_WAL_FLOAT_HISTOGRAMS &&
        type != TSDB_WAL_CUSTOM_FLOAT_HISTOGRAMS)
        return -ERR_UNSUPPORTED;
    if (b.p == b.end)
        return b.past ? -ERR_FORMAT : 0;
    uint64_t base_ref = byte_in_be(&b, 8), base_ms = byte_in_be(&b, 8);
    while (b.p < b.end && !b.past && err == 0) {
        struct tsdb_wal_sample s = {.ref = base_ref + (uint64_t)unzigzag(byte_in_varint(&b))};
        s.ts_ms = (int64_t)(base_ms + (uint64_t)unzigzag(byte_in_varint(&b)));
        if (floats)
            s.value = take_double(&b);
        else if (!take_histogram(&b, !wholes, a, &s.histogram))
            return -ERR_FORMAT;
        if (!b.past)
            err = f(context, &s);
    }
    return err != 0 ? err : b.past ? -ERR_FORMAT : 0;
}
