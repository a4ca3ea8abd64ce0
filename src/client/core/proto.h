/* client/core/proto.h - protobuf's wire format, written into a text.
 *
 * A nested message is opened and closed; its length takes four bytes of padded varint, which every
 * reader accepts, so that nothing has to be moved.
 *
 * Source:  protobuf.dev/programming-guides/encoding
 * Threads: one at a time.
 */
#ifndef CLIENT_CORE_PROTO_H
#define CLIENT_CORE_PROTO_H

#include <stddef.h>
#include <stdint.h>

#include "client/core/text.h"

void proto_varint(struct text *t, unsigned field, uint64_t value); /* bool, enum, (u)int32/64 */
void proto_sint(struct text *t, unsigned field, int64_t value);    /* sint32, sint64: zigzag */
void proto_fixed64(struct text *t, unsigned field, uint64_t value);
void proto_fixed32(struct text *t, unsigned field, uint32_t value);
void proto_double(struct text *t, unsigned field, double value);
void proto_bytes(struct text *t, unsigned field, const void *bytes, size_t n);
void proto_string(struct text *t, unsigned field, const char *s);

/* Opens a message (or a packed list, filled by proto_packed_..); gives what proto_close() needs. */
size_t proto_open(struct text *t, unsigned field);
void proto_close(struct text *t, size_t opened);
void proto_packed_varint(struct text *t, uint64_t value);
void proto_packed_sint(struct text *t, int64_t value);
void proto_packed_double(struct text *t, double value);
void proto_packed_fixed64(struct text *t, uint64_t value);

#endif
