#include "text/number.h"
#include "text/letter.h"
#include "text/template_tree.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    WIDTH_MAX = 1000000,  /* as Go: no digits behind one that is larger */
    PRECISION_MAX = 1100, /* digits of a float: a double has no more */
    FLOAT_MAX = 1500,     /* bytes of a float's text */
    INTEGER_MAX = 80,     /* bytes of an integer's text without padding */
    NESTING_MAX = 100,    /* of lists and maps */
};

/* What stands between % and the verb. */
struct spec {
    bool plus, minus, sharp, space, zero, has_width, has_precision;
    int width, precision;
    uint32_t verb;
    unsigned nesting;
};

struct printer {
    struct str format;
    size_t at;
    const struct template_value *args;
    size_t n, next;
    bool reordered, good;
    struct spec spec;
    struct buf *out;
};

static void print_value(const struct spec *f, const struct template_value *v, struct buf *out);

/* ---- padding */

static size_t runes_of(struct str s)
{
    size_t count = 0;
    for (size_t i = 0, n; i < s.n; i += n, count++)
        (void)letter_next(str_sub(s, i, s.n), &n); /* the length alone is wanted */
    return count;
}

static void put_times(struct buf *out, char c, size_t n)
{
    char *p = n ? buf_reserve(out, n) : NULL;
    if (!p)
        return;
    memset(p, c, n);
    buf_commit(out, n);
}

static void pad(const struct spec *f, struct str s, struct buf *out)
{
    size_t have = f->has_width ? runes_of(s) : 0;
    size_t missing = f->has_width && (size_t)f->width > have ? (size_t)f->width - have : 0;
    if (!f->minus)
        put_times(out, f->zero ? '0' : ' ', missing);
    buf_put_str(out, s);
    if (f->minus)
        put_times(out, ' ', missing);
}

/* ---- what does not fit */

static void bad_verb(const struct spec *f, const struct template_value *v, struct buf *out)
{
    buf_put_str(out, STR("%!"));
    letter_put(f->verb, out);
    buf_put_c(out, '(');
    if (v->type == TEMPLATE_NONE || v->type == TEMPLATE_NIL) {
        buf_put_str(out, STR("<nil>"));
    } else {
        struct spec plain = *f; /* width and flags go on */
        plain.verb = 'v';
        plain.nesting++;
        buf_printf(out, "%s=", template_type_text(v));
        print_value(&plain, v, out);
    }
    buf_put_c(out, ')');
}

/* ---- integers */

static void print_digits(const struct spec *f, uint64_t v, bool negative, unsigned base,
                         struct buf *out)
{
    const char *digits = f->verb == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    char text[INTEGER_MAX];
    size_t i = sizeof text;
    int wanted = f->has_precision ? f->precision : 0;
    if (f->has_precision && f->precision == 0 && v == 0) {
        put_times(out, ' ', f->has_width ? (size_t)f->width : 0);
        return;
    }
    if (!f->has_precision && f->zero && f->has_width)
        wanted = f->width - (negative || f->plus || f->space);
    do {
        text[--i] = digits[v % base];
    } while ((v /= base) > 0);
    size_t zeros = wanted > (int)(sizeof text - i) ? (size_t)wanted - (sizeof text - i) : 0;
    struct buf whole;
    buf_init(&whole, TEMPLATE_TEXT_MAX + INTEGER_MAX);
    if (negative)
        buf_put_c(&whole, '-');
    else if (f->plus || f->space)
        buf_put_c(&whole, f->plus ? '+' : ' ');
    if (f->verb == 'O')
        buf_put_str(&whole, STR("0o"));
    else if (f->sharp && base == 16)
        buf_put_str(&whole, f->verb == 'X' ? STR("0X") : STR("0x"));
    else if (f->sharp && base == 2)
        buf_put_str(&whole, STR("0b"));
    else if (f->sharp && base == 8 && zeros == 0 && text[i] != '0')
        buf_put_c(&whole, '0');
    put_times(&whole, '0', zeros);
    buf_put(&whole, text + i, sizeof text - i);
    struct spec blanks = *f;
    blanks.zero = false;
    pad(&blanks, buf_str(&whole), out);
    buf_done(&whole);
}

static void print_character(const struct spec *f, int64_t v, struct buf *out)
{
    bool good = v >= 0 && v <= 0x10ffff && !(v >= 0xd800 && v < 0xe000);
    uint32_t rune = good ? (uint32_t)v : 0xfffd;
    struct buf text, quoted;
    buf_init(&text, INTEGER_MAX);
    buf_init(&quoted, INTEGER_MAX);
    letter_put(rune, &text);
    if (f->verb == 'c') {
        pad(f, buf_str(&text), out);
    } else if (f->verb == 'q') {
        template_quote(buf_str(&text), &quoted);
        struct str inner = str_sub(buf_str(&quoted), 1, quoted.n - 1);
        buf_clear(&text);
        if (rune == '\'')
            buf_put_str(&text, STR("'\\''"));
        else
            buf_printf(&text, "'" STR_FMT "'", STR_ARG(rune == '"' ? STR("\"") : inner));
        pad(f, buf_str(&text), out);
    } else {
        buf_printf(&quoted, "U+%04llX", (unsigned long long)v);
        if (f->sharp)
            buf_printf(&quoted, " '" STR_FMT "'", STR_ARG(buf_str(&text)));
        pad(f, buf_str(&quoted), out);
    }
    buf_done(&text);
    buf_done(&quoted);
}

static void print_integer(const struct spec *f, const struct template_value *v, struct buf *out)
{
    bool negative = v->integer < 0;
    uint64_t size = negative ? 0 - (uint64_t)v->integer : (uint64_t)v->integer;
    switch (f->verb) {
    case 'v':
    case 'd':
        print_digits(f, size, negative, 10, out);
        break;
    case 'b':
        print_digits(f, size, negative, 2, out);
        break;
    case 'o':
    case 'O':
        print_digits(f, size, negative, 8, out);
        break;
    case 'x':
    case 'X':
        print_digits(f, size, negative, 16, out);
        break;
    case 'c':
    case 'q':
    case 'U':
        print_character(f, v->integer, out);
        break;
    default:
        bad_verb(f, v, out);
        break;
    }
}

/* ---- floats */

/* %a of C has an exponent of one digit where Go's %x has two. */
static void put_hex_float(double v, int precision, bool upper, struct buf *out)
{
    char text[FLOAT_MAX];
    if (precision < 0)
        snprintf(text, sizeof text, upper ? "%A" : "%a", v);
    else
        snprintf(text, sizeof text, upper ? "%.*A" : "%.*a", precision, v);
    char *p = strchr(text, upper ? 'P' : 'p');
    char *lead = strpbrk(text, "xX");
    if (p && lead && lead[1] == '2') { /* rounded up to 2: Go has 1 and one more */
        lead[1] = '1';
        long exponent = strtol(p + 1, NULL, 10) + 1;
        snprintf(p + 1, sizeof text - (size_t)(p + 1 - text), "%+ld", exponent);
    }
    if (p && strlen(p) == 3) {
        p[4] = 0;
        p[3] = p[2];
        p[2] = '0';
    }
    buf_put_str(out, str_c(text));
}

static void put_binary_float(double v, struct buf *out)
{
    int exponent;
    double fraction = frexp(v, &exponent);
    buf_printf(out, "%lldp%+d", (long long)ldexp(fraction, 53), v == 0 ? -1074 : exponent - 53);
}

static void put_decimal_float(double v, char conversion, int precision, bool sharp, struct buf *out)
{
    char text[FLOAT_MAX];
    if (precision < 0 && sharp)
        snprintf(text, sizeof text, "%#.6g", v);
    else if (precision < 0)
        (void)number_format_exposition(v, text); /* NUL-terminated */
    else if (conversion == 'e')
        snprintf(text, sizeof text, sharp ? "%#.*e" : "%.*e", precision, v);
    else if (conversion == 'f')
        snprintf(text, sizeof text, sharp ? "%#.*f" : "%.*f", precision, v);
    else
        snprintf(text, sizeof text, sharp ? "%#.*g" : "%.*g", precision ? precision : 1, v);
    buf_put_str(out, str_c(text));
}

void template_format_float(double v, char conversion, int precision, struct buf *out)
{
    if (isnan(v))
        buf_put_str(out, STR("NaN"));
    else if (isinf(v))
        buf_put_str(out, v > 0 ? STR("+Inf") : STR("-Inf"));
    else
        put_decimal_float(v, conversion, MIN(precision, PRECISION_MAX), false, out);
}

static void put_float(const struct spec *f, double v, struct buf *out)
{
    char verb = (char)f->verb;
    int precision = f->has_precision ? MIN(f->precision, PRECISION_MAX) : -1;
    char conversion = (char)(verb | 0x20);
    if (verb == 'v')
        conversion = 'g';
    if (precision < 0 && (conversion == 'e' || conversion == 'f'))
        precision = 6;
    size_t before = out->n;
    if (conversion == 'x')
        put_hex_float(v, precision, verb == 'X', out);
    else if (conversion == 'b')
        put_binary_float(v, out);
    else
        put_decimal_float(v, conversion, precision, f->sharp && verb != 'v', out);
    for (size_t i = before; (verb == 'E' || verb == 'G') && i < out->n; i++)
        if (out->p[i] == 'e')
            out->p[i] = 'E';
}

static void print_float(const struct spec *f, const struct template_value *v, struct buf *out)
{
    if (f->verb > 'x' || !strchr("veEfFgGbxX", (int)f->verb)) {
        bad_verb(f, v, out);
        return;
    }
    struct buf text;
    double number = v->number;
    struct spec plain = *f;
    buf_init(&text, FLOAT_MAX);
    if (!isfinite(number)) {
        if (isnan(number) && (f->plus || f->space))
            buf_put_c(&text, f->plus ? '+' : ' ');
        else if (number > 0 && f->space && !f->plus)
            buf_put_c(&text, ' ');
        struct str word = isnan(number) ? STR("NaN") : number < 0 ? STR("-Inf") : STR("+Inf");
        buf_put_str(&text, str_sub(word, text.n && word.p[0] == '+', word.n));
        plain.zero = false;
        pad(&plain, buf_str(&text), out);
    } else {
        if (!signbit(number) && (f->plus || f->space))
            buf_put_c(&text, f->plus ? '+' : ' ');
        put_float(f, number, &text);
        struct str s = buf_str(&text);
        bool sign = s.n && strchr("+- ", s.p[0]);
        if (f->zero && f->has_width && sign && (size_t)f->width > s.n) {
            buf_put_c(out, s.p[0]); /* the zeros stand behind it */
            s = str_sub(s, 1, s.n);
            plain.width--;
        }
        pad(&plain, s, out);
    }
    buf_done(&text);
}

/* ---- texts */

static void put_hex(const struct spec *f, struct str s, struct buf *out)
{
    s = f->has_precision ? str_sub(s, 0, (size_t)f->precision) : s;
    struct buf text;
    buf_init(&text, TEMPLATE_TEXT_MAX * 5U);
    const char *prefix = f->verb == 'X' ? "0X" : "0x";
    for (size_t i = 0; i < s.n; i++) {
        if (f->space && i > 0)
            buf_put_c(&text, ' ');
        if (f->sharp && (f->space || i == 0))
            buf_put_str(&text, str_c(prefix));
        buf_printf(&text, f->verb == 'X' ? "%02X" : "%02x", (unsigned char)s.p[i]);
    }
    pad(f, buf_str(&text), out);
    buf_done(&text);
}

static struct str cut_runes(const struct spec *f, struct str s)
{
    if (!f->has_precision)
        return s;
    size_t i = 0, n;
    for (int left = f->precision; i < s.n && left > 0; i += n, left--)
        (void)letter_next(str_sub(s, i, s.n), &n); /* the length alone is wanted */
    return str_sub(s, 0, i);
}

/* Escapes what is not ASCII in a quoted text. */
static void put_ascii(struct str s, struct buf *out)
{
    for (size_t i = 0, n; i < s.n; i += n) {
        uint32_t rune = letter_next(str_sub(s, i, s.n), &n);
        if (rune < 0x80)
            buf_put_c(out, s.p[i]);
        else
            buf_printf(out, rune < 0x10000 ? "\\u%04x" : "\\U%08x", rune);
    }
}

static void put_quoted(const struct spec *f, struct str s, struct buf *out)
{
    struct buf text, ascii;
    buf_init(&text, TEMPLATE_TEXT_MAX * 5U);
    buf_init(&ascii, TEMPLATE_TEXT_MAX * 10U);
    bool plain = f->sharp && str_utf8(s) && str_find(s, '`') == s.n;
    for (size_t i = 0; i < s.n && plain; i++)
        plain = ((unsigned char)s.p[i] >= ' ' || s.p[i] == '\t') && s.p[i] != 0x7f;
    if (plain)
        buf_printf(&text, "`" STR_FMT "`", STR_ARG(s));
    else
        template_quote(s, &text);
    if (f->plus)
        put_ascii(buf_str(&text), &ascii);
    pad(f, buf_str(f->plus ? &ascii : &text), out);
    buf_done(&text);
    buf_done(&ascii);
}

static void print_text(const struct spec *f, const struct template_value *v, struct str s,
                       struct buf *out)
{
    switch (f->verb) {
    case 'v':
        if (f->sharp) {
            struct spec quoted = *f;
            quoted.verb = 'q';
            quoted.sharp = false;
            put_quoted(&quoted, s, out);
            break;
        }
        pad(f, cut_runes(f, s), out);
        break;
    case 's':
        pad(f, cut_runes(f, s), out);
        break;
    case 'x':
    case 'X':
        put_hex(f, s, out);
        break;
    case 'q':
        put_quoted(f, cut_runes(f, s), out);
        break;
    default:
        bad_verb(f, v, out);
        break;
    }
}

/* ---- everything */

static void print_object(const struct spec *f, const struct template_value *v, struct buf *out)
{
    struct buf text;
    if (!v->object.p) {
        struct template_value none = {.type = TEMPLATE_NONE};
        print_value(f, &none, out);
        return;
    }
    buf_init(&text, TEMPLATE_TEXT_MAX);
    v->object.type->print(v->object.p, &text);
    if (f->verb < 0x80 && strchr("vsxXq", (int)f->verb)) {
        print_text(f, v, buf_str(&text), out);
    } else {
        buf_put_str(out, STR("%!"));
        letter_put(f->verb, out);
        buf_printf(out, "(%s=", v->object.type->go);
        pad(f, buf_str(&text), out);
        buf_put_c(out, ')');
    }
    buf_done(&text);
}

static void print_members(const struct spec *f, const struct template_value *v, struct buf *out)
{
    struct spec inner = *f;
    inner.nesting++;
    bool map = v->type == TEMPLATE_MAP;
    if (f->sharp && f->verb == 'v')
        buf_printf(out, "%s{", template_type_text(v));
    else
        buf_put_str(out, map ? STR("map[") : STR("["));
    for (size_t i = 0; i < v->n && !buf_failed(out); i++) {
        if (i > 0)
            buf_put_str(out, f->sharp && f->verb == 'v' ? STR(", ") : STR(" "));
        if (map) {
            struct template_value key = template_text(v->pairs[i].key);
            print_value(&inner, &key, out);
            buf_put_c(out, ':');
        }
        print_value(&inner, map ? &v->pairs[i].value : &v->items[i], out);
    }
    buf_put_c(out, f->sharp && f->verb == 'v' ? '}' : ']');
}

static void print_value(const struct spec *f, const struct template_value *v, struct buf *out)
{
    if (f->nesting > NESTING_MAX || buf_failed(out))
        return;
    if (f->verb == 'T') {
        pad(f, cut_runes(f, str_c(v->type == TEMPLATE_NIL ? "<nil>" : template_type_text(v))), out);
        return;
    }
    switch (v->type) {
    case TEMPLATE_BOOL:
        if (f->verb == 't' || f->verb == 'v')
            pad(f, v->boolean ? STR("true") : STR("false"), out);
        else
            bad_verb(f, v, out);
        break;
    case TEMPLATE_INT:
        print_integer(f, v, out);
        break;
    case TEMPLATE_FLOAT:
        print_float(f, v, out);
        break;
    case TEMPLATE_TEXT:
        print_text(f, v, v->text, out);
        break;
    case TEMPLATE_LIST:
    case TEMPLATE_MAP:
        print_members(f, v, out);
        break;
    case TEMPLATE_OBJECT:
        print_object(f, v, out);
        break;
    default:
        if (f->verb == 'v')
            pad(f, STR("<nil>"), out);
        else
            bad_verb(f, v, out);
        break;
    }
}

/* ---- the format */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The byte at the position, 0 at the end. */
static char peek(const struct printer *p)
{
    return p->at < p->format.n ? p->format.p[p->at] : 0;
}

static bool take_number(struct printer *p, int *ret)
{
    bool any = is_digit(peek(p));
    int v = 0;
    for (; is_digit(peek(p)); p->at++) {
        if (v > WIDTH_MAX) {
            p->at = p->format.n; /* nothing behind such a number counts */
            return false;
        }
        v = v * 10 + (peek(p) - '0');
    }
    if (!any)
        return false;
    *ret = v;
    return true;
}

/* [3] says which argument is next. */
static bool take_index(struct printer *p)
{
    if (peek(p) != '[')
        return false;
    p->reordered = true;
    size_t close = p->at + str_find(str_sub(p->format, p->at, p->format.n), ']');
    int index = 0;
    size_t open = p->at++;
    bool good = close < p->format.n && take_number(p, &index) && p->at == close && index >= 1 &&
                (size_t)index <= p->n;
    p->at = close < p->format.n ? close + 1 : open + 1;
    if (good)
        p->next = (size_t)index - 1;
    p->good = p->good && good;
    return good;
}

/* The value of a '*'; false where the argument is none. */
static bool take_star(struct printer *p, int *ret)
{
    p->at++;
    if (p->next >= p->n)
        return false;
    const struct template_value *v = &p->args[p->next++];
    if (v->type != TEMPLATE_INT || v->integer > WIDTH_MAX || v->integer < -WIDTH_MAX)
        return false;
    *ret = (int)v->integer;
    return true;
}

static void take_flags(struct printer *p)
{
    struct spec *f = &p->spec;
    for (;; p->at++)
        switch (peek(p)) {
        case '#':
            f->sharp = true;
            break;
        case '0':
            f->zero = !f->minus;
            break;
        case '+':
            f->plus = true;
            break;
        case '-':
            f->minus = true;
            f->zero = false;
            break;
        case ' ':
            f->space = true;
            break;
        default:
            return;
        }
}

static bool take_width(struct printer *p, bool after_index)
{
    struct spec *f = &p->spec;
    if (peek(p) != '*') {
        f->has_width = take_number(p, &f->width);
        if (after_index && f->has_width)
            p->good = false;
        return after_index;
    }
    f->has_width = take_star(p, &f->width);
    if (!f->has_width)
        buf_put_str(p->out, STR("%!(BADWIDTH)"));
    if (f->width < 0) {
        f->width = -f->width;
        f->minus = true;
        f->zero = false;
    }
    return false;
}

static bool take_precision(struct printer *p, bool after_index)
{
    struct spec *f = &p->spec;
    if (peek(p) != '.')
        return after_index;
    p->at++;
    if (after_index)
        p->good = false;
    after_index = take_index(p);
    if (peek(p) != '*') {
        if (!take_number(p, &f->precision))
            f->precision = 0;
        f->has_precision = true;
        return after_index;
    }
    f->has_precision = take_star(p, &f->precision);
    if (f->precision < 0) {
        f->precision = 0;
        f->has_precision = false;
    }
    if (!f->has_precision)
        buf_put_str(p->out, STR("%!(BADPREC)"));
    return false;
}

static void say(struct printer *p, const char *what)
{
    buf_put_str(p->out, STR("%!"));
    letter_put(p->spec.verb, p->out);
    buf_printf(p->out, "(%s)", what);
}

/* What begins with a % at the position. */
static void print_one(struct printer *p)
{
    p->at++;
    p->good = true;
    p->spec = (struct spec){.verb = 0};
    take_flags(p);
    bool after_index = take_index(p);
    after_index = take_width(p, after_index);
    after_index = take_precision(p, after_index);
    if (!after_index)
        (void)take_index(p); /* whether there is one matters no more */
    if (p->at >= p->format.n) {
        buf_put_str(p->out, STR("%!(NOVERB)"));
        return;
    }
    size_t n;
    p->spec.verb = letter_next(str_sub(p->format, p->at, p->format.n), &n);
    p->at += n;
    if (p->spec.verb == '%')
        buf_put_c(p->out, '%');
    else if (!p->good)
        say(p, "BADINDEX");
    else if (p->next >= p->n)
        say(p, "MISSING");
    else
        print_value(&p->spec, &p->args[p->next++], p->out);
}

static void print_extra(struct printer *p)
{
    static const struct spec PLAIN = {.verb = 'v'};
    buf_put_str(p->out, STR("%!(EXTRA "));
    for (size_t i = p->next; i < p->n; i++) {
        const struct template_value *v = &p->args[i];
        if (i > p->next)
            buf_put_str(p->out, STR(", "));
        if (v->type != TEMPLATE_NONE && v->type != TEMPLATE_NIL)
            buf_printf(p->out, "%s=", template_type_text(v));
        print_value(&PLAIN, v, p->out);
    }
    buf_put_c(p->out, ')');
}

void template_format(struct str format, const struct template_value *args, size_t n,
                     struct buf *out)
{
    struct printer p = {.format = format, .args = args, .n = n, .out = out};
    while (p.at < format.n && !buf_failed(out)) {
        size_t percent = p.at + str_find(str_sub(format, p.at, format.n), '%');
        buf_put_str(out, str_sub(format, p.at, percent));
        p.at = percent;
        if (percent < format.n)
            print_one(&p);
    }
    if (!p.reordered && p.next < n)
        print_extra(&p);
}
