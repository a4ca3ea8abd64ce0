/* client/core/redact_json.c - JSON (RFC 8259) read, checked and written again without secrets. */
#include <string.h>

#include "client/core/jot.h"
#include "client/core/redact.h"
#include "client/core/redact_inside.h"

enum { STRING_MAX = 4 << 20, CARD_DIGITS = 13, HEX_DIGITS = 4 };

struct walk {
    const char *s; /* [n] */
    size_t n, at;
    struct jot j;
    struct text plain, clean; /* of a string */
    unsigned rules, hidden;   /* hidden: inside the value of a secret key */
    unsigned depth;
};

static bool value(struct walk *w, const char *key, unsigned rules);

static char peek(const struct walk *w)
{
    return w->at < w->n ? w->s[w->at] : 0;
}

static void blanks(struct walk *w)
{
    while (w->at < w->n && strchr(" \t\r\n", w->s[w->at]) && w->s[w->at]) {
        w->at++;
    }
}

static bool take(struct walk *w, char c)
{
    blanks(w);
    if (peek(w) != c || w->at >= w->n) {
        return false;
    }
    w->at++;
    return true;
}

static void add_point(struct text *t, unsigned point)
{
    if (point < 0x80) {
        text_add_char(t, (char)point);
        return;
    }
    if (point < 0x800) {
        text_add_char(t, (char)(0xc0 | point >> 6));
    } else {
        if (point < 0x10000) {
            text_add_char(t, (char)(0xe0 | point >> 12));
        } else {
            text_add_char(t, (char)(0xf0 | point >> 18));
            text_add_char(t, (char)(0x80 | (point >> 12 & 63)));
        }
        text_add_char(t, (char)(0x80 | (point >> 6 & 63)));
    }
    text_add_char(t, (char)(0x80 | (point & 63)));
}

static bool hex4(struct walk *w, unsigned *ret)
{
    unsigned value = 0;
    if (w->n - w->at < HEX_DIGITS) {
        return false;
    }
    for (int i = 0; i < HEX_DIGITS; i++) {
        char c = w->s[w->at++];
        if (!redact_hex(c)) {
            return false;
        }
        value = value << 4 | (unsigned)(redact_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    *ret = value;
    return true;
}

static bool escaped(struct walk *w)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = peek(w);
    w->at++;
    const char *simple = c ? strchr(from, c) : NULL;
    if (simple) {
        text_add_char(&w->plain, to[simple - from]);
        return true;
    }
    unsigned point, low;
    if (c != 'u' || !hex4(w, &point)) {
        return false;
    }
    if (point >= 0xd800 && point < 0xdc00 && w->n - w->at > 6 && w->s[w->at] == '\\' &&
        w->s[w->at + 1] == 'u') {
        size_t back = w->at;
        w->at += 2;
        if (!hex4(w, &low)) {
            return false;
        }
        if (low >= 0xdc00 && low < 0xe000) {
            point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
        } else {
            w->at = back;
        }
    }
    add_point(&w->plain, point >= 0xd800 && point < 0xe000 ? 0xfffd : point);
    return true;
}

/* A string into w->plain. */
static bool string(struct walk *w)
{
    text_clear(&w->plain);
    if (!take(w, '"')) {
        return false;
    }
    for (;;) {
        size_t from = w->at;
        while (w->at < w->n && (unsigned char)w->s[w->at] >= 0x20 && w->s[w->at] != '"' &&
               w->s[w->at] != '\\') {
            w->at++;
        }
        text_add(&w->plain, w->s + from, w->at - from);
        if (w->at >= w->n || (unsigned char)w->s[w->at] < 0x20 || w->plain.cut) {
            return false;
        }
        if (w->s[w->at++] == '"') {
            return true;
        }
        if (w->at >= w->n || !escaped(w)) {
            return false;
        }
    }
}

/* w->plain without what the rules find, in w->clean; false where there is no memory. */
static bool clean(struct walk *w, unsigned rules)
{
    text_clear(&w->clean);
    redact_text_by(rules, &w->clean, w->plain.bytes ? w->plain.bytes : "", w->plain.len);
    return !w->clean.cut;
}

static size_t digits(struct walk *w)
{
    size_t n = 0;
    while (redact_digit(peek(w))) {
        w->at++;
        n++;
    }
    return n;
}

static bool number(struct walk *w, const char *key, unsigned rules)
{
    size_t from = w->at;
    bool whole = true;
    w->at += peek(w) == '-';
    bool zero = peek(w) == '0';
    size_t n = digits(w);
    if (!n || (zero && n > 1)) {
        return false;
    }
    if (peek(w) == '.') {
        w->at++;
        whole = false;
        if (!digits(w)) {
            return false;
        }
    }
    if (peek(w) == 'e' || peek(w) == 'E') {
        w->at++;
        whole = false;
        w->at += peek(w) == '+' || peek(w) == '-';
        if (!digits(w)) {
            return false;
        }
    }
    if (w->hidden) {
        return true;
    }
    if (whole && n >= CARD_DIGITS) {
        text_clear(&w->clean);
        if (redact_text_by(rules, &w->clean, w->s + from, w->at - from)) {
            jot_string_n(&w->j, key, w->clean.bytes, w->clean.len);
            return !w->clean.cut;
        }
    }
    jot_raw(&w->j, key, w->s + from, w->at - from);
    return true;
}

static bool word(struct walk *w, const char *key)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(words[i]);
        if (w->n - w->at >= n && memcmp(w->s + w->at, words[i], n) == 0) {
            w->at += n;
            if (!w->hidden) {
                jot_raw(&w->j, key, words[i], n);
            }
            return true;
        }
    }
    return false;
}

/* Values under these keys are versions, which look like addresses. */
static bool version_key(const char *key, size_t n)
{
    return memmem(key, n, "ersion", 6) != NULL || text_same(key, n, "release") ||
           text_same(key, n, "build");
}

static bool member(struct walk *w, unsigned rules)
{
    enum { NAME_MAX_BYTES = 256 };
    char name[NAME_MAX_BYTES + 1] = "";
    if (!string(w)) {
        return false;
    }
    bool secret = (w->rules >> REDACT_SECRET & 1) && !w->hidden &&
                  redact_key(w->plain.bytes ? w->plain.bytes : "", w->plain.len);
    if (version_key(w->plain.bytes ? w->plain.bytes : "", w->plain.len)) {
        rules &= ~(1u << REDACT_IP);
    }
    if (!w->hidden) {
        if (!clean(w, rules)) {
            return false;
        }
        size_t n = w->clean.len < NAME_MAX_BYTES ? w->clean.len : NAME_MAX_BYTES;
        if (n) {
            memcpy(name, w->clean.bytes, n);
        }
        name[n] = 0;
    }
    if (!take(w, ':')) {
        return false;
    }
    if (secret) {
        blanks(w);
        jot_string(&w->j, name, "[filtered]");
    }
    w->hidden += secret;
    bool fine = value(w, name, rules);
    w->hidden -= secret;
    return fine;
}

static bool members(struct walk *w, const char *key, unsigned rules, bool object)
{
    char end = object ? '}' : ']';
    if (++w->depth > REDACT_DEPTH_MAX) {
        return false;
    }
    w->at++;
    if (!w->hidden && object) {
        jot_object(&w->j, key);
    } else if (!w->hidden) {
        jot_array(&w->j, key);
    }
    if (!take(w, end)) {
        do {
            if (object ? !member(w, rules) : !value(w, NULL, rules)) {
                return false;
            }
        } while (take(w, ','));
        if (!take(w, end)) {
            return false;
        }
    }
    if (!w->hidden) {
        jot_end(&w->j);
    }
    w->depth--;
    return true;
}

static bool value(struct walk *w, const char *key, unsigned rules)
{
    blanks(w);
    switch (peek(w)) {
    case '{':
        return members(w, key, rules, true);
    case '[':
        return members(w, key, rules, false);
    case '"':
        if (!string(w)) {
            return false;
        }
        if (!w->hidden) {
            if (!clean(w, rules)) {
                return false;
            }
            jot_string_n(&w->j, key, w->clean.bytes ? w->clean.bytes : "", w->clean.len);
        }
        return true;
    case 't':
    case 'f':
    case 'n':
        return word(w, key);
    default:
        return number(w, key, rules);
    }
}

static bool walk(struct walk *w, struct text *ret)
{
    size_t before = ret->len;
    bool cut = ret->cut;
    w->rules = redact_rules();
    jot_init(&w->j, ret);
    bool fine = value(w, NULL, w->rules);
    blanks(w);
    fine = fine && w->at == w->n && (cut || !ret->cut);
    if (!fine) {
        ret->len = before;
        ret->cut = cut;
    }
    return fine;
}

bool redact_json(struct text *ret, const char *document, size_t n)
{
    struct walk w = {.s = document, .n = n};
    text_init(&w.plain, STRING_MAX);
    text_init(&w.clean, STRING_MAX);
    bool fine = walk(&w, ret);
    text_done(&w.plain);
    text_done(&w.clean);
    return fine;
}

bool redact_json_within(struct text *ret, const char *document, size_t n, char *room, size_t size)
{
    struct walk w = {.s = document, .n = n};
    text_over(&w.plain, room, size / 2);
    text_over(&w.clean, room + size / 2, size - size / 2);
    return walk(&w, ret);
}
