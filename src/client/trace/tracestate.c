#include "client/trace/tracestate.h"

#include <string.h>

#include "client/trace/sampler.h"

enum { KEY_MAX = 256, VALUE_MAX = 256, TENANT_MAX = 241, SYSTEM_MAX = 14, RANDOM_DIGITS = 14 };

struct member {
    const char *s;
    size_t key_n, n; /* n: of key, '=' and value */
};

static bool lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool key_char(char c)
{
    return lower(c) || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '*' || c == '/';
}

/* simple-key, or tenant@system. */
static bool good_key(const char *s, size_t n)
{
    const char *at = memchr(s, '@', n);
    size_t first_n = at ? (size_t)(at - s) : n;
    for (size_t i = 0; i < n; i++) {
        if (!key_char(s[i]) && s + i != at) {
            return false;
        }
    }
    if (!at) {
        return n >= 1 && n <= KEY_MAX && lower(*s);
    }
    size_t system_n = n - first_n - 1;
    bool begins = first_n >= 1 && (lower(*s) || (*s >= '0' && *s <= '9'));
    return begins && first_n <= TENANT_MAX && system_n >= 1 && system_n <= SYSTEM_MAX &&
           lower(at[1]);
}

static bool good_value(const char *s, size_t n)
{
    if (n < 1 || n > VALUE_MAX || s[n - 1] == ' ') {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (s[i] < 0x20 || s[i] > 0x7e || s[i] == ',' || s[i] == '=') {
            return false;
        }
    }
    return true;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Splits a header into its members; false where one is bad or there are too many. */
static bool split(const char *s, size_t n, struct member *ret, size_t *ret_n)
{
    for (size_t at = 0; at <= n;) {
        const char *comma = at < n ? memchr(s + at, ',', n - at) : NULL;
        size_t end = comma ? (size_t)(comma - s) : n, next = end + 1;
        while (at < end && blank(s[at])) {
            at++;
        }
        while (end > at && blank(s[end - 1])) {
            end--;
        }
        if (end > at) {
            const char *equals = memchr(s + at, '=', end - at);
            size_t key_n = equals ? (size_t)(equals - s) - at : 0;
            if (!equals || *ret_n == TRACESTATE_MEMBERS_MAX || !good_key(s + at, key_n) ||
                !good_value(equals + 1, end - at - key_n - 1)) {
                return false;
            }
            ret[(*ret_n)++] = (struct member){s + at, key_n, end - at};
        }
        at = next;
    }
    return true;
}

static bool comes_before(const struct member *m, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (m[i].key_n == m[n].key_n && memcmp(m[i].s, m[n].s, m[n].key_n) == 0) {
            return true;
        }
    }
    return false;
}

/* The bytes of all members with their commas. */
static size_t length_of(const struct member *m, size_t n)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += m[i].n ? m[i].n + (sum ? 1 : 0) : 0;
    }
    return sum;
}

static void shorten(struct member *m, size_t *n)
{
    for (size_t i = *n; i-- && length_of(m, *n) > TRACESTATE_MAX;) {
        m[i].n = m[i].n > TRACESTATE_LONG ? 0 : m[i].n;
    }
    while (*n && length_of(m, *n) > TRACESTATE_MAX) {
        --*n;
    }
}

/* The value of a sub-key of `ot` ("th:8;rv:00.."), or NULL. */
static const char *sub_key(const char *s, size_t n, const char *name, size_t *ret_n)
{
    for (size_t at = 0; at < n;) {
        const char *end = memchr(s + at, ';', n - at);
        size_t part = end ? (size_t)(end - s) - at : n - at;
        if (part >= 3 && memcmp(s + at, name, 2) == 0 && s[at + 2] == ':') {
            *ret_n = part - 3;
            return s + at + 3;
        }
        at += part + 1;
    }
    return NULL;
}

static void read_ot(struct tracestate *t, const char *value, size_t n)
{
    size_t sub_n = 0;
    const char *sub = sub_key(value, n, "th", &sub_n);
    t->has_threshold = sub && sampler_parse(sub, sub_n, &t->threshold);
    sub = sub_key(value, n, "rv", &sub_n);
    t->has_random = sub && sub_n == RANDOM_DIGITS && sampler_parse(sub, sub_n, &t->random);
}

bool tracestate_read(const char *s, size_t n, struct tracestate *ret)
{
    struct member m[TRACESTATE_MEMBERS_MAX];
    size_t members = 0;
    *ret = (struct tracestate){0};
    if (!split(s, n, m, &members)) {
        return false;
    }
    for (size_t i = 0; i < members; i++) {
        m[i].n = comes_before(m, i) ? 0 : m[i].n;
    }
    shorten(m, &members);
    for (size_t i = 0; i < members; i++) {
        if (!m[i].n) {
            continue;
        }
        if (ret->n) {
            ret->text[ret->n++] = ',';
        }
        memcpy(ret->text + ret->n, m[i].s, m[i].n);
        ret->n += m[i].n;
        if (m[i].key_n == 2 && memcmp(m[i].s, "ot", 2) == 0) {
            read_ot(ret, m[i].s + 3, m[i].n - 3);
        }
    }
    return true;
}

/* Where "ot=" begins in a text that was read, or NULL. */
static char *find_ot(struct tracestate *t)
{
    for (size_t at = 0; at + 3 <= t->n; at++) {
        if ((at == 0 || t->text[at - 1] == ',') && memcmp(t->text + at, "ot=", 3) == 0) {
            return t->text + at;
        }
    }
    return NULL;
}

static void cut_out(struct tracestate *t, char *from, char *to)
{
    size_t behind = (size_t)(t->text + t->n - to);
    memmove(from, to, behind);
    t->n -= (size_t)(to - from);
}

void tracestate_forget_threshold(struct tracestate *t)
{
    t->has_threshold = false;
    char *ot = find_ot(t);
    if (!ot) {
        return;
    }
    char *end = t->text + t->n, *comma = memchr(ot, ',', (size_t)(end - ot)), *value = ot + 3;
    char *over = comma ? comma : end;
    size_t sub_n = 0;
    const char *sub = sub_key(value, (size_t)(over - value), "th", &sub_n);
    if (!sub) {
        return;
    }
    char *from = value + (sub - value) - 3, *to = from + 3 + sub_n;
    if (to < over) { /* its semicolon too */
        cut_out(t, from, to + 1);
    } else if (from > value) {
        cut_out(t, from - 1, to);
    } else if (comma) { /* nothing else was in `ot` */
        cut_out(t, ot, comma + 1);
    } else {
        cut_out(t, ot > t->text ? ot - 1 : ot, end);
    }
}
