#include "text/yaml.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "text/number.h"

#define TAG_PREFIX "tag:yaml.org,2002:"

enum {
    NUMBER_TEXT = 128, /* bytes of a number's text, underscores left out */
    SHOWN_MAX = 10,    /* bytes of a value in a refusal */
    SHOWN_CUT = 7,     /* that are left of a longer one */
};

struct number {
    enum yaml_kind kind; /* YAML_INT, YAML_FLOAT; YAML_TEXT where it is none */
    bool large;          /* an integer above INT64_MAX: real alone has it */
    int64_t whole;
    double real;
};

struct word {
    struct str text;
    enum yaml_kind kind;
    double value;
};

static const struct word WORDS[] = {
    {{"", 0}, YAML_NULL, 0},
    {{"~", 1}, YAML_NULL, 0},
    {{"null", 4}, YAML_NULL, 0},
    {{"Null", 4}, YAML_NULL, 0},
    {{"NULL", 4}, YAML_NULL, 0},
    {{"true", 4}, YAML_BOOL, 1},
    {{"True", 4}, YAML_BOOL, 1},
    {{"TRUE", 4}, YAML_BOOL, 1},
    {{"false", 5}, YAML_BOOL, 0},
    {{"False", 5}, YAML_BOOL, 0},
    {{"FALSE", 5}, YAML_BOOL, 0},
    {{".nan", 4}, YAML_FLOAT, NAN},
    {{".NaN", 4}, YAML_FLOAT, NAN},
    {{".NAN", 4}, YAML_FLOAT, NAN},
    {{".inf", 4}, YAML_FLOAT, INFINITY},
    {{".Inf", 4}, YAML_FLOAT, INFINITY},
    {{".INF", 4}, YAML_FLOAT, INFINITY},
    {{"+.inf", 5}, YAML_FLOAT, INFINITY},
    {{"+.Inf", 5}, YAML_FLOAT, INFINITY},
    {{"+.INF", 5}, YAML_FLOAT, INFINITY},
    {{"-.inf", 5}, YAML_FLOAT, -INFINITY},
    {{"-.Inf", 5}, YAML_FLOAT, -INFINITY},
    {{"-.INF", 5}, YAML_FLOAT, -INFINITY},
};

static const struct word *word_of(struct str s)
{
    for (size_t i = 0; i < COUNTOF(WORDS); i++)
        if (str_eq(WORDS[i].text, s))
            return &WORDS[i];
    return NULL;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool float_shaped(const char *p)
{
    p += *p == '-' || *p == '+';
    size_t before = strspn(p, "0123456789"), after = 0;
    p += before;
    if (*p == '.') {
        after = strspn(++p, "0123456789");
        p += after;
    }
    if (before + after == 0)
        return false;
    if (*p == 'e' || *p == 'E') {
        p++;
        p += *p == '-' || *p == '+';
        size_t digits = strspn(p, "0123456789");
        if (digits == 0)
            return false;
        p += digits;
    }
    return *p == 0;
}

/* The digits behind 0x, 0o, 0b or a leading 0, as Go's ParseInt with base 0 has them. */
static bool read_whole(const char *text, struct number *ret)
{
    bool negative = *text == '-';
    const char *p = text + (*text == '-' || *text == '+');
    int base = 10;
    if (p[0] == '0' && p[1]) {
        char c = (char)(p[1] | 0x20);
        base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
        p += base != 8 || c == 'o' ? 2 : 1;
    }
    static const char DIGITS[] = "0123456789abcdefABCDEF";
    size_t known = base == 16 ? 22 : (size_t)base, n = 0;
    for (; p[n]; n++)
        if (!memchr(DIGITS, p[n], known))
            return false;
    if (n == 0)
        return false;
    errno = 0;
    uint64_t v = strtoull(p, NULL, base);
    if (errno || (negative && v > (uint64_t)INT64_MAX + 1))
        return false;
    ret->kind = YAML_INT;
    ret->real = negative ? -(double)v : (double)v;
    ret->large = !negative && v > INT64_MAX;
    ret->whole = ret->large ? INT64_MAX : (int64_t)(negative ? 0 - v : v);
    return true;
}

static struct number read_number(struct str s)
{
    struct number v = {.kind = YAML_TEXT};
    char plain[NUMBER_TEXT];
    size_t n = 0;
    if (s.n == 0 || !strchr("+-.0123456789", s.p[0]) || s.n >= sizeof plain)
        return v;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '_' || s.p[0] == '.')
            plain[n++] = s.p[i];
    plain[n] = 0;
    if (memchr(plain, 0, n) || (plain[0] != '.' && read_whole(plain, &v)))
        return v;
    if (float_shaped(plain) && number_parse(str_of(plain, n), &v.real) == 0)
        v.kind = YAML_FLOAT;
    return v;
}

static bool is_core(const struct yaml_node *node, const char *name)
{
    struct str prefix = STR(TAG_PREFIX);
    return str_starts(node->tag, prefix) &&
           str_eq(str_sub(node->tag, prefix.n, node->tag.n), str_c(name));
}

enum yaml_kind yaml_scalar_kind(const struct yaml_node *node)
{
    if (node->tag.n ? is_core(node, "str") || !str_starts(node->tag, STR(TAG_PREFIX))
                    : node->style != YAML_PLAIN)
        return YAML_TEXT;
    const struct word *w = word_of(node->text);
    return w ? w->kind : read_number(node->text).kind;
}

struct str yaml_tag(const struct yaml_node *node)
{
    static const char *const KINDS[] = {"!!null", "!!bool", "!!int", "!!float", "!!str"};
    struct str prefix = STR(TAG_PREFIX);
    static const char *const CORE[] = {"!!null", "!!bool", "!!int", "!!float", "!!str",
                                       "!!map",  "!!seq",  "!!set", "!!omap",  "!!timestamp"};
    for (size_t i = 0; i < COUNTOF(CORE) && str_starts(node->tag, prefix); i++)
        if (is_core(node, CORE[i] + 2))
            return str_c(CORE[i]);
    if (node->tag.n)
        return node->tag;
    return str_c(node->type == YAML_MAP        ? "!!map"
                 : node->type == YAML_SEQUENCE ? "!!seq"
                                               : KINDS[node->kind]);
}

int yaml_mismatch(const struct yaml_node *node, const char *what, struct why *why)
{
    struct str tag = yaml_tag(node);
    if (node->type != YAML_SCALAR)
        return why_set(why, ERR_FORMAT, "cannot unmarshal " STR_FMT " into %s", STR_ARG(tag), what);
    size_t n = node->text.n;
    if (n > SHOWN_MAX)
        for (n = SHOWN_CUT; n > 0 && ((unsigned char)node->text.p[n] & 0xc0) == 0x80;)
            n--;
    return why_set(why, ERR_FORMAT, "cannot unmarshal " STR_FMT " `%.*s%s` into %s", STR_ARG(tag),
                   (int)n, node->text.p, n < node->text.n ? "..." : "", what);
}

const struct yaml_node *yaml_get(const struct yaml_node *node, const char *key)
{
    struct str wanted = str_c(key);
    for (size_t i = 0; node && node->type == YAML_MAP && i < node->n; i++)
        if (str_eq(node->members[i].key->text, wanted))
            return node->members[i].value;
    return NULL;
}

bool yaml_is_null(const struct yaml_node *node)
{
    return !node || (node->type == YAML_SCALAR && node->kind == YAML_NULL);
}

const struct yaml_member *yaml_unknown(const struct yaml_node *map, const char *const *known,
                                       size_t n, size_t *at)
{
    while (map && map->type == YAML_MAP && *at < map->n) {
        const struct yaml_member *m = &map->members[(*at)++];
        bool found = false;
        for (size_t i = 0; i < n && !found; i++)
            found = str_eq(m->key->text, str_c(known[i]));
        if (!found)
            return m;
    }
    return NULL;
}

int yaml_text(const struct yaml_node *node, struct str *ret, struct why *why)
{
    if (yaml_is_null(node))
        return 0;
    if (node->type != YAML_SCALAR)
        return yaml_mismatch(node, "string", why);
    *ret = node->text;
    return 0;
}

int yaml_bool(const struct yaml_node *node, bool *ret, struct why *why)
{
    static const char *const YES[] = {"y", "Y", "yes", "on"}, *const NO[] = {"n", "N", "no", "off"};
    if (yaml_is_null(node))
        return 0;
    const struct word *w = word_of(node->text);
    if (node->type == YAML_SCALAR && node->kind == YAML_BOOL && w) {
        *ret = w->value != 0;
        return 0;
    }
    for (size_t i = 0; node->type == YAML_SCALAR && i < COUNTOF(YES); i++) {
        bool yes = str_eq(node->text, str_c(YES[i]));
        if (yes || str_eq(node->text, str_c(NO[i]))) {
            *ret = yes;
            return 0;
        }
    }
    return yaml_mismatch(node, "bool", why);
}

/* The number that a scalar is; YAML_TEXT where it is none. */
static struct number number_of(const struct yaml_node *node)
{
    struct number v = {.kind = YAML_TEXT};
    if (node->type != YAML_SCALAR || (node->kind != YAML_INT && node->kind != YAML_FLOAT))
        return v;
    const struct word *w = word_of(node->text);
    return w ? (struct number){.kind = YAML_FLOAT, .real = w->value} : read_number(node->text);
}

int yaml_whole(const struct yaml_node *node, int64_t *ret, struct why *why)
{
    if (yaml_is_null(node))
        return 0;
    struct number v = number_of(node);
    if (v.kind == YAML_FLOAT && v.real >= -0x1p63 && v.real < 0x1p63)
        v = (struct number){.kind = YAML_INT, .whole = (int64_t)v.real};
    if (v.kind != YAML_INT || v.large)
        return yaml_mismatch(node, "int", why);
    *ret = v.whole;
    return 0;
}

int yaml_real(const struct yaml_node *node, double *ret, struct why *why)
{
    if (yaml_is_null(node))
        return 0;
    struct number v = number_of(node);
    if (v.kind == YAML_TEXT)
        return yaml_mismatch(node, "float64", why);
    *ret = v.real;
    return 0;
}

int yaml_expect(const struct yaml_node *node, enum yaml_type type, const char *what,
                struct why *why)
{
    return yaml_is_null(node) || node->type == type ? 0 : yaml_mismatch(node, what, why);
}
