/* codec/wire_put.h - writes protobuf fields: for what we send, and for tests.
 *
 * Threads: pure functions.
 */
#ifndef CODEC_WIRE_PUT_H
#define CODEC_WIRE_PUT_H

#include "base/bits.h"
#include "base/buf.h"
#include "model/histogram.h"

static inline void wire_put_int(struct buf *out, unsigned field, uint64_t v)
{
    buf_put_varint(out, (uint64_t)field << 3);
    buf_put_varint(out, v);
}

static inline void wire_put_double(struct buf *out, unsigned field, double v)
{
    buf_put_varint(out, (uint64_t)field << 3 | 1);
    buf_put_double_raw(out, v);
}

static inline void wire_put_bytes(struct buf *out, unsigned field, struct str s)
{
    buf_put_varint(out, (uint64_t)field << 3 | 2);
    buf_put_varint(out, s.n);
    buf_put_str(out, s);
}

/* BucketSpan messages, which remote read and the exposition format have alike. */
static inline void wire_put_spans(struct buf *out, unsigned field, const struct histogram_span *v,
                                  size_t n)
{
    enum { OFFSET = 1, LENGTH };
    for (size_t i = 0; i < n; i++) {
        uint64_t offset = zigzag(v[i].offset);
        buf_put_varint(out, (uint64_t)field << 3 | 2);
        buf_put_varint(out, 2 + varint_len(offset) + varint_len(v[i].length));
        wire_put_int(out, OFFSET, offset);
        wire_put_int(out, LENGTH, v[i].length);
    }
}

#endif
