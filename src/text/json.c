#include "text/json.h"

#include "base/must.h"
#include "text/number.h"

/* ---- writing */

/* Bytes of the UTF-8 sequence at p[0..n), 0 where there is none. */
static size_t sequence(const char *p, size_t n)
{
    unsigned char c = (unsigned char)p[0];
    size_t len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    return len <= n && str_utf8(str_of(p, len)) ? len : 0;
}

/* What a byte becomes: 0 itself, 'u' \u00XX, 1 begins a sequence, else the letter behind '\'. */
static uint8_t escape_of(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
        return c;
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    case '<':
    case '>':
    case '&':
    case 0x7f:
        return 'u';
    default:
        return c < 0x20 ? 'u' : c >= 0x80;
    }
}

static size_t put_sequence(struct buf *b, const char *p, size_t n)
{
    size_t len = sequence(p, n);
    if (len == 0)
        buf_put(b, "\xef\xbf\xbd", 3);
    else if (len == 3 && memcmp(p, "\xe2\x80", 2) == 0 && ((unsigned char)p[2] & 0xfe) == 0xa8)
        buf_put(b, p[2] == (char)0xa8 ? "\\u2028" : "\\u2029", 6);
    else
        buf_put(b, p, len);
    return len ? len : 1;
}

/* Bytes of which escape_of() says that they become something else. */
static const uint8_t ODD[256] = {
    [0 ... 0x1f] = 1, ['"'] = 1, ['\\'] = 1, ['<'] = 1, ['>'] = 1, ['&'] = 1, [0x7f ... 0xff] = 1,
};

/* Most texts are as they are: written in one go. */
static bool put_simple(struct buf *b, struct str s)
{
    char *to = buf_reserve(b, s.n + 2);
    if (!to)
        return true; /* the buffer has failed and says so */
    uint8_t odd = 0;
    for (size_t i = 0; i < s.n; i++)
        odd |= ODD[(unsigned char)s.p[i]];
    if (odd)
        return false;
    to[0] = '"';
    if (s.n)
        memcpy(to + 1, s.p, s.n);
    to[s.n + 1] = '"';
    buf_commit(b, s.n + 2);
    return true;
}

void json_put_text(struct buf *b, struct str s)
{
    size_t i = 0, from = 0;
    if (put_simple(b, s))
        return;
    buf_put_c(b, '"');
    while (i < s.n) {
        unsigned char c = (unsigned char)s.p[i];
        uint8_t escape = escape_of(c);
        if (escape == 0) {
            i++;
            continue;
        }
        buf_put(b, s.p + from, i - from);
        if (escape == 1) {
            i += put_sequence(b, s.p + i, s.n - i);
        } else {
            char text[6] = {
                '\\', 'u', '0', '0', "0123456789abcdef"[c >> 4], "0123456789abcdef"[c & 15]};
            text[1] = (char)escape;
            buf_put(b, text, escape == 'u' ? 6 : 2);
            i++;
        }
        from = i;
    }
    if (i > from)
        buf_put(b, s.p + from, i - from);
    buf_put_c(b, '"');
}

void json_put_number(struct buf *b, double v)
{
    if (__builtin_isfinite(v))
        number_put_point(b, v);
    else
        buf_put(b, "null", 4);
}

void json_writer_init(struct json_writer *w, struct buf *out)
{
    *w = (struct json_writer){.out = out};
}

/* What stands before a value. */
static void before(struct json_writer *w)
{
    uint64_t bit = 1ULL << (w->depth % 64);
    if (!w->after_key && w->depth > 0 && w->filled & bit)
        buf_put_c(w->out, ',');
    w->filled |= bit;
    w->after_key = false;
}

static void begin(struct json_writer *w, char c)
{
    before(w);
    must(w->depth + 1 < JSON_DEPTH_MAX);
    w->depth++;
    w->filled &= ~(1ULL << (w->depth % 64));
    buf_put_c(w->out, c);
}

static void end(struct json_writer *w, char c)
{
    must(w->depth > 0);
    w->depth--;
    buf_put_c(w->out, c);
}

void json_begin_object(struct json_writer *w)
{
    begin(w, '{');
}

void json_end_object(struct json_writer *w)
{
    end(w, '}');
}

void json_begin_array(struct json_writer *w)
{
    begin(w, '[');
}

void json_end_array(struct json_writer *w)
{
    end(w, ']');
}

void json_key(struct json_writer *w, struct str key)
{
    before(w);
    json_put_text(w->out, key);
    buf_put_c(w->out, ':');
    w->after_key = true;
}

void json_text(struct json_writer *w, struct str s)
{
    before(w);
    json_put_text(w->out, s);
}

void json_number(struct json_writer *w, double v)
{
    before(w);
    json_put_number(w->out, v);
}

void json_i64(struct json_writer *w, int64_t v)
{
    before(w);
    buf_put_i64(w->out, v);
}

void json_u64(struct json_writer *w, uint64_t v)
{
    before(w);
    buf_put_u64(w->out, v);
}

void json_bool(struct json_writer *w, bool v)
{
    before(w);
    buf_put_str(w->out, v ? STR("true") : STR("false"));
}

void json_null(struct json_writer *w)
{
    before(w);
    buf_put(w->out, "null", 4);
}

void json_raw(struct json_writer *w, struct str json)
{
    before(w);
    buf_put_str(w->out, json);
}
