/* codec/wire_put.h - writes protobuf fields: for tests, and for what we send one day.
 *
 * Threads: pure functions.
 */
#ifndef CODEC_WIRE_PUT_H
#define CODEC_WIRE_PUT_H

#include "base/bits.h"
#include "base/buf.h"

static inline void wire_put_varint(struct buf *out, uint64_t v)
{
    uint8_t bytes[VARINT_MAX];
    buf_put(out, bytes, (size_t)(varint_put(bytes, v) - bytes));
}

static inline void wire_put_int(struct buf *out, unsigned field, uint64_t v)
{
    wire_put_varint(out, (uint64_t)field << 3);
    wire_put_varint(out, v);
}

static inline void wire_put_double(struct buf *out, unsigned field, double v)
{
    uint8_t bytes[8];
    wire_put_varint(out, (uint64_t)field << 3 | 1);
    store64(bytes, double_bits(v));
    buf_put(out, bytes, sizeof bytes);
}

static inline void wire_put_bytes(struct buf *out, unsigned field, struct str s)
{
    wire_put_varint(out, (uint64_t)field << 3 | 2);
    wire_put_varint(out, s.n);
    buf_put_str(out, s);
}

#endif
