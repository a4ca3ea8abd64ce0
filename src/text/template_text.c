#include "text/letter.h"
#include "text/template_tree.h"

/* ---- quoting */

static const char ESCAPES[] = "abfnrtv\\";
static const char ESCAPED[] = "\a\b\f\n\r\t\v\\";

/* Characters beyond ASCII that Go does not print: controls, invisible ones, private use. */
static bool is_printable(uint32_t rune)
{
    static const struct {
        uint32_t from, to;
    } HIDDEN[] = {
        {0x7f, 0xa0},     {0xad, 0xad},     {0x200b, 0x200f}, {0x2028, 0x202f},
        {0x205f, 0x206f}, {0x2000, 0x200a}, {0x3000, 0x3000}, {0xd800, 0xf8ff},
        {0xfeff, 0xfeff}, {0xfff0, 0xfffb}, {0xfffe, 0xffff}, {0xe0000, 0x10ffff},
    };
    if (rune < ' ')
        return false;
    for (size_t i = 0; i < COUNTOF(HIDDEN); i++)
        if (rune >= HIDDEN[i].from && rune <= HIDDEN[i].to)
            return false;
    return true;
}

static void quote_rune(uint32_t rune, struct str bytes, struct buf *out)
{
    const char *escape = rune && rune < 0x80 ? strchr(ESCAPED, (int)rune) : NULL;
    if (rune == '"')
        buf_put_str(out, STR("\\\""));
    else if (escape)
        buf_printf(out, "\\%c", ESCAPES[escape - ESCAPED]);
    else if (rune == 0xfffd && bytes.n == 1)
        buf_printf(out, "\\x%02x", (unsigned char)bytes.p[0]);
    else if (is_printable(rune))
        buf_put_str(out, bytes);
    else if (rune < ' ' || rune == 0x7f)
        buf_printf(out, "\\x%02x", rune);
    else
        buf_printf(out, rune < 0x10000 ? "\\u%04x" : "\\U%08x", rune);
}

void template_quote(struct str s, struct buf *out)
{
    buf_put_c(out, '"');
    for (size_t i = 0, n; i < s.n; i += n) {
        uint32_t rune = letter_next(str_sub(s, i, s.n), &n);
        quote_rune(rune, str_sub(s, i, i + n), out);
    }
    buf_put_c(out, '"');
}

/* The value of n digits in base at s.p[0]; false where they are not. */
static bool digits_of(struct str s, size_t n, unsigned base, uint32_t *ret)
{
    uint32_t v = 0;
    if (s.n < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int digit = str_hex(s.p[i]);
        if (digit < 0 || (unsigned)digit >= base)
            return false;
        v = v * base + (unsigned)digit;
    }
    *ret = v;
    return true;
}

/* What stands behind a backslash; how many bytes of s it takes, 0 where it is malformed. */
static size_t unescape(struct str s, char quote, struct buf *out)
{
    uint32_t v;
    char c = s.n ? s.p[0] : 0;
    const char *simple = c ? strchr(ESCAPES, c) : NULL;
    if (simple || c == quote) {
        buf_put_c(out, simple ? ESCAPED[simple - ESCAPES] : quote);
        return c ? 1 : 0;
    }
    if (c == 'x' && digits_of(str_sub(s, 1, s.n), 2, 16, &v)) {
        buf_put_c(out, (char)v);
        return 3;
    }
    if (c >= '0' && c <= '7' && digits_of(s, 3, 8, &v) && v < 256) {
        buf_put_c(out, (char)v);
        return 3;
    }
    size_t n = c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (n && digits_of(str_sub(s, 1, s.n), n, 16, &v) && v <= 0x10ffff &&
        !(v >= 0xd800 && v < 0xe000)) {
        letter_put(v, out);
        return n + 1;
    }
    return 0;
}

int template_unquote(struct str s, struct arena *a, struct str *ret)
{
    struct buf out;
    bool good = s.n >= 2;
    char quote = good ? s.p[0] : 0;
    struct str inner = good ? str_sub(s, 1, s.n - 1) : s;
    buf_init(&out, TEMPLATE_SOURCE_MAX * 4);
    for (size_t i = 0; good && i < inner.n;) {
        if (quote == '`') {
            if (inner.p[i] != '\r')
                buf_put_c(&out, inner.p[i]);
            i++;
        } else if (inner.p[i] == '\\') {
            size_t n = unescape(str_sub(inner, i + 1, inner.n), quote, &out);
            good = n > 0;
            i += n + 1;
        } else {
            buf_put_c(&out, inner.p[i++]);
        }
    }
    if (good)
        *ret = arena_str(a, buf_str(&out));
    buf_done(&out);
    return good ? 0 : -ERR_FORMAT;
}
