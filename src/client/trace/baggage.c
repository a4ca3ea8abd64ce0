#include "client/trace/baggage.h"

#include <stdint.h>
#include <string.h>

static bool letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool token_char(char c)
{
    return letter_or_digit(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* baggage-octet: what a value may have as it is. */
static bool value_char(char c)
{
    return c > 0x20 && c < 0x7f && c != '"' && c != ',' && c != ';' && c != '\\';
}

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

bool baggage_key_good(const char *key, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!token_char(key[i])) {
            return false;
        }
    }
    return n > 0;
}

struct piece {
    const char *s;
    size_t n;
};

/* The piece of [*at, n) before the next `separator`, without blanks around it; *at behind it. */
static bool next_piece(const char *s, size_t n, char separator, size_t *at, struct piece *ret)
{
    if (*at > n) {
        return false;
    }
    const char *found = *at < n ? memchr(s + *at, separator, n - *at) : NULL;
    size_t from = *at, end = found ? (size_t)(found - s) : n;
    *at = end + 1;
    while (from < end && blank(s[from])) {
        from++;
    }
    while (end > from && blank(s[end - 1])) {
        end--;
    }
    *ret = (struct piece){s + from, end - from};
    return true;
}

/* key OWS = OWS value: its two sides. value.s NULL: there is no '='. */
static void sides(struct piece whole, struct piece *ret_key, struct piece *ret_value)
{
    size_t at = 0;
    *ret_value = (struct piece){NULL, 0};
    next_piece(whole.s, whole.n, '=', &at, ret_key);
    if (at <= whole.n) {
        struct piece rest = {whole.s + at, whole.n - at};
        while (rest.n && blank(*rest.s)) {
            rest.s++;
            rest.n--;
        }
        *ret_value = rest;
    }
}

static bool good_pair(struct piece key, struct piece value, bool value_needed)
{
    if (!baggage_key_good(key.s, key.n) || (value_needed && !value.s)) {
        return false;
    }
    for (size_t i = 0; i < value.n; i++) {
        if (!value_char(value.s[i])) {
            return false;
        }
    }
    return true;
}

static void add_pair(struct text *ret, struct piece key, struct piece value)
{
    text_add(ret, key.s, key.n);
    if (value.s) {
        text_add_char(ret, '=');
        text_add(ret, value.s, value.n);
    }
}

/* Appends one member, cleaned of blanks; false (ret as before) where it is bad. */
static bool add_member(struct piece whole, struct text *ret)
{
    size_t at = 0, before = ret->len;
    struct piece part, key, value;
    for (bool first = true; next_piece(whole.s, whole.n, ';', &at, &part); first = false) {
        if (!first && part.n == 0) {
            continue;
        }
        sides(part, &key, &value);
        if (!good_pair(key, value, first)) {
            ret->len = before;
            return false;
        }
        if (!first) {
            text_add_char(ret, ';');
        }
        add_pair(ret, key, value);
    }
    return true;
}

void baggage_read(const char *s, size_t n, struct text *ret)
{
    size_t at = 0, members = 0;
    struct piece whole;
    while (members < BAGGAGE_MEMBERS_MAX && next_piece(s, n, ',', &at, &whole)) {
        size_t before = ret->len;
        if (whole.n == 0 || whole.n > BAGGAGE_MAX) {
            continue;
        }
        if (before) {
            text_add_char(ret, ',');
        }
        bool added = add_member(whole, ret);
        if (!added || ret->cut || ret->len > BAGGAGE_MAX) {
            ret->len = before;
            ret->cut = false;
        } else {
            members++;
        }
    }
}

static int hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The next byte of an encoded value. */
static unsigned char decode(const char *s, size_t n, size_t *at)
{
    if (s[*at] == '%' && *at + 2 < n && hex(s[*at + 1]) >= 0 && hex(s[*at + 2]) >= 0) {
        int byte = hex(s[*at + 1]) << 4 | hex(s[*at + 2]);
        *at += 3;
        return (unsigned char)byte;
    }
    return (unsigned char)s[(*at)++];
}

/* How many bytes the UTF-8 character at s takes; 0 where it is none. */
static size_t utf8_length(const uint8_t *s, size_t n)
{
    if (s[0] < 0x80) {
        return 1;
    }
    size_t len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || len > n) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool bad = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
               (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f);
    return bad ? 0 : len;
}

struct out {
    char *bytes;
    size_t size, n;
};

static void put(struct out *o, const void *bytes, size_t n)
{
    if (o->size && o->n + n < o->size) {
        memcpy(o->bytes + o->n, bytes, n);
        o->bytes[o->n + n] = 0;
    }
    o->n += n;
}

static void decode_all(struct piece value, struct out *o)
{
    uint8_t window[4];
    size_t held = 0, at = 0;
    while (at < value.n || held) {
        while (held < sizeof window && at < value.n) {
            window[held++] = decode(value.s, value.n, &at);
        }
        size_t n = utf8_length(window, held);
        if (n) {
            put(o, window, n);
        } else {
            put(o, "\xef\xbf\xbd", 3);
            n = 1;
        }
        memmove(window, window + n, held - n);
        held -= n;
    }
}

static bool same(struct piece p, const char *key)
{
    return text_same(p.s, p.n, key);
}

bool baggage_find(const char *list, size_t n, const char *key, char *ret, size_t size,
                  size_t *ret_n)
{
    size_t at = 0;
    struct piece whole, part, name, value;
    while (next_piece(list, n, ',', &at, &whole)) {
        size_t inner = 0;
        next_piece(whole.s, whole.n, ';', &inner, &part);
        sides(part, &name, &value);
        if (same(name, key) && value.s) {
            struct out o = {ret, size, 0};
            if (size) {
                ret[0] = 0;
            }
            decode_all(value, &o);
            *ret_n = o.n;
            return true;
        }
    }
    return false;
}

static void encode(struct text *ret, const char *value)
{
    static const char digits[] = "0123456789ABCDEF";
    for (; *value; value++) {
        if (value_char(*value) && *value != '%') {
            text_add_char(ret, *value);
        } else {
            char three[3] = {'%', digits[(unsigned char)*value >> 4],
                             digits[(unsigned char)*value & 15]};
            text_add(ret, three, sizeof three);
        }
    }
}

bool baggage_with(const char *list, size_t n, const char *key, const char *value, struct text *ret)
{
    size_t at = 0, members = 0;
    struct piece whole, name, unused;
    while (next_piece(list, n, ',', &at, &whole)) {
        sides(whole, &name, &unused);
        if (whole.n == 0 || same(name, key)) {
            continue;
        }
        if (members++) {
            text_add_char(ret, ',');
        }
        text_add(ret, whole.s, whole.n);
    }
    if (value) {
        if (members++) {
            text_add_char(ret, ',');
        }
        text_add_string(ret, key);
        text_add_char(ret, '=');
        encode(ret, value);
    }
    return members <= BAGGAGE_MEMBERS_MAX && ret->len <= BAGGAGE_MAX && !ret->cut;
}
