#include "net/http_target.h"

#include "base/err.h"

enum {
    MATCH_PREFIX = 1, /* and the length of the route */
    MATCH_WILDCARD = 1u << 20,
    MATCH_EXACT = 1u << 21,
};

/* Decodes s to at most s.n bytes at to. */
static int decode(struct str s, bool plus_is_blank, char *to, size_t *ret)
{
    char *p = to;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '%') {
            *p++ = s.p[i] == '+' && plus_is_blank ? ' ' : s.p[i];
            continue;
        }
        int high = i + 1 < s.n ? str_hex(s.p[i + 1]) : -1;
        int low = i + 2 < s.n ? str_hex(s.p[i + 2]) : -1;
        if (high < 0 || low < 0)
            return -ERR_FORMAT;
        *p++ = (char)(high * 16 + low);
        i += 2;
    }
    *ret = (size_t)(p - to);
    return 0;
}

static bool has_dot_segments(struct str path)
{
    struct str segment;
    for (struct str rest = path; str_split(&rest, '/', &segment);) {
        if (str_eq(segment, STR(".")) || str_eq(segment, STR("..")))
            return true;
    }
    return false;
}

static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 127)
            return true;
    }
    return false;
}

int http_target_parse(struct arena *arena, struct str target, struct http_target *ret)
{
    size_t end = str_find(target, '?');
    struct http_target t = {.query = str_sub(target, end + 1, target.n)};
    struct str raw = str_sub(target, 0, end);
    char *p = arena_new(arena, raw.n + 1);
    t.path = str_of(p, 0);
    struct str rest = raw, segment;
    for (bool first = true; str_split(&rest, '/', &segment); first = false) {
        size_t n;
        if (!first)
            p[t.path.n++] = '/';
        char *to = p + t.path.n;
        if (decode(segment, false, to, &n))
            return -ERR_FORMAT;
        t.path.n += n;
        t.slashed = t.slashed || memchr(to, '/', n) != NULL;
        if (first) /* before the leading slash */
            continue;
        if (t.segments_n == HTTP_TARGET_SEGMENTS_MAX)
            return -ERR_LIMIT;
        t.segments[t.segments_n++] = str_of(to, n);
    }
    if (has_control(t.path) || has_dot_segments(t.path))
        return -ERR_FORMAT;
    *ret = t;
    return 0;
}

int http_target_params(struct arena *arena, struct str form, struct http_params *params)
{
    struct str pair;
    for (struct str rest = form; str_split(&rest, '&', &pair);) {
        if (pair.n == 0)
            continue;
        if (params->n == HTTP_TARGET_PARAMS_MAX)
            return -ERR_LIMIT;
        if (params->n == params->capacity) {
            size_t capacity = MAX(params->capacity * 2, (size_t)16);
            struct http_param *v = arena_array(arena, capacity, sizeof *v);
            if (params->n)
                memcpy(v, params->v, params->n * sizeof *v);
            params->v = v;
            params->capacity = capacity;
        }
        size_t equals = str_find(pair, '='), name_n, value_n;
        char *p = arena_new(arena, pair.n + 2);
        struct str value = str_sub(pair, equals + 1, pair.n);
        if (decode(str_sub(pair, 0, equals), true, p, &name_n) ||
            decode(value, true, p + name_n + 1, &value_n))
            return -ERR_FORMAT;
        params->v[params->n++] =
            (struct http_param){str_of(p, name_n), str_of(p + name_n + 1, value_n)};
    }
    return 0;
}

static bool is_wildcard(struct str segment)
{
    return str_eq(segment, STR("(*)")) || str_eq(segment, STR("*"));
}

static bool match_segments(const struct http_target *t, struct str route)
{
    struct str rest = str_sub(route, 1, route.n), segment;
    size_t i = 0;
    while (str_split(&rest, '/', &segment)) {
        if (i == t->segments_n)
            return false;
        struct str have = t->segments[i++];
        if (is_wildcard(segment) ? have.n == 0 : !str_eq(segment, have))
            return false;
    }
    return i == t->segments_n;
}

unsigned http_target_match(const struct http_target *t, struct str route)
{
    if (!t->slashed && str_eq(t->path, route))
        return MATCH_EXACT;
    if (str_find(route, '*') < route.n)
        return match_segments(t, route) ? MATCH_WILDCARD : 0;
    if (str_ends(route, STR("/")) && str_starts(t->path, route))
        return MATCH_PREFIX + (unsigned)route.n;
    return 0;
}

struct str http_target_wildcard(const struct http_target *t, struct str route, size_t i)
{
    struct str rest = str_sub(route, 1, route.n), segment;
    for (size_t at = 0; at < t->segments_n && str_split(&rest, '/', &segment); at++) {
        if (is_wildcard(segment) && i-- == 0)
            return t->segments[at];
    }
    return STR("");
}
