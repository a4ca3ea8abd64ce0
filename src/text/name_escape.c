#include "text/name_escape.h"

#include "text/letter.h"

enum { HEX_MAX = 6 /* digits of a code point */, CODE_POINT_MAX = 0x10ffff };

static const struct {
    const char *name;
    enum name_escape scheme;
} SCHEMES[] = {
    {"allow-utf-8", NAME_ESCAPE_NONE},
    {"underscores", NAME_ESCAPE_UNDERSCORES},
    {"dots", NAME_ESCAPE_DOTS},
    {"values", NAME_ESCAPE_VALUES},
};

bool name_escape_of(struct str text, enum name_escape *ret)
{
    for (size_t i = 0; i < COUNTOF(SCHEMES); i++)
        if (str_eq(text, str_c(SCHEMES[i].name))) {
            *ret = SCHEMES[i].scheme;
            return true;
        }
    return false;
}

static bool plain_at(uint32_t c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' ||
           (!first && c >= '0' && c <= '9');
}

static bool plain(struct str name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!plain_at((unsigned char)name.p[i], i == 0))
            return false;
    return true;
}

/* What stands for a code point that a plain name does not have, or for '_'. */
static void put_one(enum name_escape scheme, uint32_t c, struct buf *out)
{
    if (scheme == NAME_ESCAPE_UNDERSCORES)
        buf_put_c(out, '_');
    else if (scheme == NAME_ESCAPE_DOTS)
        buf_put_str(out, c == '.' ? STR("_dot_") : STR("__"));
    else if (c == '_')
        buf_put_str(out, STR("__"));
    else
        buf_printf(out, "_%x_", c);
}

void name_escape_put(enum name_escape scheme, struct str name, struct buf *out)
{
    if (scheme == NAME_ESCAPE_NONE || (scheme != NAME_ESCAPE_DOTS && plain(name))) {
        buf_put_str(out, name);
        return;
    }
    if (scheme == NAME_ESCAPE_VALUES)
        buf_put_str(out, STR("U__"));
    size_t n;
    for (size_t i = 0; i < name.n; i += n) {
        uint32_t c = letter_next(str_sub(name, i, name.n), &n);
        if (plain_at(c, i == 0) && c != '_')
            letter_put(c, out);
        else
            put_one(scheme, c, out);
    }
}

/* The code point of "2e_" at the front of s: bytes taken, or 0 where it is none. */
static size_t code_point(struct str s, uint32_t *ret)
{
    uint32_t c = 0;
    size_t i = 0;
    for (; i < s.n && i < HEX_MAX && str_hex(s.p[i]) >= 0; i++)
        c = c * 16 + (uint32_t)str_hex(s.p[i]);
    bool surrogate = c >= 0xd800 && c < 0xe000;
    if (i == 0 || i == s.n || s.p[i] != '_' || surrogate || c > CODE_POINT_MAX)
        return 0;
    *ret = c;
    return i + 1;
}

/* False where a part of body is no code point. */
static bool undo_values(struct str body, struct buf *out)
{
    for (size_t i = 0; i < body.n; i++) {
        if (body.p[i] != '_') {
            buf_put_c(out, body.p[i]);
            continue;
        }
        if (i + 1 < body.n && body.p[i + 1] == '_') {
            buf_put_c(out, '_');
            i++;
            continue;
        }
        uint32_t c;
        size_t n = code_point(str_sub(body, i + 1, body.n), &c);
        if (n == 0)
            return false;
        letter_put(c, out);
        i += n;
    }
    return true;
}

static void undo_dots(struct str name, struct buf *out)
{
    for (size_t i = 0; i < name.n;) {
        struct str rest = str_sub(name, i, name.n);
        bool dot = str_starts(rest, STR("_dot_")), two = str_starts(rest, STR("__"));
        buf_put_c(out, dot ? '.' : name.p[i]);
        i += dot ? 5 : two ? 2 : 1;
    }
}

void name_escape_undo(enum name_escape scheme, struct str name, struct buf *out)
{
    if (scheme == NAME_ESCAPE_DOTS) {
        undo_dots(name, out);
        return;
    }
    size_t n = out->n;
    if (scheme == NAME_ESCAPE_VALUES && str_starts(name, STR("U__")) &&
        undo_values(str_sub(name, 3, name.n), out))
        return;
    out->n = n;
    buf_put_str(out, name);
}
