/* codec/remote_read.h - Prometheus's remote read: the request, and both forms of the answer.
 *
 * A plain answer is one ReadResponse with all samples. A streamed one is a run of frames, each with
 * a ChunkedReadResponse: chunks of one or more series of one query.
 *
 * Flow:    unpacked request -> queries; series -> answer bytes
 * Source:  Prometheus, prompb/remote.proto, prompb/types.proto and storage/remote/chunked.go.
 * Threads: pure functions; a writer belongs to one thread.
 */
#ifndef CODEC_REMOTE_READ_H
#define CODEC_REMOTE_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "codec/prom_chunk.h"

enum {
    REMOTE_READ_QUERIES_MAX = 1000,
    REMOTE_READ_MATCHERS_MAX = 256,     /* of one query */
    REMOTE_READ_FRAME_MAX = 1024 * 1024 /* bytes of a frame's message, as far as chunks allow */
};

/* As on the wire. */
enum remote_read_match {
    REMOTE_READ_EQUAL,
    REMOTE_READ_NOT_EQUAL,
    REMOTE_READ_REGEX,
    REMOTE_READ_NOT_REGEX
};

struct remote_read_matcher {
    enum remote_read_match type;
    struct str name, value;
};

struct remote_read_query {
    int64_t from_ms, to_ms;               /* both inclusive */
    struct remote_read_matcher *matchers; /* [matchers_n] */
    size_t matchers_n;
};

struct remote_read_request {
    struct remote_read_query *queries; /* [queries_n] */
    size_t queries_n;
    bool streamed; /* the client takes chunks, and prefers them to samples */
};

/* Reads a request; its texts are borrowed from bytes, the rest is a's. -ERR_FORMAT, -ERR_LIMIT. */
MUST_USE int remote_read_decode(struct str bytes, struct arena *a, struct remote_read_request *ret,
                                struct why *why);

/* ---- a plain answer */

/* Appends a TimeSeries (key and samples) to the result of the present query. */
void remote_read_put_series(struct buf *result, struct str key,
                            const struct prom_chunk_samples *samples);

/* Appends a query's result to the answer. */
void remote_read_put_result(struct buf *out, struct str result);

/* ---- a streamed answer */

/* Appends the frames of one series. scratch is the caller's, emptied here. */
void remote_read_put_frames(struct buf *out, struct buf *scratch, size_t query, struct str key,
                            const struct prom_chunk_samples *samples);

/* Appends a Histogram message as remote write and read have it. */
void remote_read_put_histogram(struct buf *out, const struct histogram *h, int64_t ts_ms);

#endif
