#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "base/mem.h"
#include "base/must.h"

enum { FIRST_CAPACITY = 64 }; /* bytes */

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_done(struct buf *b)
{
    mem_free(b->p);
    buf_init(b, b->max);
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->failed = false;
}

char *buf_reserve(struct buf *b, size_t n)
{
    if (b->failed || n > b->max - b->n) {
        b->failed = true;
        return NULL;
    }
    if (n > b->capacity - b->n) {
        size_t wanted = MAX(b->n + n, MAX(b->capacity * 2, (size_t)FIRST_CAPACITY));
        b->capacity = MIN(wanted, b->max);
        b->p = mem_resize(b->p, b->capacity);
    }
    return b->p + b->n;
}

void buf_commit(struct buf *b, size_t n)
{
    must(n <= b->capacity - b->n);
    b->n += n;
}

void buf_put(struct buf *b, const void *p, size_t n)
{
    if (n == 0)
        return;
    char *to = buf_reserve(b, n);
    if (!to)
        return;
    memcpy(to, p, n);
    b->n += n;
}

void buf_put_str(struct buf *b, struct str s)
{
    buf_put(b, s.p, s.n);
}

void buf_put_c(struct buf *b, char c)
{
    buf_put(b, &c, 1);
}

void buf_put_u64(struct buf *b, uint64_t v)
{
    char digits[20];
    size_t i = sizeof digits;
    do {
        digits[--i] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    buf_put(b, digits + i, sizeof digits - i);
}

void buf_put_i64(struct buf *b, int64_t v)
{
    if (v < 0)
        buf_put_c(b, '-');
    buf_put_u64(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void buf_put_varint(struct buf *b, uint64_t v)
{
    uint8_t bytes[VARINT_MAX];
    buf_put(b, bytes, (size_t)(varint_put(bytes, v) - bytes));
}

void buf_put_double_raw(struct buf *b, double v)
{
    uint8_t bytes[8];
    store64(bytes, double_bits(v));
    buf_put(b, bytes, sizeof bytes);
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    must(n >= 0);

    /* vsnprintf() ends with a NUL, for which one more byte is asked where the cap allows. */
    char *to = (size_t)n < b->max - b->n ? buf_reserve(b, (size_t)n + 1) : NULL;
    if (to) {
        vsnprintf(to, (size_t)n + 1, format, again);
        b->n += (size_t)n;
    } else if (n > 0) {
        b->failed = true;
    }
    va_end(again);
}

void buf_shift(struct buf *b, size_t n)
{
    must(n <= b->n);
    if (n == 0)
        return;
    memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
}
