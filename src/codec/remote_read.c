#include "codec/remote_read.h"

#include "base/bits.h"
#include "base/hash.h"
#include "codec/wire.h"
#include "codec/wire_put.h"

/* ---- the request */

enum {
    REQUEST_QUERY = WIRE_TAG(1, WIRE_BYTES),
    REQUEST_ACCEPT = WIRE_TAG(2, WIRE_VARINT),
    REQUEST_ACCEPT_PACKED = WIRE_TAG(2, WIRE_BYTES),
    QUERY_START = WIRE_TAG(1, WIRE_VARINT),
    QUERY_END = WIRE_TAG(2, WIRE_VARINT),
    QUERY_MATCHER = WIRE_TAG(3, WIRE_BYTES),
    MATCHER_TYPE = WIRE_TAG(1, WIRE_VARINT),
    MATCHER_NAME = WIRE_TAG(2, WIRE_BYTES),
    MATCHER_VALUE = WIRE_TAG(3, WIRE_BYTES),
};

enum { ACCEPT_SAMPLES = 0, ACCEPT_CHUNKS = 1 };

static int malformed(struct str bytes, const uint8_t *at, const char *what, struct why *why)
{
    return why_set(why, ERR_FORMAT, "remote read request, byte %zu: %s",
                   (size_t)(at - (const uint8_t *)bytes.p), what);
}

static const uint8_t *start_of(struct str bytes)
{
    static const uint8_t nothing[1];
    return bytes.n ? (const uint8_t *)bytes.p : nothing;
}

static bool read_matcher(const struct wire_field *in, struct remote_read_matcher *ret)
{
    struct wire_field f;
    *ret = (struct remote_read_matcher){.name = STR(""), .value = STR("")};
    for (const uint8_t *p = in->p, *end = p + in->n; p < end;) {
        p = wire_next(p, end, &f);
        if (!p)
            return false;
        if (wire_tag(&f) == MATCHER_TYPE) {
            if (f.v > REMOTE_READ_NOT_REGEX)
                return false;
            ret->type = (enum remote_read_match)f.v;
        } else if (wire_tag(&f) == MATCHER_NAME) {
            ret->name = str_of((const char *)f.p, f.n);
        } else if (wire_tag(&f) == MATCHER_VALUE) {
            ret->value = str_of((const char *)f.p, f.n);
        }
    }
    return true;
}

static int read_query(struct str bytes, const struct wire_field *in, struct arena *a,
                      struct remote_read_query *ret, struct why *why)
{
    struct wire_field f;
    *ret = (struct remote_read_query){
        .matchers = arena_array(a, REMOTE_READ_MATCHERS_MAX, sizeof *ret->matchers)};
    for (const uint8_t *p = in->p, *end = p + in->n, *at = p; p < end; at = p) {
        p = wire_next(p, end, &f);
        if (!p)
            return malformed(bytes, at, "a query cannot be read", why);
        if (wire_tag(&f) == QUERY_START) {
            ret->from_ms = (int64_t)f.v;
        } else if (wire_tag(&f) == QUERY_END) {
            ret->to_ms = (int64_t)f.v;
        } else if (wire_tag(&f) == QUERY_MATCHER) {
            if (ret->matchers_n == REMOTE_READ_MATCHERS_MAX)
                return why_set(why, ERR_LIMIT, "a remote read query has more than %d matchers",
                               REMOTE_READ_MATCHERS_MAX);
            if (!read_matcher(&f, &ret->matchers[ret->matchers_n++]))
                return malformed(bytes, at, "a matcher cannot be read", why);
        }
    }
    return 0;
}

/* The first form of the client's list that is known counts; an empty list means samples. */
static void accept(struct remote_read_request *r, uint64_t v, bool *chosen)
{
    if (*chosen || v > ACCEPT_CHUNKS)
        return;
    *chosen = true;
    r->streamed = v == ACCEPT_CHUNKS;
}

static bool accept_packed(struct remote_read_request *r, const struct wire_field *f, bool *chosen)
{
    for (const uint8_t *p = f->p, *end = p + f->n; p < end;) {
        uint64_t v;
        p = varint_get(p, end, &v);
        if (!p)
            return false;
        accept(r, v, chosen);
    }
    return true;
}

static size_t count_queries(struct str bytes)
{
    struct wire_field f;
    size_t n = 0;
    const uint8_t *p = start_of(bytes), *end = p + bytes.n;
    while (p && p < end) {
        p = wire_next(p, end, &f);
        n += p && wire_tag(&f) == REQUEST_QUERY;
    }
    return n;
}

int remote_read_decode(struct str bytes, struct arena *a, struct remote_read_request *ret,
                       struct why *why)
{
    struct wire_field f;
    bool chosen = false;
    size_t n = count_queries(bytes);
    *ret = (struct remote_read_request){0};
    if (n > REMOTE_READ_QUERIES_MAX)
        return why_set(why, ERR_LIMIT, "a remote read request has more than %d queries",
                       REMOTE_READ_QUERIES_MAX);
    ret->queries = arena_array(a, n + 1, sizeof *ret->queries);
    const uint8_t *p = start_of(bytes), *end = p + bytes.n, *at = p;
    for (; p < end; at = p) {
        p = wire_next(p, end, &f);
        if (!p)
            return malformed(bytes, at, "this is no protobuf field", why);
        int err = 0;
        if (wire_tag(&f) == REQUEST_QUERY)
            err = read_query(bytes, &f, a, &ret->queries[ret->queries_n++], why);
        else if (wire_tag(&f) == REQUEST_ACCEPT)
            accept(ret, f.v, &chosen);
        else if (wire_tag(&f) == REQUEST_ACCEPT_PACKED && !accept_packed(ret, &f, &chosen))
            err = malformed(bytes, at, "the accepted forms cannot be read", why);
        if (err)
            return err;
    }
    return 0;
}

/* ---- histograms and samples */

static void put_doubles(struct buf *out, unsigned field, const double *v, size_t n)
{
    if (n == 0)
        return;
    buf_put_varint(out, (uint64_t)field << 3 | WIRE_BYTES);
    buf_put_varint(out, n * sizeof *v);
    for (size_t i = 0; i < n; i++) {
        uint8_t bytes[8];
        store64(bytes, double_bits(v[i]));
        buf_put(out, bytes, sizeof bytes);
    }
}

/* Whole counts, as differences of neighbours. */
static void put_deltas(struct buf *out, unsigned field, const double *v, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += varint_len(zigzag((int64_t)v[i] - (i ? (int64_t)v[i - 1] : 0)));
    if (n == 0)
        return;
    buf_put_varint(out, (uint64_t)field << 3 | WIRE_BYTES);
    buf_put_varint(out, bytes);
    for (size_t i = 0; i < n; i++)
        buf_put_varint(out, zigzag((int64_t)v[i] - (i ? (int64_t)v[i - 1] : 0)));
}

void remote_read_put_histogram(struct buf *out, const struct histogram *h, int64_t ts_ms)
{
    enum { COUNT = 1, COUNT_FLOAT, SUM, SCHEMA, THRESHOLD, ZERO, ZERO_FLOAT };
    enum { NEGATIVE_SPANS = 8, NEGATIVE_DELTAS, NEGATIVE_COUNTS };
    enum { POSITIVE_SPANS = 11, POSITIVE_DELTAS, POSITIVE_COUNTS, RESET, TIME, BOUNDS };
    if (h->is_float)
        wire_put_double(out, COUNT_FLOAT, h->count);
    else
        wire_put_int(out, COUNT, (uint64_t)h->count);
    wire_put_double(out, SUM, h->sum);
    wire_put_int(out, SCHEMA, zigzag(h->schema));
    wire_put_double(out, THRESHOLD, h->zero_threshold);
    if (h->is_float)
        wire_put_double(out, ZERO_FLOAT, h->zero_count);
    else
        wire_put_int(out, ZERO, (uint64_t)h->zero_count);
    wire_put_spans(out, NEGATIVE_SPANS, h->negative_spans, h->negative_spans_n);
    if (h->is_float)
        put_doubles(out, NEGATIVE_COUNTS, h->negative, h->negative_n);
    else
        put_deltas(out, NEGATIVE_DELTAS, h->negative, h->negative_n);
    wire_put_spans(out, POSITIVE_SPANS, h->positive_spans, h->positive_spans_n);
    if (h->is_float)
        put_doubles(out, POSITIVE_COUNTS, h->positive, h->positive_n);
    else
        put_deltas(out, POSITIVE_DELTAS, h->positive, h->positive_n);
    wire_put_int(out, RESET, h->reset);
    wire_put_int(out, TIME, (uint64_t)ts_ms);
    put_doubles(out, BOUNDS, h->custom_bounds, h->custom_n);
}

static void put_sample(struct buf *out, int64_t ts_ms, double v)
{
    enum { SAMPLE = WIRE_TAG(2, WIRE_BYTES) };
    buf_put_varint(out, SAMPLE);
    buf_put_varint(out, 1 + 8 + 1 + varint_len((uint64_t)ts_ms));
    wire_put_double(out, 1, v);
    wire_put_int(out, 2, (uint64_t)ts_ms);
}

void remote_read_put_series(struct buf *result, struct str key,
                            const struct prom_chunk_samples *samples)
{
    struct buf series, histogram;
    buf_init(&series, result->max);
    buf_init(&histogram, result->max);
    buf_put_str(&series, key); /* a key is the labels as protobuf has them, in field 1 */
    for (size_t i = 0; i < samples->n; i++) {
        if (!samples->histogram || !samples->histogram[i])
            put_sample(&series, samples->ts_ms[i], samples->value[i]);
    }
    for (size_t i = 0; samples->histogram && i < samples->n; i++) {
        if (!samples->histogram[i])
            continue;
        buf_clear(&histogram);
        remote_read_put_histogram(&histogram, samples->histogram[i], samples->ts_ms[i]);
        wire_put_bytes(&series, 4, buf_str(&histogram));
    }
    wire_put_bytes(result, 1, buf_str(&series));
    result->failed |= buf_failed(&series) || buf_failed(&histogram);
    buf_done(&histogram);
    buf_done(&series);
}

void remote_read_put_result(struct buf *out, struct str result)
{
    wire_put_bytes(out, 1, result);
}

/* ---- frames */

/* Length, CRC32C (big end first), message: a ChunkedReadResponse with one series' chunks. */
static void put_frame(struct buf *out, size_t query, struct str series)
{
    size_t message = 1 + varint_len(series.n) + series.n;
    if (query)
        message += 1 + varint_len(query);
    buf_put_varint(out, message);
    size_t at = out->n;
    buf_put(out, "\0\0\0\0", 4);
    wire_put_bytes(out, 1, series);
    if (query)
        wire_put_int(out, 2, query);
    if (buf_failed(out))
        return;
    uint32_t crc = hash_crc32c(0, out->p + at + 4, out->n - at - 4);
    for (size_t i = 0; i < 4; i++)
        out->p[at + i] = (char)(crc >> (24 - 8 * i));
}

static void put_chunk(struct buf *series, const struct prom_chunk_samples *samples, size_t at,
                      size_t n, enum prom_chunk_type type, struct str data)
{
    uint64_t first = (uint64_t)samples->ts_ms[at], last = (uint64_t)samples->ts_ms[at + n - 1];
    buf_put_varint(series, WIRE_TAG(2, WIRE_BYTES));
    buf_put_varint(series, 1 + varint_len(first) + 1 + varint_len(last) + 1 +
                               varint_len((uint64_t)type) + 1 + varint_len(data.n) + data.n);
    wire_put_int(series, 1, first);
    wire_put_int(series, 2, last);
    wire_put_int(series, 3, (uint64_t)type);
    wire_put_bytes(series, 4, data);
}

void remote_read_put_frames(struct buf *out, struct buf *scratch, size_t query, struct str key,
                            const struct prom_chunk_samples *samples)
{
    struct buf data;
    buf_init(&data, out->max);
    buf_clear(scratch);
    buf_put_str(scratch, key);
    for (size_t at = 0; at < samples->n;) {
        enum prom_chunk_type type;
        buf_clear(&data);
        size_t n = prom_chunk_take(samples, at, &data, &type);
        put_chunk(scratch, samples, at, n, type, buf_str(&data));
        at += n;
        if (at < samples->n && scratch->n < REMOTE_READ_FRAME_MAX)
            continue;
        put_frame(out, query, buf_str(scratch));
        out->failed |= buf_failed(scratch) || buf_failed(&data);
        buf_clear(scratch);
        buf_put_str(scratch, key);
    }
    buf_done(&data);
}
