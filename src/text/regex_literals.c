#include <stdlib.h>

#include "text/regex.h"

/* A set of texts that a piece of the pattern can match; all of it arena memory. */
struct set {
    struct str *v;
    size_t n;
};

struct parse {
    struct str pattern;
    size_t at;
    unsigned depth;
    struct arena *arena;
};

enum { DEPTH_MAX = 16, CLASS_MAX = 64, BYTES_MAX = 256 * 1024 };

static bool alternatives(struct parse *p, struct set *ret);

static bool more(const struct parse *p)
{
    return p->at < p->pattern.n;
}

static char peek(const struct parse *p)
{
    return more(p) ? p->pattern.p[p->at] : 0;
}

static bool is_meta(char c)
{
    return c && strchr("\\.+*?()|[]{}^$", c);
}

static bool is_punctuation(char c)
{
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
           (c >= '{' && c <= '~');
}

/* One literal character at i: its bytes' length in the pattern, 0 where it is none. The text goes
 * to *ret. */
static size_t literal(struct str pattern, size_t i, struct str *ret)
{
    char c = pattern.p[i];
    if (c == '\\') {
        if (i + 1 >= pattern.n || !is_punctuation(pattern.p[i + 1]))
            return 0;
        *ret = str_of(pattern.p + i + 1, 1);
        return 2;
    }
    if (is_meta(c))
        return 0;
    size_t n = 1;
    while (i + n < pattern.n && ((unsigned char)c & 0x80) && (pattern.p[i + n] & 0xc0) == 0x80)
        n++;
    *ret = str_of(pattern.p + i, n);
    return n;
}

static void one(struct parse *p, struct str text, struct set *ret)
{
    ret->v = arena_array(p->arena, 1, sizeof *ret->v);
    ret->v[0] = text;
    ret->n = 1;
}

/* Every text of a before every text of b. */
static bool product(struct parse *p, const struct set *a, const struct set *b, struct set *ret)
{
    size_t bytes = 0;
    if (a->n * b->n > REGEX_LITERALS_MAX)
        return false;
    struct set all = {arena_array(p->arena, a->n * b->n, sizeof *all.v), 0};
    for (size_t i = 0; i < a->n; i++) {
        for (size_t k = 0; k < b->n; k++) {
            size_t n = a->v[i].n + b->v[k].n;
            bytes += n;
            if (bytes > BYTES_MAX || p->arena->total > 16 * (size_t)BYTES_MAX)
                return false;
            char *text = arena_new(p->arena, n + 1);
            if (a->v[i].n)
                memcpy(text, a->v[i].p, a->v[i].n);
            if (b->v[k].n)
                memcpy(text + a->v[i].n, b->v[k].p, b->v[k].n);
            all.v[all.n++] = str_of(text, n);
        }
    }
    *ret = all;
    return true;
}

static bool unite(struct parse *p, const struct set *a, const struct set *b, struct set *ret)
{
    if (a->n + b->n > REGEX_LITERALS_MAX)
        return false;
    struct set all = {arena_array(p->arena, a->n + b->n, sizeof *all.v), a->n + b->n};
    if (a->n)
        memcpy(all.v, a->v, a->n * sizeof *all.v);
    if (b->n)
        memcpy(all.v + a->n, b->v, b->n * sizeof *all.v);
    *ret = all;
    return true;
}

/* One character of a class: ASCII, maybe escaped. */
static bool class_char(struct parse *p, char *ret)
{
    char c = peek(p);
    if (c == '\\') {
        p->at++;
        c = peek(p);
        if (!is_punctuation(c))
            return false;
    } else if (c == '[' || c <= 0) {
        return false;
    }
    p->at++;
    *ret = c;
    return true;
}

/* Behind '[': a few ASCII characters and ranges. */
static bool class(struct parse *p, struct set *ret)
{
    struct set all = {arena_array(p->arena, CLASS_MAX, sizeof *all.v), 0};
    if (peek(p) == '^' || peek(p) == ']')
        return false;
    while (peek(p) != ']') {
        char from, to;
        if (!class_char(p, &from))
            return false;
        to = from;
        if (peek(p) == '-' && p->at + 1 < p->pattern.n && p->pattern.p[p->at + 1] != ']') {
            p->at++;
            if (!class_char(p, &to))
                return false;
        }
        for (int c = from; c <= to; c++) {
            if (all.n == CLASS_MAX)
                return false;
            char text = (char)c;
            all.v[all.n++] = arena_str(p->arena, str_of(&text, 1));
        }
    }
    p->at++;
    *ret = all;
    return all.n > 0;
}

static bool atom(struct parse *p, struct set *ret)
{
    struct str text;
    char c = peek(p);
    if (c == '[') {
        p->at++;
        return class(p, ret);
    }
    if (c == '(') {
        p->at++;
        if (str_starts(str_sub(p->pattern, p->at, p->pattern.n), STR("?:")))
            p->at += 2;
        if (peek(p) == '?' || ++p->depth > DEPTH_MAX || !alternatives(p, ret) || peek(p) != ')')
            return false;
        p->depth--;
        p->at++;
        return true;
    }
    size_t n = literal(p->pattern, p->at, &text);
    if (n == 0)
        return false;
    p->at += n;
    one(p, text, ret);
    return true;
}

static bool concatenation(struct parse *p, struct set *ret)
{
    struct set all, next, none;
    one(p, STR(""), &all);
    one(p, STR(""), &none);
    if (p->depth == 0 && peek(p) == '^')
        p->at++; /* the whole is anchored anyway */
    while (more(p) && peek(p) != '|' && peek(p) != ')') {
        if (p->depth == 0 && peek(p) == '$' &&
            (p->at + 1 == p->pattern.n || p->pattern.p[p->at + 1] == '|')) {
            p->at++;
            continue;
        }
        if (!atom(p, &next))
            return false;
        if (peek(p) == '?') {
            p->at++;
            if (!unite(p, &none, &next, &next))
                return false;
        }
        char c = peek(p);
        if (c == '*' || c == '+' || c == '{' || c == '?' || !product(p, &all, &next, &all))
            return false;
    }
    *ret = all;
    return true;
}

static bool alternatives(struct parse *p, struct set *ret)
{
    struct set all, next;
    if (!concatenation(p, &all))
        return false;
    while (peek(p) == '|') {
        p->at++;
        if (!concatenation(p, &next) || !unite(p, &all, &next, &all))
            return false;
    }
    *ret = all;
    return true;
}

static int by_bytes(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Is there a '|' outside of parentheses? Says yes where it cannot tell. */
static bool has_alternatives(struct str pattern)
{
    int depth = 0;
    for (size_t i = 0; i < pattern.n; i++) {
        char c = pattern.p[i];
        if (c == '\\') {
            i++;
            if (i < pattern.n && pattern.p[i] == 'Q')
                return true;
        } else if (c == '[') {
            i++;
            if (i < pattern.n && pattern.p[i] == '^')
                i++;
            if (i < pattern.n && pattern.p[i] == ']')
                i++;
            for (; i < pattern.n && pattern.p[i] != ']'; i++)
                if (pattern.p[i] == '\\' || pattern.p[i] == '[')
                    return true;
        } else if (c == '(') {
            depth++;
        } else if (c == ')') {
            depth--;
        } else if (c == '|' && depth == 0) {
            return true;
        }
    }
    return false;
}

static void find_prefix(struct str pattern, struct arena *a, struct regex_literals *ret)
{
    struct str text;
    size_t i = 0, n = 0, used;
    if (has_alternatives(pattern))
        return;
    char *prefix = arena_new(a, pattern.n + 1);
    if (pattern.n && pattern.p[0] == '^')
        i++;
    while (i < pattern.n && (used = literal(pattern, i, &text)) > 0) {
        char next = i + used < pattern.n ? pattern.p[i + used] : 0;
        if (next == '*' || next == '?' || next == '{')
            break;
        memcpy(prefix + n, text.p, text.n);
        n += text.n;
        i += used;
        if (next == '+')
            break;
    }
    struct str rest = str_sub(pattern, i, pattern.n);
    ret->prefix = str_of(prefix, n);
    ret->prefix_only = str_eq(rest, STR(".*")) || str_eq(rest, STR(".*$"));
}

void regex_literals(struct str pattern, struct arena *a, struct regex_literals *ret)
{
    struct parse p = {.pattern = pattern, .arena = a};
    struct set all;

    *ret = (struct regex_literals){0};
    if (pattern.n > REGEX_PATTERN_MAX)
        return;
    if (!alternatives(&p, &all) || more(&p)) {
        find_prefix(pattern, a, ret);
        return;
    }
    qsort(all.v, all.n, sizeof *all.v, by_bytes);
    size_t n = 0;
    for (size_t i = 0; i < all.n; i++)
        if (n == 0 || !str_eq(all.v[i], all.v[n - 1]))
            all.v[n++] = all.v[i];
    *ret = (struct regex_literals){.exact = true, .texts = all.v, .n = n};
}
