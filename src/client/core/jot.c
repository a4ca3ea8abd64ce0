#include "client/core/jot.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { JOT_PRINTF_MAX = 1024 };

void jot_init(struct jot *j, struct text *text)
{
    *j = (struct jot){.text = text};
}

/* The length of the well-formed UTF-8 sequence at s, or 0. */
static size_t sequence(const unsigned char *s, size_t n)
{
    static const uint8_t least[] = {0, 0, 0x80, 0xa0, 0x90};
    size_t len = s[0] < 0x80                   ? 1
                 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
                 : (s[0] & 0xf0) == 0xe0       ? 3
                 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                               : 0;
    if (len == 0 || len > n) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool too_long = (s[0] == 0xe0 || s[0] == 0xf0) && s[1] < least[len];
    bool too_far = (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf4 && s[1] > 0x8f);
    return too_long || too_far ? 0 : len;
}

static void escape(struct text *t, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    switch (c) {
    case '"':
        text_add(t, "\\\"", 2);
        break;
    case '\\':
        text_add(t, "\\\\", 2);
        break;
    case '\n':
        text_add(t, "\\n", 2);
        break;
    case '\r':
        text_add(t, "\\r", 2);
        break;
    case '\t':
        text_add(t, "\\t", 2);
        break;
    default: {
        char u[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
        text_add(t, u, sizeof u);
    }
    }
}

static void quote(struct text *t, const char *value, size_t n)
{
    const unsigned char *s = (const unsigned char *)value;
    text_add_char(t, '"');
    size_t from = 0;
    for (size_t i = 0; i < n;) {
        size_t len = sequence(s + i, n - i);
        if (len && (len > 1 || (s[i] >= 0x20 && s[i] != '"' && s[i] != '\\'))) {
            i += len;
            continue;
        }
        text_add(t, s + from, i - from);
        if (len) {
            escape(t, s[i]);
        } else {
            text_add(t, "\xef\xbf\xbd", 3);
        }
        from = ++i;
    }
    text_add(t, s + from, n - from);
    text_add_char(t, '"');
}

/* Comma and key before a value. */
static void before(struct jot *j, const char *key)
{
    if (j->comma) {
        text_add_char(j->text, ',');
    }
    if (key) {
        quote(j->text, key, strlen(key));
        text_add_char(j->text, ':');
    }
    j->comma = true;
}

static void open(struct jot *j, const char *key, char begin, char end)
{
    before(j, key);
    text_add_char(j->text, begin);
    if (j->depth < JOT_DEPTH_MAX) {
        j->end[j->depth] = end;
    } else {
        j->text->cut = true; /* a bug of the caller, which must not become one of the host */
    }
    j->depth++;
    j->comma = false;
}

void jot_object(struct jot *j, const char *key)
{
    open(j, key, '{', '}');
}

void jot_array(struct jot *j, const char *key)
{
    open(j, key, '[', ']');
}

void jot_end(struct jot *j)
{
    if (j->depth == 0) {
        return;
    }
    j->depth--;
    if (j->depth < JOT_DEPTH_MAX) {
        text_add_char(j->text, j->end[j->depth]);
    }
    j->comma = true;
}

void jot_string(struct jot *j, const char *key, const char *value)
{
    if (value) {
        jot_string_n(j, key, value, strlen(value));
    } else {
        jot_null(j, key);
    }
}

void jot_string_n(struct jot *j, const char *key, const char *value, size_t n)
{
    before(j, key);
    quote(j->text, value, n);
}

void jot_printf(struct jot *j, const char *key, const char *format, ...)
{
    char s[JOT_PRINTF_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(s, sizeof s, format, args);
    va_end(args);
    jot_string_n(j, key, s, n < 0 ? 0 : (size_t)n < sizeof s ? (size_t)n : sizeof s - 1);
}

void jot_i64(struct jot *j, const char *key, int64_t value)
{
    before(j, key);
    text_add_i64(j->text, value);
}

void jot_u64(struct jot *j, const char *key, uint64_t value)
{
    before(j, key);
    text_add_u64(j->text, value);
}

void jot_number(struct jot *j, const char *key, double value)
{
    if (isfinite(value)) {
        before(j, key);
        text_add_number(j->text, value);
    } else {
        jot_null(j, key);
    }
}

void jot_bool(struct jot *j, const char *key, bool value)
{
    before(j, key);
    text_add_string(j->text, value ? "true" : "false");
}

void jot_null(struct jot *j, const char *key)
{
    before(j, key);
    text_add_string(j->text, "null");
}

void jot_hex(struct jot *j, const char *key, const uint8_t *bytes, size_t n)
{
    before(j, key);
    text_add_char(j->text, '"');
    text_add_hex(j->text, bytes, n);
    text_add_char(j->text, '"');
}

void jot_address(struct jot *j, const char *key, uint64_t address)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(address >> (56 - 8 * i));
    }
    size_t from = 0;
    while (from < 7 && bytes[from] == 0) {
        from++;
    }
    before(j, key);
    text_add_string(j->text, "\"0x");
    text_add_hex(j->text, bytes + from, sizeof bytes - from);
    text_add_char(j->text, '"');
}

void jot_raw(struct jot *j, const char *key, const char *document, size_t n)
{
    before(j, key);
    text_add(j->text, document, n);
}

static void two(struct text *t, int n, char behind)
{
    char s[3] = {(char)('0' + n / 10), (char)('0' + n % 10), behind};
    text_add(t, s, sizeof s);
}

void jot_time(struct jot *j, const char *key, int64_t unix_ns)
{
    int64_t days = unix_ns / 86400000000000, rest = unix_ns % 86400000000000;
    if (rest < 0) {
        rest += 86400000000000;
        days--;
    }
    /* Civil date of a day number (Howard Hinnant, "chrono-compatible low-level date algorithms").
     */
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097, yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    int64_t month = mp < 10 ? mp + 3 : mp - 9, year = yoe + era * 400 + (month <= 2);
    int64_t seconds = rest / 1000000000, us = rest % 1000000000 / 1000;
    before(j, key);
    text_add_char(j->text, '"');
    text_add_i64(j->text, year);
    text_add_char(j->text, '-');
    two(j->text, (int)month, '-');
    two(j->text, (int)(doy - (153 * mp + 2) / 5 + 1), 'T');
    two(j->text, (int)(seconds / 3600), ':');
    two(j->text, (int)(seconds / 60 % 60), ':');
    two(j->text, (int)(seconds % 60), '.');
    char digits[6];
    for (int i = 5; i >= 0; i--) {
        digits[i] = (char)('0' + us % 10);
        us /= 10;
    }
    text_add(j->text, digits, sizeof digits);
    text_add_string(j->text, "Z\"");
}
