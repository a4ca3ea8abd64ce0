#include "query/promql/promql_tree.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "text/duration.h"
#include "text/quote.h"

enum { NUMBER_TEXT_MAX = 400 }; /* bytes: 1e308 written out, and room */

const char *promql_error_text(enum promql_error kind)
{
    static const char *const texts[] = {"",        "bad_data", "execution",
                                        "timeout", "canceled", "internal"};
    return texts[kind];
}

const char *promql_type_text(enum promql_type type)
{
    static const char *const texts[] = {"scalar", "vector", "matrix", "string"};
    return texts[type];
}

void promql_position(struct str text, uint32_t pos, char *out, size_t out_n)
{
    uint32_t line = 1, column = 1;
    for (uint32_t i = 0; i < pos && i < text.n; i++) {
        column++;
        if (text.p[i] == '\n') {
            line++;
            column = 1;
        }
    }
    snprintf(out, out_n, "%u:%u", line, column);
}

static void put_utf8(struct buf *b, unsigned long c)
{
    if (c < 0x80) {
        buf_put_c(b, (char)c);
    } else if (c < 0x800) {
        buf_put_c(b, (char)(0xc0 | (c >> 6)));
        buf_put_c(b, (char)(0x80 | (c & 63)));
    } else if (c < 0x10000) {
        buf_put_c(b, (char)(0xe0 | (c >> 12)));
        buf_put_c(b, (char)(0x80 | ((c >> 6) & 63)));
        buf_put_c(b, (char)(0x80 | (c & 63)));
    } else {
        buf_put_c(b, (char)(0xf0 | (c >> 18)));
        buf_put_c(b, (char)(0x80 | ((c >> 12) & 63)));
        buf_put_c(b, (char)(0x80 | ((c >> 6) & 63)));
        buf_put_c(b, (char)(0x80 | (c & 63)));
    }
}

/* One escape at s.p[at] (behind the backslash), which the lexer has found to be well formed;
 * returns the position behind it. */
static size_t unescape(struct str s, size_t at, struct buf *out)
{
    static const char names[] = "abfnrtv", values[] = "\a\b\f\n\r\t\v";
    char c = s.p[at++];
    const char *simple = strchr(names, c);
    if (simple && c) {
        buf_put_c(out, values[simple - names]);
        return at;
    }
    bool octal = c >= '0' && c < '8';
    size_t digits = octal ? 3 : c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits == 0) {
        buf_put_c(out, c);
        return at;
    }
    at -= octal;
    char text[16] = "";
    for (size_t i = 0; i < digits && at < s.n; i++)
        text[i] = s.p[at++];
    unsigned long value = strtoul(text, NULL, octal ? 8 : 16);
    if (octal || c == 'x')
        buf_put_c(out, (char)value);
    else
        put_utf8(out, value);
    return at;
}

int promql_unquote(struct str literal, struct arena *a, struct str *ret,
                   struct promql_failure *failure)
{
    struct str body = str_sub(literal, 1, literal.n - 1);
    if (literal.p[0] == '`') {
        *ret = arena_str(a, body);
        return 0;
    }
    struct buf out;
    buf_init(&out, literal.n * 4 + 8);
    for (size_t i = 0; i < body.n;) {
        if (body.p[i] == '\\' && i + 1 < body.n)
            i = unescape(body, i + 1, &out);
        else
            buf_put_c(&out, body.p[i++]);
    }
    *ret = arena_str(a, buf_str(&out));
    buf_done(&out);
    return 0;
}

void promql_quote(struct str s, struct buf *out)
{
    quote_put(out, s);
}

/* The fewest digits that read back as v, in %e form. */
static void shortest(double v, char *out, size_t out_n)
{
    for (int precision = 0; precision <= 16; precision++) {
        snprintf(out, out_n, "%.*e", precision, v);
        if (strtod(out, NULL) == v)
            return;
    }
}

static bool put_special(double v, struct buf *out)
{
    if (isnan(v))
        buf_put_str(out, STR("NaN"));
    else if (isinf(v))
        buf_put_str(out, v > 0 ? STR("+Inf") : STR("-Inf"));
    return isnan(v) || isinf(v);
}

/* Digits without dot in digits, the decimal exponent of the first as the return value. */
static int digits_of(double v, char *digits)
{
    char text[64];
    shortest(fabs(v), text, sizeof text);
    size_t n = 0;
    const char *p = text;
    for (; *p && *p != 'e'; p++) {
        if (*p != '.')
            digits[n++] = *p;
    }
    while (n > 1 && digits[n - 1] == '0')
        n--;
    digits[n] = 0;
    int64_t exponent = 0;
    must(*p == 'e' && str_i64(str_c(p[1] == '+' ? p + 2 : p + 1), &exponent));
    return (int)exponent;
}

static void put_plain(const char *digits, int exponent, struct buf *out)
{
    int n = (int)strlen(digits);
    if (exponent < 0) {
        buf_put_str(out, STR("0."));
        for (int i = -1; i > exponent; i--)
            buf_put_c(out, '0');
        buf_put_str(out, str_c(digits));
        return;
    }
    for (int i = 0; i < n || i <= exponent; i++) {
        if (i == exponent + 1)
            buf_put_c(out, '.');
        buf_put_c(out, i < n ? digits[i] : '0');
    }
}

void promql_number_put(double v, struct buf *out)
{
    if (put_special(v, out))
        return;
    if (signbit(v))
        buf_put_c(out, '-');
    char digits[64];
    int exponent = digits_of(v, digits);
    put_plain(digits, exponent, out);
}

void promql_number_short(double v, struct buf *out)
{
    if (put_special(v, out))
        return;
    if (signbit(v))
        buf_put_c(out, '-');
    char digits[64];
    int exponent = digits_of(v, digits);
    if (exponent >= -4 && exponent < 21) {
        put_plain(digits, exponent, out);
        return;
    }
    buf_put_c(out, digits[0]);
    if (digits[1]) {
        buf_put_c(out, '.');
        buf_put_str(out, str_c(digits + 1));
    }
    buf_printf(out, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
}

/* Whole numbers with a base: 0x1f, 0755, 0b1, 0o7. */
static bool read_integer(const char *text, double *ret)
{
    int base = 10;
    const char *p = text;
    if (p[0] == '0' && (p[1] | 32) == 'x')
        base = 16, p += 2;
    else if (p[0] == '0' && (p[1] | 32) == 'b')
        base = 2, p += 2;
    else if (p[0] == '0' && (p[1] | 32) == 'o')
        base = 8, p += 2;
    else if (p[0] == '0' && p[1])
        base = 8, p++;
    char *end;
    errno = 0;
    long long v = strtoll(p, &end, base);
    if (*end || end == p || errno || *p == '-' || *p == '+')
        return false;
    *ret = (double)v;
    return true;
}

bool promql_number_read(struct str text, double *ret, bool *ret_range)
{
    char plain[NUMBER_TEXT_MAX + 1];
    size_t n = 0;
    *ret_range = false;
    for (size_t i = 0; i < text.n && n < NUMBER_TEXT_MAX; i++) {
        if (text.p[i] != '_')
            plain[n++] = text.p[i];
    }
    plain[n] = 0;
    if (n == 0 || text.n > NUMBER_TEXT_MAX)
        return false;
    if (read_integer(plain, ret))
        return true;
    char *end;
    double v = strtod(plain, &end);
    if (*end || end == plain)
        return false;
    bool named =
        (plain[0] | 32) == 'i' || ((plain[0] == '+' || plain[0] == '-') && (plain[1] | 32) == 'i');
    if (isinf(v) && !named) {
        *ret_range = true;
        return false;
    }
    *ret = isnan(v) ? (double)NAN : v;
    return true;
}

int promql_duration_read(struct str text, int64_t *ret_ms, struct why *why)
{
    return duration_read(text, ret_ms, why);
}

int promql_duration(struct str text, int64_t *ret_ms)
{
    char plain[64];
    if (text.n > 0 && text.n < sizeof plain) {
        memcpy(plain, text.p, text.n);
        plain[text.n] = 0;
        char *end;
        double seconds = strtod(plain, &end);
        if (*end == 0 && end != plain && !strpbrk(plain, "xXnN ")) {
            if (!(fabs(seconds) < 9.2e9))
                return -ERR_RANGE;
            *ret_ms = (int64_t)(seconds * 1000);
            return 0;
        }
    }
    struct why why = {0};
    int err = promql_duration_read(text, ret_ms, &why);
    return err;
}

void promql_duration_print(int64_t ms, struct buf *out)
{
    duration_put(out, ms);
}
