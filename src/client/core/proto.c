#include "client/core/proto.h"

#include <string.h>

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_LENGTH = 2, WIRE_FIXED32 = 5, PROTO_LENGTH = 4 };

void proto_packed_varint(struct text *t, uint64_t value)
{
    char bytes[10];
    size_t n = 0;
    while (value >= 0x80) {
        bytes[n++] = (char)(value | 0x80);
        value >>= 7;
    }
    bytes[n++] = (char)value;
    text_add(t, bytes, n);
}

static void tag(struct text *t, unsigned field, unsigned wire)
{
    proto_packed_varint(t, (uint64_t)field << 3 | wire);
}

static uint64_t zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

void proto_varint(struct text *t, unsigned field, uint64_t value)
{
    tag(t, field, WIRE_VARINT);
    proto_packed_varint(t, value);
}

void proto_sint(struct text *t, unsigned field, int64_t value)
{
    proto_varint(t, field, zigzag(value));
}

void proto_packed_fixed64(struct text *t, uint64_t value)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(value >> 8 * i);
    }
    text_add(t, bytes, sizeof bytes);
}

void proto_fixed64(struct text *t, unsigned field, uint64_t value)
{
    tag(t, field, WIRE_FIXED64);
    proto_packed_fixed64(t, value);
}

void proto_fixed32(struct text *t, unsigned field, uint32_t value)
{
    tag(t, field, WIRE_FIXED32);
    uint8_t bytes[4];
    for (unsigned i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(value >> 8 * i);
    }
    text_add(t, bytes, sizeof bytes);
}

void proto_packed_double(struct text *t, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    proto_packed_fixed64(t, bits);
}

void proto_double(struct text *t, unsigned field, double value)
{
    tag(t, field, WIRE_FIXED64);
    proto_packed_double(t, value);
}

void proto_bytes(struct text *t, unsigned field, const void *bytes, size_t n)
{
    tag(t, field, WIRE_LENGTH);
    proto_packed_varint(t, n);
    text_add(t, bytes, n);
}

void proto_string(struct text *t, unsigned field, const char *s)
{
    proto_bytes(t, field, s, strlen(s));
}

void proto_packed_sint(struct text *t, int64_t value)
{
    proto_packed_varint(t, zigzag(value));
}

size_t proto_open(struct text *t, unsigned field)
{
    tag(t, field, WIRE_LENGTH);
    text_add(t, "\0\0\0\0", PROTO_LENGTH);
    return t->len;
}

void proto_close(struct text *t, size_t opened)
{
    if (t->cut || opened < PROTO_LENGTH) {
        return;
    }
    size_t n = t->len - opened;
    if (n >> (7 * PROTO_LENGTH)) { /* 256 MiB: far above every limit of a text */
        t->cut = true;
        return;
    }
    uint8_t *p = (uint8_t *)t->bytes + opened - PROTO_LENGTH;
    for (unsigned i = 0; i < PROTO_LENGTH; i++) {
        p[i] = (uint8_t)((n >> 7 * i & 0x7f) | (i + 1 < PROTO_LENGTH ? 0x80 : 0));
    }
}
