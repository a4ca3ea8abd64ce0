#include "pack/snappy.h"

#include <stdbool.h>
#include <string.h>

#include "base/bits.h"
#include "base/err.h"

/* A block is a varint with the unpacked length, then elements that begin with a tag byte whose low
 * two bits are the kind:
 *   0  literal; upper six bits: length - 1, or 60..63: that many (-59) bytes of length follow
 *   1  copy of 4..11 bytes (bits 2..4), offset of 11 bits: bits 5..7 and the next byte
 *   2  copy of 1..64 bytes, offset in two bytes     3  the same with four bytes
 *
 * While more than IN_MARGIN bytes of input are left, elements are copied in wide steps that may go
 * past their ends (into what later elements overwrite, or into the slack); the rest is done
 * carefully. */
enum { LENGTH_MAX_BYTES = 5, IN_MARGIN = 5 + 64 };

static const uint8_t *preamble(struct str in, uint64_t *ret)
{
    const uint8_t *p = (const uint8_t *)in.p;
    const uint8_t *after = varint_get(p, p + MIN(in.n, (size_t)LENGTH_MAX_BYTES), ret);
    return after && *ret <= UINT32_MAX ? after : NULL;
}

int snappy_length(struct str in, size_t *ret)
{
    uint64_t n;
    if (in.n == 0 || !preamble(in, &n))
        return -ERR_FORMAT;
    *ret = (size_t)n;
    return 0;
}

static inline void copy16(uint8_t *to, const uint8_t *from)
{
    uint8_t block[16];
    memcpy(block, from, 16);
    memcpy(to, block, 16);
}

/* Repeats the last offset (1..15) bytes before op, for n <= 64 bytes; up to 64 are written. */
static inline void copy_pattern(uint8_t *op, size_t offset, size_t n)
{
    /* A multiple of the pattern's length that is no shorter than a step. */
    static const uint8_t periods[16] = {0,  16, 16, 18, 16, 20, 18, 21,
                                        16, 18, 20, 22, 24, 26, 28, 30};
    const uint8_t *from = op - offset;
    if (offset >= 8) {
        uint8_t block[8];
        memcpy(block, from, 8);
        memcpy(op, block, 8);
        memcpy(block, from + 8, 8);
        memcpy(op + 8, block, 8);
    } else {
        for (size_t i = 0; i < 16; i++)
            op[i] = from[i];
    }
    from = op - periods[offset];
    for (size_t done = 16; done < n; done += 16)
        copy16(op + done, from + done);
}

struct element {
    const uint8_t *ip; /* behind it, or behind the tag of a literal */
    size_t n, offset;  /* offset 0: a literal */
};

/* Reads the element at ip with all checks of the input; false where it is cut off. */
static bool read_element(const uint8_t *ip, const uint8_t *end, struct element *ret)
{
    uint8_t tag = *ip++;
    size_t left = (size_t)(end - ip);
    size_t extra = tag & 3;
    if (extra == 0) {
        ret->offset = 0;
        ret->n = (size_t)(tag >> 2) + 1;
        extra = ret->n > 60 ? ret->n - 60 : 0;
        if (extra > left)
            return false;
        if (extra) {
            uint32_t n = 0;
            memcpy(&n, ip, extra);
            ret->n = (size_t)load32(&n) + 1;
        }
        ret->ip = ip + extra;
        return true;
    }
    extra = extra == 3 ? 4 : extra;
    if (extra > left)
        return false;
    uint32_t bytes = 0;
    memcpy(&bytes, ip, extra);
    bytes = load32(&bytes);
    if ((tag & 3) == 1) {
        ret->n = (size_t)((tag >> 2) & 7) + 4;
        ret->offset = (size_t)(tag >> 5) << 8 | bytes;
    } else {
        ret->n = (size_t)(tag >> 2) + 1;
        ret->offset = bytes;
    }
    ret->ip = ip + extra;
    return ret->offset != 0;
}

/* The end of a block, or all of a small one: one element after the other, byte by byte. */
static int decode_carefully(const uint8_t *ip, const uint8_t *ip_end, uint8_t *out, uint8_t *op,
                            uint8_t *op_end)
{
    while (ip < ip_end) {
        struct element e;
        if (!read_element(ip, ip_end, &e) || e.n > (size_t)(op_end - op))
            return -ERR_FORMAT;
        ip = e.ip;
        if (e.offset == 0) {
            if (e.n > (size_t)(ip_end - ip))
                return -ERR_FORMAT;
            memcpy(op, ip, e.n);
            ip += e.n;
        } else {
            if (e.offset > (size_t)(op - out))
                return -ERR_FORMAT;
            for (size_t i = 0; i < e.n; i++)
                op[i] = op[(ptrdiff_t)i - (ptrdiff_t)e.offset];
        }
        op += e.n;
    }
    return op == op_end ? 0 : -ERR_FORMAT;
}

/* For each tag of a copy: its length, and for kind 1 the upper bits of its offset at bit 8. */
#define COPY1(t) (uint16_t)((((t) >> 2 & 7) + 4) | ((t) >> 5) << 8)
#define COPY2(t) (uint16_t)(((t) >> 2) + 1)
#define TAG(t)   ((t)&3) == 1 ? COPY1(t) : COPY2(t)
#define TAG4(t)  TAG(t), TAG((t) + 1), TAG((t) + 2), TAG((t) + 3)
#define TAG16(t) TAG4(t), TAG4((t) + 4), TAG4((t) + 8), TAG4((t) + 12)
#define TAG64(t) TAG16(t), TAG16((t) + 16), TAG16((t) + 32), TAG16((t) + 48)
static const uint16_t TAGS[256] = {TAG64(0), TAG64(64), TAG64(128), TAG64(192)};

HOT int snappy_decode(struct str in, uint8_t *out, size_t out_n)
{
    static const uint32_t masks[4] = {0, 0xff, 0xffff, 0xffffffff};
    uint64_t length;
    const uint8_t *ip = in.n ? preamble(in, &length) : NULL;
    if (!ip || length != out_n)
        return -ERR_FORMAT;
    const uint8_t *ip_end = (const uint8_t *)in.p + in.n;
    uint8_t *op = out, *op_end = out + out_n;

    /* Inside, an element may read IN_MARGIN bytes and write 64, however few of them it is
     * about: the output has SNAPPY_SLACK for that. */
    while (ip_end - ip > IN_MARGIN) {
        uint8_t tag = *ip++;
        size_t kind = tag & 3;
        if (kind == 0) {
            size_t n = (size_t)(tag >> 2) + 1;
            if (LIKELY(n <= 60)) {
                if (UNLIKELY(n > (size_t)(op_end - op)))
                    return -ERR_FORMAT;
                copy16(op, ip);
                if (n > 16) {
                    copy16(op + 16, ip + 16);
                    copy16(op + 32, ip + 32);
                    copy16(op + 48, ip + 48);
                }
            } else {
                size_t extra = n - 60;
                n = (size_t)(load32(ip) & (uint32_t)((1ull << (8 * extra)) - 1)) + 1;
                ip += extra;
                if (n > (size_t)(op_end - op) || n > (size_t)(ip_end - ip))
                    return -ERR_FORMAT;
                memcpy(op, ip, n);
            }
            ip += n;
            op += n;
            continue;
        }
        uint16_t entry = TAGS[tag];
        size_t n = entry & 0xff;
        size_t offset = (load32(ip) & masks[kind]) + (entry & 0x700u);
        ip += kind == 3 ? 4 : kind;
        if (UNLIKELY(offset - 1 >= (size_t)(op - out) || n > (size_t)(op_end - op)))
            return -ERR_FORMAT;
        const uint8_t *from = op - offset;
        if (LIKELY(offset >= 16)) {
            copy16(op, from);
            if (n > 16) {
                copy16(op + 16, from + 16);
                if (n > 32) {
                    copy16(op + 32, from + 32);
                    copy16(op + 48, from + 48);
                }
            }
        } else {
            copy_pattern(op, offset, n);
        }
        op += n;
    }
    return decode_carefully(ip, ip_end, out, op, op_end);
}
