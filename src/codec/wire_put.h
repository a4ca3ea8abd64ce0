/* codec/wire_put.h - writes protobuf fields: for tests, and for what we send one day.
 *
 * Threads: pure functions.
 */
#ifndef CODEC_WIRE_PUT_H
#define CODEC_WIRE_PUT_H

#include "base/bits.h"
#include "base/buf.h"

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

#endif
