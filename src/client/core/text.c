#include "client/core/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_FIRST = 256, TEXT_NUMBER_MAX = 40 };

void text_init(struct text *t, size_t max)
{
    *t = (struct text){.max = max};
}

void text_over(struct text *t, void *memory, size_t cap)
{
    *t = (struct text){.bytes = memory, .cap = cap};
}

void text_done(struct text *t)
{
    if (t->max) {
        free(t->bytes);
        text_init(t, t->max);
    } else {
        text_clear(t);
    }
}

void text_clear(struct text *t)
{
    t->len = 0;
    t->cut = false;
}

static bool grow(struct text *t, size_t need)
{
    if (need > t->max) {
        return false;
    }
    size_t cap = t->cap ? t->cap : TEXT_FIRST;
    while (cap < need) {
        cap *= 2;
    }
    cap = cap > t->max ? t->max : cap;
    char *bytes = realloc(t->bytes, cap);
    if (!bytes) {
        return false;
    }
    t->bytes = bytes;
    t->cap = cap;
    return true;
}

char *text_room(struct text *t, size_t n)
{
    if (t->cut) {
        return NULL;
    }
    if (n > t->cap - t->len && (n > SIZE_MAX / 4 - t->len || !grow(t, t->len + n))) {
        t->cut = true;
        return NULL;
    }
    return t->bytes + t->len;
}

void text_add(struct text *t, const void *bytes, size_t n)
{
    if (!n) {
        return;
    }
    char *p = text_room(t, n);
    if (p) {
        memcpy(p, bytes, n);
        t->len += n;
    }
}

void text_add_string(struct text *t, const char *s)
{
    text_add(t, s, strlen(s));
}

void text_add_char(struct text *t, char c)
{
    text_add(t, &c, 1);
}

void text_add_u64(struct text *t, uint64_t n)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    text_add(t, digits + at, sizeof digits - at);
}

void text_add_i64(struct text *t, int64_t n)
{
    if (n < 0) {
        text_add_char(t, '-');
        text_add_u64(t, 0 - (uint64_t)n);
    } else {
        text_add_u64(t, (uint64_t)n);
    }
}

void text_add_hex(struct text *t, const uint8_t *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    char *p = n ? text_room(t, 2 * n) : NULL;
    if (!p) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        p[2 * i] = digits[bytes[i] >> 4];
        p[2 * i + 1] = digits[bytes[i] & 15];
    }
    t->len += 2 * n;
}

/* printf of a host with another locale writes a comma; we write points. */
static void point(char *s)
{
    for (; *s; s++) {
        if (*s == ',') {
            *s = '.';
        }
    }
}

void text_add_number(struct text *t, double v)
{
    if (isnan(v)) {
        text_add_string(t, "NaN");
        return;
    }
    if (isinf(v)) {
        text_add_string(t, v > 0 ? "+Inf" : "-Inf");
        return;
    }
    if (v == floor(v) && fabs(v) < 1e15 && !(v == 0 && signbit(v))) {
        text_add_i64(t, (int64_t)v);
        return;
    }
    char s[TEXT_NUMBER_MAX];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, v);
        if (digits == 17 || strtod(s, NULL) == v) { /* same locale both ways */
            break;
        }
    }
    point(s);
    text_add_string(t, s);
}

void text_printf(struct text *t, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *p = n >= 0 ? text_room(t, (size_t)n + 1) : NULL;
    if (p) {
        vsnprintf(p, (size_t)n + 1, format, again);
        t->len += (size_t)n;
    }
    va_end(again);
}

const char *text_string(struct text *t)
{
    if (t->len < t->cap || (t->max && grow(t, t->len + 1))) {
        t->bytes[t->len] = 0;
        return t->bytes;
    }
    return "";
}

bool text_same(const char *s, size_t n, const char *b)
{
    return strlen(b) == n && memcmp(s, b, n) == 0;
}
