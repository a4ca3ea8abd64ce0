#include "watch/json_line.h"

/* ---- writing */

static void put_quoted(struct buf *b, struct str s)
{
    buf_put_c(b, '"');
    for (size_t i = 0; i < s.n;) {
        unsigned char c = (unsigned char)s.p[i];
        size_t len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
        if (c == '"' || c == '\\')
            buf_printf(b, "\\%c", c);
        else if (c == '\n')
            buf_put_str(b, STR("\\n"));
        else if (c == '\t')
            buf_put_str(b, STR("\\t"));
        else if (c < 0x20 || c == 0x7f)
            buf_printf(b, "\\u%04x", c);
        else if (len > s.n - i || !str_utf8(str_sub(s, i, i + len)))
            buf_put_str(b, STR("\\ufffd")), len = 1;
        else
            buf_put(b, s.p + i, len);
        i += len;
    }
    buf_put_c(b, '"');
}

static void put_key(struct buf *b, const char *key)
{
    char last = b->n ? b->p[b->n - 1] : '{';
    if (last != '{' && last != '[' && last != '\n')
        buf_put_c(b, ',');
    if (!key)
        return;
    put_quoted(b, str_c(key));
    buf_put_c(b, ':');
}

void json_line_open(struct buf *b, const char *key, char bracket)
{
    put_key(b, key);
    buf_put_c(b, bracket);
}

void json_line_close(struct buf *b, char bracket)
{
    buf_put_c(b, bracket);
}

void json_line_text(struct buf *b, const char *key, struct str value)
{
    put_key(b, key);
    put_quoted(b, value);
}

void json_line_i64(struct buf *b, const char *key, int64_t value)
{
    put_key(b, key);
    buf_put_i64(b, value);
}

void json_line_tenths(struct buf *b, const char *key, int64_t tenths)
{
    put_key(b, key);
    if (tenths < 0)
        buf_put_c(b, '-');
    uint64_t size = tenths < 0 ? 0 - (uint64_t)tenths : (uint64_t)tenths;
    buf_put_u64(b, size / 10);
    buf_put_c(b, '.');
    buf_put_c(b, (char)('0' + size % 10));
}

void json_line_flag(struct buf *b, const char *key, bool value)
{
    put_key(b, key);
    buf_put_str(b, value ? STR("true") : STR("false"));
}

void json_line_null(struct buf *b, const char *key)
{
    put_key(b, key);
    buf_put_str(b, STR("null"));
}

void json_line_raw(struct buf *b, const char *key, struct str json)
{
    put_key(b, key);
    buf_put_str(b, json);
}

/* ---- reading */

struct reading {
    struct str rest;
    struct arena *arena;
    struct why *why;
};

static int wrong(struct reading *r, const char *what)
{
    return why_set(r->why, ERR_FORMAT, "not a line of JSON: %s before '" STR_FMT "'", what,
                   STR_ARG(str_sub(r->rest, 0, 40)));
}

static void skip(struct reading *r, size_t n)
{
    r->rest = str_sub(r->rest, n, r->rest.n);
}

/* The next byte that is no blank, '\0' at the end. */
static char peek(struct reading *r)
{
    size_t n = 0;
    while (n < r->rest.n && (r->rest.p[n] == ' ' || r->rest.p[n] == '\t' || r->rest.p[n] == '\r' ||
                             r->rest.p[n] == '\n'))
        n++;
    skip(r, n);
    return r->rest.n ? r->rest.p[0] : '\0';
}

static bool hex4(struct str s, unsigned *ret)
{
    unsigned value = 0;
    if (s.n < 4)
        return false;
    for (size_t i = 0; i < 4; i++) {
        int digit = str_hex(s.p[i]);
        if (digit < 0)
            return false;
        value = value << 4 | (unsigned)digit;
    }
    *ret = value;
    return true;
}

/* The code point of \uXXXX (a pair of surrogates too) at s, which begins behind "\u"; how many
 * bytes of s it took, 0 where it is none. */
static size_t read_escape(struct str s, uint32_t *ret)
{
    unsigned high, low;
    if (!hex4(s, &high) || (high >= 0xdc00 && high <= 0xdfff) || high == 0)
        return 0;
    if (high < 0xd800 || high > 0xdbff) {
        *ret = high;
        return 4;
    }
    if (s.n < 10 || s.p[4] != '\\' || s.p[5] != 'u' || !hex4(str_sub(s, 6, 10), &low) ||
        low < 0xdc00 || low > 0xdfff)
        return 0;
    *ret = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    return 10;
}

static size_t put_point(char *p, uint32_t c)
{
    if (c < 0x80) {
        p[0] = (char)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--, c >>= 6)
        p[i] = (char)(0x80 | (c & 0x3f));
    p[0] = (char)((0xf00 >> len & 0xf0) | c);
    return len;
}

/* A quoted text; what it means is never longer than what is written. */
static int read_text(struct reading *r, struct str *ret)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    struct str s = str_sub(r->rest, 1, r->rest.n);
    char *text = NULL;
    size_t i = 0, n = 0, end = 0;
    while (end < s.n && s.p[end] != '"')
        end += s.p[end] == '\\' ? 2 : 1;
    if (end >= s.n)
        return wrong(r, "a text without an end");
    text = arena_raw(r->arena, end + 1);
    while (i < end) {
        if ((unsigned char)s.p[i] < 0x20)
            return wrong(r, "a control character");
        if (s.p[i] != '\\') {
            text[n++] = s.p[i++];
            continue;
        }
        char c = s.p[i + 1];
        const char *at = c ? strchr(from, c) : NULL;
        uint32_t point;
        i += 2;
        if (at) {
            text[n++] = to[at - from];
            continue;
        }
        size_t took = c == 'u' ? read_escape(str_sub(s, i, end), &point) : 0;
        if (!took)
            return wrong(r, "an unknown escape");
        n += put_point(text + n, point);
        i += took;
    }
    text[n] = '\0';
    if (!str_utf8(str_of(text, n)))
        return wrong(r, "bytes that are not UTF-8");
    *ret = str_of(text, n);
    skip(r, end + 2);
    return 0;
}

static bool take_word(struct reading *r, struct str word)
{
    if (!str_starts(r->rest, word))
        return false;
    skip(r, word.n);
    return true;
}

static int read_value(struct reading *r, struct json_line_member *m)
{
    if (peek(r) == '"') {
        m->type = JSON_LINE_TEXT;
        return read_text(r, &m->text);
    }
    m->type = JSON_LINE_FLAG;
    m->number = 1;
    if (take_word(r, STR("true")))
        return 0;
    m->number = 0;
    if (take_word(r, STR("false")))
        return 0;
    m->type = JSON_LINE_NULL;
    if (take_word(r, STR("null")))
        return 0;
    size_t n = 0;
    while (n < r->rest.n && (r->rest.p[n] == '-' || (r->rest.p[n] >= '0' && r->rest.p[n] <= '9')))
        n++;
    m->type = JSON_LINE_NUMBER;
    if (!str_i64(str_sub(r->rest, 0, n), &m->number))
        return wrong(r, "no text, whole number, true, false or null");
    skip(r, n);
    return 0;
}

static int read_member(struct reading *r, struct json_line *ret)
{
    struct json_line_member m = {.type = JSON_LINE_NULL};
    if (ret->n == JSON_LINE_MEMBERS_MAX)
        return why_set(r->why, ERR_LIMIT, "a line of JSON with more than %d members",
                       JSON_LINE_MEMBERS_MAX);
    if (peek(r) != '"')
        return wrong(r, "no key");
    int err = read_text(r, &m.key);
    if (err)
        return err;
    if (peek(r) != ':')
        return wrong(r, "no colon");
    skip(r, 1);
    err = read_value(r, &m);
    if (!err)
        ret->members[ret->n++] = m;
    return err;
}

int json_line_read(struct str line, struct arena *a, struct json_line *ret, struct why *why)
{
    struct reading r = {line, a, why};
    ret->n = 0;
    if (peek(&r) != '{')
        return wrong(&r, "no object");
    skip(&r, 1);
    bool first = true;
    while (peek(&r) != '}') {
        if (!first && peek(&r) != ',')
            return wrong(&r, "no comma");
        skip(&r, first ? 0 : 1);
        first = false;
        int err = read_member(&r, ret);
        if (err)
            return err;
    }
    skip(&r, 1);
    return peek(&r) == '\0' && r.rest.n == 0 ? 0 : wrong(&r, "something behind the object");
}

const struct json_line_member *json_line_find(const struct json_line *l, const char *key)
{
    for (size_t i = 0; i < l->n; i++)
        if (str_eq(l->members[i].key, str_c(key)))
            return &l->members[i];
    return NULL;
}

const char *json_line_find_text(const struct json_line *l, const char *key)
{
    const struct json_line_member *m = json_line_find(l, key);
    return m && m->type == JSON_LINE_TEXT ? m->text.p : "";
}

int64_t json_line_find_number(const struct json_line *l, const char *key, int64_t other)
{
    const struct json_line_member *m = json_line_find(l, key);
    return m && (m->type == JSON_LINE_NUMBER || m->type == JSON_LINE_FLAG) ? m->number : other;
}
