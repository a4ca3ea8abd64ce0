#include "text/json.h"

#include "base/bits.h"
#include "text/number.h"

/* What may come next. */
enum state {
    WANT_VALUE,
    WANT_VALUE_OR_END, /* behind '[' */
    WANT_KEY,
    WANT_KEY_OR_END,   /* behind '{' */
    WANT_COMMA_OR_END, /* behind a value inside of something */
    WANT_NOTHING,      /* behind the outermost value */
    FAILED,
};

void json_reader_init(struct json_reader *r, struct str s, struct arena *a)
{
    if (s.n == 0)
        s.p = "";
    *r = (struct json_reader){.start = s.p, .p = s.p, .end = s.p + s.n, .arena = a};
}

void json_where(const struct json_reader *r, unsigned *ret_line, unsigned *ret_column)
{
    unsigned line = 1;
    const char *from = r->start, *at;
    while (from < r->p && (at = memchr(from, '\n', (size_t)(r->p - from)))) {
        line++;
        from = at + 1;
    }
    *ret_line = line;
    *ret_column = (unsigned)(r->p - from) + 1;
}

static int fail(struct json_reader *r, struct why *why, enum err err, const char *what)
{
    unsigned line, column;
    json_where(r, &line, &column);
    r->state = FAILED;
    return why_set(why, err, "line %u, column %u: %s", line, column, what);
}

static void skip_blanks(struct json_reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\t' || *r->p == '\r'))
        r->p++;
}

static bool inside_object(const struct json_reader *r)
{
    return r->objects >> (r->depth - 1) & 1;
}

static void value_done(struct json_reader *r)
{
    r->state = r->depth ? WANT_COMMA_OR_END : WANT_NOTHING;
}

/* Eight bytes with no quote, backslash, control or non-ASCII character among them? */
static bool eight_plain(const char *p)
{
    const uint64_t ones = 0x0101010101010101ULL, high = 0x8080808080808080ULL;
    uint64_t v = load64(p), quote = v ^ ones * '"', slash = v ^ ones * '\\';
    return !((v | (v - ones * 0x20) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash)) &
             high);
}

static int hex4(struct json_reader *r, uint32_t *ret)
{
    uint32_t v = 0;
    if (r->end - r->p < 4)
        return -ERR_FORMAT;
    for (int i = 0; i < 4; i++) {
        int digit = str_hex(r->p[i]);
        if (digit < 0)
            return -ERR_FORMAT;
        v = v << 4 | (uint32_t)digit;
    }
    r->p += 4;
    *ret = v;
    return 0;
}

static char *put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 0x3f));
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    }
    return to;
}

/* Behind "\u": the character, of two escapes where the first is a surrogate. */
static int unicode(struct json_reader *r, char **to)
{
    uint32_t c, low;
    if (hex4(r, &c))
        return -ERR_FORMAT;
    if (c >= 0xd800 && c < 0xdc00) {
        if (r->end - r->p < 6 || r->p[0] != '\\' || r->p[1] != 'u')
            return -ERR_FORMAT;
        r->p += 2;
        if (hex4(r, &low) || low < 0xdc00 || low > 0xdfff)
            return -ERR_FORMAT;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    } else if (c >= 0xdc00 && c < 0xe000) {
        return -ERR_FORMAT;
    }
    *to = put_utf8(*to, c);
    return 0;
}

static int escape(struct json_reader *r, char **to)
{
    static const char FROM[] = "\"\\/bfnrt", TO[] = "\"\\/\b\f\n\r\t";
    char c = r->p < r->end ? *r->p++ : 0;
    if (c == 'u')
        return unicode(r, to);
    const char *at = c ? strchr(FROM, c) : NULL;
    if (!at)
        return -ERR_FORMAT;
    *(*to)++ = TO[at - FROM];
    return 0;
}

/* Moves behind the bytes that stand for themselves. */
static void skip_plain(struct json_reader *r, bool *ascii)
{
    for (;;) {
        while (r->end - r->p >= 8 && eight_plain(r->p))
            r->p += 8;
        if (r->p == r->end || *r->p == '"' || *r->p == '\\' || (unsigned char)*r->p < 0x20)
            return;
        *ascii &= (unsigned char)*r->p < 0x80;
        r->p++;
    }
}

/* Behind the opening quote. */
static int text(struct json_reader *r, struct str *ret, struct why *why)
{
    const char *from = r->p;
    bool ascii = true;
    skip_plain(r, &ascii);
    if (r->p < r->end && *r->p == '"') {
        *ret = str_of(from, (size_t)(r->p - from));
        if (!ascii && !str_utf8(*ret))
            return fail(r, why, ERR_FORMAT, "the text is not valid UTF-8");
        r->p++;
        return 0;
    }

    /* With escapes: it gets shorter, never longer, than what stands before its end. */
    const char *limit = r->p;
    while (limit < r->end && *limit != '"')
        limit += *limit == '\\' ? 2 : 1;
    if (limit >= r->end) {
        r->p = r->end;
        return fail(r, why, ERR_FORMAT, "the text does not end");
    }
    char *copy = arena_new(r->arena, (size_t)(limit - from) + 1), *to = copy;
    r->p = from;
    for (;;) {
        const char *run = r->p;
        skip_plain(r, &ascii);
        memcpy(to, run, (size_t)(r->p - run));
        to += r->p - run;
        if (r->p >= limit)
            break;
        if (*r->p != '\\')
            return fail(r, why, ERR_FORMAT, "a control character in a text: write \\u00XX");
        r->p++;
        if (escape(r, &to))
            return fail(r, why, ERR_FORMAT, "an escape that JSON does not have");
    }
    *ret = str_of(copy, (size_t)(to - copy));
    if (!ascii && !str_utf8(*ret))
        return fail(r, why, ERR_FORMAT, "the text is not valid UTF-8");
    r->p++;
    return 0;
}

static const char *digits(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

static int number(struct json_reader *r, struct json_event *ret, struct why *why)
{
    const char *p = r->p, *from;
    p += *p == '-';
    from = p;
    p = digits(p, r->end);
    if (p == from || (*from == '0' && p > from + 1))
        return fail(r, why, ERR_FORMAT, "expected a value");
    if (p < r->end && *p == '.') {
        from = ++p;
        p = digits(p, r->end);
        if (p == from)
            return fail(r, why, ERR_FORMAT, "a number needs a digit behind its point");
    }
    if (p < r->end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < r->end && (*p == '+' || *p == '-'))
            p++;
        from = p;
        p = digits(p, r->end);
        if (p == from)
            return fail(r, why, ERR_FORMAT, "a number needs a digit in its exponent");
    }
    struct json_event e = {.type = JSON_NUMBER, .text = str_of(r->p, (size_t)(p - r->p))};
    if (number_parse(e.text, &e.number))
        return fail(r, why, ERR_FORMAT, "the number is too large");
    r->p = p;
    value_done(r);
    *ret = e;
    return 1;
}

static int word(struct json_reader *r, struct str want, enum json_type type, struct json_event *ret,
                struct why *why)
{
    if ((size_t)(r->end - r->p) < want.n || memcmp(r->p, want.p, want.n) != 0)
        return fail(r, why, ERR_FORMAT, "expected a value");
    r->p += want.n;
    value_done(r);
    *ret = (struct json_event){.type = type};
    return 1;
}

static int open(struct json_reader *r, bool object, struct json_event *ret, struct why *why)
{
    if (r->depth == JSON_DEPTH_MAX)
        return fail(r, why, ERR_LIMIT, "objects and arrays are nested deeper than 64");
    r->p++;
    r->objects &= ~(1ULL << r->depth);
    r->objects |= (uint64_t)object << r->depth;
    r->depth++;
    r->state = object ? WANT_KEY_OR_END : WANT_VALUE_OR_END;
    *ret = (struct json_event){.type = object ? JSON_OBJECT : JSON_ARRAY};
    return 1;
}

static int close(struct json_reader *r, struct json_event *ret)
{
    r->p++;
    *ret = (struct json_event){.type = inside_object(r) ? JSON_OBJECT_END : JSON_ARRAY_END};
    r->depth--;
    value_done(r);
    return 1;
}

static int value(struct json_reader *r, struct json_event *ret, struct why *why)
{
    int err;
    switch (*r->p) {
    case '{':
        return open(r, true, ret, why);
    case '[':
        return open(r, false, ret, why);
    case '"': {
        struct json_event e = {.type = JSON_TEXT};
        r->p++;
        err = text(r, &e.text, why);
        if (err)
            return err;
        value_done(r);
        *ret = e;
        return 1;
    }
    case 't':
        return word(r, STR("true"), JSON_TRUE, ret, why);
    case 'f':
        return word(r, STR("false"), JSON_FALSE, ret, why);
    case 'n':
        return word(r, STR("null"), JSON_NULL, ret, why);
    default:
        return number(r, ret, why);
    }
}

static int key(struct json_reader *r, struct json_event *ret, struct why *why)
{
    struct json_event e = {.type = JSON_KEY};
    if (*r->p != '"')
        return fail(r, why, ERR_FORMAT, "expected a key in quotes");
    r->p++;
    int err = text(r, &e.text, why);
    if (err)
        return err;
    skip_blanks(r);
    if (r->p == r->end || *r->p != ':')
        return fail(r, why, ERR_FORMAT, "expected ':' behind the key");
    r->p++;
    r->state = WANT_VALUE;
    *ret = e;
    return 1;
}

int json_next(struct json_reader *r, struct json_event *ret, struct why *why)
{
    if (r->state == FAILED)
        return fail(r, why, ERR_FORMAT, "reading goes no further than the error here");
    skip_blanks(r);
    if (r->state == WANT_NOTHING)
        return r->p == r->end ? 0 : fail(r, why, ERR_FORMAT, "text behind the value");
    if (r->p == r->end)
        return fail(r, why, ERR_FORMAT, "the text ends too early");

    if (r->state == WANT_COMMA_OR_END) {
        if (*r->p == (inside_object(r) ? '}' : ']'))
            return close(r, ret);
        if (*r->p != ',')
            return fail(r, why, ERR_FORMAT,
                        inside_object(r) ? "expected ',' or '}'" : "expected ',' or ']'");
        r->p++;
        r->state = inside_object(r) ? WANT_KEY : WANT_VALUE;
        skip_blanks(r);
        if (r->p == r->end)
            return fail(r, why, ERR_FORMAT, "the text ends too early");
    } else if ((r->state == WANT_KEY_OR_END && *r->p == '}') ||
               (r->state == WANT_VALUE_OR_END && *r->p == ']')) {
        return close(r, ret);
    }
    return r->state == WANT_KEY || r->state == WANT_KEY_OR_END ? key(r, ret, why)
                                                               : value(r, ret, why);
}

int json_skip(struct json_reader *r, const struct json_event *e, struct why *why)
{
    if (e->type != JSON_OBJECT && e->type != JSON_ARRAY)
        return 0;
    struct json_event inner;
    for (unsigned depth = r->depth - 1; r->depth > depth;) {
        int got = json_next(r, &inner, why);
        if (got < 0)
            return got;
    }
    return 0;
}
