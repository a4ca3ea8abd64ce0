#include "text/number.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/bits.h"
#include "base/err.h"
#include "text/number_shortest.h"

/* The bits of Go's math.NaN(). */
#define NAN_BITS 0x7ff8000000000001ULL

enum {
    POINT_EXPONENT_MIN = -5, /* 0.DIGITS * 10^-5 is the first at or above 1e-6 */
    POINT_EXPONENT_MAX = 21,
    G_EXPONENT_MIN = -3, /* likewise for 1e-4 */
    G_EXPONENT_MAX = 6,
    DIGITS_ROOM = 24,
    MANTISSA_DIGITS = 19, /* that fit into 64 bits */
};

static const uint64_t MANTISSA_MAX = 1ULL << 53; /* whole numbers that a double holds exactly */

static const double TENS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                              1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                              1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* NaN and the infinities; 0 where v is finite. */
static size_t special(double v, char *out)
{
    if (isfinite(v))
        return 0;
    struct str text = isnan(v) ? STR("NaN") : v > 0 ? STR("+Inf") : STR("-Inf");
    memcpy(out, text.p, text.n);
    out[text.n] = 0;
    return text.n;
}

/* The sign; the rest of v is positive or zero. */
static char *put_sign(char *p, double *v)
{
    if (signbit(*v)) {
        *p++ = '-';
        *v = -*v;
    }
    return p;
}

/* digits and p have DIGITS_ROOM bytes and more than that: whole vectors are copied. */
static char *put_plain(char *p, const char *digits, int n, int exponent)
{
    if (exponent <= 0) {
        *p++ = '0';
        *p++ = '.';
        memset(p, '0', (size_t)-exponent);
        p += -exponent;
        memcpy(p, digits, DIGITS_ROOM);
        return p + n;
    }
    memcpy(p, digits, DIGITS_ROOM);
    if (n <= exponent) {
        memset(p + n, '0', (size_t)(exponent - n));
        return p + exponent;
    }
    p[exponent] = '.';
    memcpy(p + exponent + 1, digits + exponent, DIGITS_ROOM - 8);
    return p + n + 1;
}

static char *put_exponent(char *p, const char *digits, int n, int exponent)
{
    int shown = exponent - 1;
    *p++ = digits[0];
    if (n > 1) {
        *p++ = '.';
        memcpy(p, digits + 1, (size_t)(n - 1));
        p += n - 1;
    }
    *p++ = 'e';
    *p++ = shown < 0 ? '-' : '+';
    shown = abs(shown);
    if (shown >= 100)
        *p++ = (char)('0' + shown / 100);
    *p++ = (char)('0' + shown / 10 % 10);
    *p++ = (char)('0' + shown % 10);
    return p;
}

/* Plain where the exponent of 0.DIGITS is in [min, max], else with an exponent. */
static size_t format(double v, int min, int max, char *out)
{
    size_t n = special(v, out);
    if (n)
        return n;

    char digits[2 * DIGITS_ROOM] = "0", *p = put_sign(out, &v);
    int exponent = 1, digits_n = 1;
    if (v != 0) {
        uint64_t whole = number_shortest(v, &exponent);
        digits_n = (int)number_whole(whole, digits);
        exponent += digits_n;
    }
    p = exponent >= min && exponent <= max ? put_plain(p, digits, digits_n, exponent)
                                           : put_exponent(p, digits, digits_n, exponent);
    *p = 0;
    return (size_t)(p - out);
}

/* Whole numbers are frequent and need no search for digits; 0 where v is none. */
static size_t format_whole(double v, char *out)
{
    if (!(v >= 0 && v < 1e15) || signbit(v) || v != (double)(uint64_t)v)
        return 0;
    size_t n = number_whole((uint64_t)v, out);
    out[n] = 0;
    return n;
}

size_t number_format_f(double v, char out[NUMBER_MAX])
{
    size_t n = format_whole(v, out);
    return n ? n : format(v, INT32_MIN, INT32_MAX, out);
}

size_t number_format_point(double v, char out[NUMBER_MAX])
{
    size_t n = format_whole(v, out);
    return n ? n : format(v, POINT_EXPONENT_MIN, POINT_EXPONENT_MAX, out);
}

size_t number_format_exposition(double v, char out[NUMBER_MAX])
{
    return format(v, G_EXPONENT_MIN, G_EXPONENT_MAX, out);
}

size_t number_format_e(double v, char out[NUMBER_MAX])
{
    return format(v, INT32_MAX, INT32_MIN, out);
}

void number_put(struct buf *b, double v)
{
    char text[NUMBER_MAX];
    buf_put(b, text, number_format_f(v, text));
}

void number_put_point(struct buf *b, double v)
{
    char text[NUMBER_MAX];
    buf_put(b, text, number_format_point(v, text));
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* "inf", "infinity", "nan" behind a sign; false for anything else. */
static bool parse_word(struct str s, double *ret)
{
    bool sign = s.n && (s.p[0] == '+' || s.p[0] == '-'), negative = sign && s.p[0] == '-';
    struct str word = str_sub(s, sign, s.n);
    if ((word.n == 3 && strncasecmp(word.p, "inf", 3) == 0) ||
        (word.n == 8 && strncasecmp(word.p, "infinity", 8) == 0))
        *ret = negative ? -INFINITY : INFINITY;
    else if (!sign && word.n == 3 && strncasecmp(word.p, "nan", 3) == 0)
        *ret = bits_double(NAN_BITS);
    else
        return false;
    return true;
}

/* Does an underscore stand between digits (or behind 0x)? All of s follows the sign. */
static bool underscores_ok(const char *p, size_t n, bool hex)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != '_')
            continue;
        bool before = i > 0 && (hex ? is_hex(p[i - 1]) || (i == 2 && (p[1] | 0x20) == 'x')
                                    : is_digit(p[i - 1]));
        bool after = i + 1 < n && (hex ? is_hex(p[i + 1]) : is_digit(p[i + 1]));
        if (!before || !after)
            return false;
    }
    return true;
}

/* Is text[0..n) (no sign, no underscores) a float literal of Go? */
static bool literal_ok(const char *p, size_t n, bool hex)
{
    size_t i = hex ? 2 : 0, digits = 0;
    bool point = false;
    for (; i < n; i++) {
        if (p[i] == '.' && !point)
            point = true;
        else if (hex ? is_hex(p[i]) : is_digit(p[i]))
            digits++;
        else
            break;
    }
    if (digits == 0)
        return false;
    if (i == n)
        return !hex; /* a hexadecimal float needs its exponent */
    if ((p[i] | 0x20) != (hex ? 'p' : 'e'))
        return false;
    i++;
    if (i < n && (p[i] == '+' || p[i] == '-'))
        i++;
    size_t exponent_at = i;
    while (i < n && is_digit(p[i]))
        i++;
    return i == n && i > exponent_at;
}

/* Everything that is not a short plain number. */
static int parse_slowly(struct str s, double *ret)
{
    char text[NUMBER_TEXT_MAX];
    bool sign = s.n && (s.p[0] == '+' || s.p[0] == '-');
    struct str body = str_sub(s, sign, s.n);
    bool hex = body.n > 2 && body.p[0] == '0' && (body.p[1] | 0x20) == 'x';
    size_t n = 0;

    if (parse_word(s, ret))
        return 0;
    if (s.n >= sizeof text || !underscores_ok(body.p, body.n, hex))
        return -ERR_FORMAT;
    for (size_t i = 0; i < body.n; i++)
        if (body.p[i] != '_')
            text[n++] = body.p[i];
    text[n] = 0;
    if (!literal_ok(text, n, hex))
        return -ERR_FORMAT;

    double v;
    if (hex || !number_decimal(text, n, &v))
        v = strtod(text, NULL); /* the locale is never set: "C" */
    *ret = sign && s.p[0] == '-' ? -v : v;
    return isinf(v) ? -ERR_RANGE : 0;
}

/* The digits at p into *mantissa, as long as no digit is lost; returns the byte behind all. */
static const char *read_digits(const char *p, const char *end, uint64_t *mantissa, unsigned *digits)
{
    for (; p < end; p++) {
        unsigned digit = (unsigned char)*p - (unsigned)'0';
        if (digit > 9)
            break;
        *mantissa =
            *mantissa * 10 + digit; /* may wrap round: past MANTISSA_DIGITS it is not used */
        *digits += *digits || digit;
    }
    return p;
}

/* The exponent behind 'e'; NULL where there is none. */
static const char *read_exponent(const char *p, const char *end, int *ret)
{
    bool negative = p < end && *p == '-';
    int v = 0;
    p += p < end && (*p == '-' || *p == '+');
    const char *from = p;
    for (; p < end && is_digit(*p); p++)
        v = v < 10000 ? v * 10 + (*p - '0') : v;
    *ret = negative ? -v : v;
    return p == from ? NULL : p;
}

const char *number_read(const char *p, const char *end, double *ret)
{
    bool negative = p < end && *p == '-';
    uint64_t mantissa = 0;
    unsigned digits = 0;
    int exponent = 0;
    p += p < end && (*p == '-' || *p == '+');
    const char *from = p;
    const char *point = p = read_digits(p, end, &mantissa, &digits);
    size_t any = (size_t)(p - from);
    if (p < end && *p == '.') {
        p = read_digits(p + 1, end, &mantissa, &digits);
        any += (size_t)(p - point - 1);
    }
    int decimals = p == point ? 0 : (int)(p - point - 1);
    if (any == 0)
        return NULL;
    if (p < end && (*p | 0x20) == 'e') {
        p = read_exponent(p + 1, end, &exponent);
        if (!p)
            return NULL;
    }
    exponent -= decimals;
    double v;
    /* Whole number and power of ten are exact: one operation rounds correctly. */
    if (LIKELY(digits <= MANTISSA_DIGITS && mantissa <= MANTISSA_MAX && exponent >= -22 &&
               exponent <= 22))
        v = exponent < 0 ? (double)mantissa / TENS[-exponent] : (double)mantissa * TENS[exponent];
    else if (!number_decimal(from, (size_t)(p - from), &v))
        return NULL;
    *ret = negative ? -v : v;
    return p;
}

int number_parse(struct str s, double *ret)
{
    double v;
    if (number_read(s.p, s.p + s.n, &v) != s.p + s.n || s.n == 0)
        return parse_slowly(s, ret);
    *ret = v;
    return 0;
}
