/* Kinds of discovery that a configuration may name and that find nothing here: their entries are
 * checked by one table, so that what Prometheus refuses is refused too. */
#include <stdio.h>

#include "discover/discover.h"
#include "promfile/http/http_client.h"
#include "text/yaml_struct.h"

enum kind {
#define FOREIGN(name, http) KIND_##name,
#include "discover/foreign.tbl.h"
};

enum type { TEXT, BOOL, WHOLE, DURATION, TEXTS, TLS, FILTERS };

enum what {
    WHEN,
    NEEDED,
    NOT_EMPTY,
    ONE_OF,
    NOT_BOTH,
    EITHER,
    LISTED,
    ROOTED,
    FILLED,
    URL,
    HTTP_URL,
    HOST,
};

static const char *const NAMES[] = {
#define FOREIGN(name, http) #name,
#include "discover/foreign.tbl.h"
};

static const struct key {
    enum kind kind;
    const char *key;
    enum type type;
} KEYS[] = {
#define KEY(kind, key, type) {KIND_##kind, key, type},
#include "discover/foreign.tbl.h"
};

static const struct check {
    enum kind kind;
    enum what what;
    const char *key, *with, *text;
} CHECKS[] = {
#define CHECK(kind, what, key, with, text) {KIND_##kind, what, key, with, text},
#include "discover/foreign.tbl.h"
};

enum { KEYS_MAX = 32, TEXT_MAX = 512 };

/* ---- the types of values */

/* Any value; what it is is checked alone. */
union value {
    struct str text;
    bool flag;
    int64_t whole;
    struct yaml_struct_texts texts;
};

static enum yaml_struct_type type_of(enum type type)
{
    switch (type) {
    case TEXT:
        return YAML_STRUCT_TEXT;
    case BOOL:
        return YAML_STRUCT_BOOL;
    case WHOLE:
        return YAML_STRUCT_WHOLE;
    case DURATION:
        return YAML_STRUCT_DURATION;
    case TEXTS:
        return YAML_STRUCT_TEXTS;
    default:
        return YAML_STRUCT_ELSE;
    }
}

static int read_filters(const struct yaml_node *list, struct discovery_read *r, struct why *why)
{
    struct filter {
        struct str name;
        struct yaml_struct_texts values;
    };
    static const struct yaml_struct_field FIELDS[] = {
        {"name", YAML_STRUCT_TEXT, offsetof(struct filter, name)},
        {"values", YAML_STRUCT_TEXTS, offsetof(struct filter, values)},
    };
    static const struct yaml_struct SHAPE = {"aws.plain", FIELDS, COUNTOF(FIELDS), NULL};
    if (list)
        r->place = list->place;
    int err = yaml_expect(list, YAML_SEQUENCE, "[]*aws.EC2Filter", why);
    for (size_t i = 0; !err && !yaml_is_null(list) && i < list->n; i++) {
        struct filter f = {0};
        const struct yaml_node *node = list->members[i].value;
        err = yaml_struct_read(node, &SHAPE, r->a, &f, &r->place, why);
        if (err)
            break;
        r->place = node->place;
        if (f.values.n == 0)
            err = why_set(why, ERR_FORMAT, "EC2 SD configuration filter values cannot be empty");
    }
    return err;
}

static int read_else(const struct key *key, const struct yaml_node *entry, struct discovery_read *r,
                     struct why *why)
{
    const struct yaml_node *node = yaml_get(entry, key->key);
    struct fetch_tls unused;
    if (key->type == FILTERS)
        return read_filters(node, r, why);
    if (key->type == TLS && !yaml_is_null(node))
        return http_client_tls(node, r->folder, r->a, &unused, &r->place, why);
    return 0;
}

static int read_keys(enum kind kind, bool http, const struct yaml_node *entry,
                     struct discovery_read *r, struct why *why)
{
    struct yaml_struct_field fields[KEYS_MAX];
    union value values[KEYS_MAX] = {0};
    char name[64];
    size_t n = 0;
    for (size_t i = 0; i < COUNTOF(KEYS); i++)
        if (KEYS[i].kind == kind) {
            fields[n] =
                (struct yaml_struct_field){KEYS[i].key, type_of(KEYS[i].type), n * sizeof *values};
            n++;
        }
    snprintf(name, sizeof name, "%s.plain", NAMES[kind]);
    struct yaml_struct shape = {name, fields, n, http ? http_client_key : NULL};
    int err = yaml_struct_read(entry, &shape, r->a, values, &r->place, why);
    for (size_t i = 0; i < COUNTOF(KEYS) && !err; i++)
        if (KEYS[i].kind == kind)
            err = read_else(&KEYS[i], entry, r, why);
    return err;
}

/* ---- what must hold */

/* Has it a text, or members? */
static bool filled(const struct yaml_node *node)
{
    return !yaml_is_null(node) && (node->type == YAML_SCALAR ? node->text.n > 0 : node->n > 0);
}

static struct str text_of(const struct yaml_node *node)
{
    return filled(node) && node->type == YAML_SCALAR ? node->text : STR("");
}

static bool among(struct str text, const char *words)
{
    struct str rest = str_c(words), word;
    while (str_split(&rest, '|', &word))
        if (str_eq(word, text))
            return true;
    return false;
}

/* As a URL parser without mercy for colons and control characters sees it. */
static bool is_url(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
            return false;
    return s.n == 0 || s.p[0] != ':';
}

/* What stands behind http:// or https://; false where neither is there. */
static bool http_host(struct str s, struct str *ret)
{
    static const struct str PREFIXES[] = {{"http://", 7}, {"https://", 8}};
    for (size_t i = 0; i < COUNTOF(PREFIXES); i++)
        if (str_starts(s, PREFIXES[i])) {
            struct str rest = str_sub(s, PREFIXES[i].n, s.n);
            *ret = str_sub(rest, 0, str_find(rest, '/'));
            return is_url(s);
        }
    return false;
}

/* The first element that is wrong; "" and false where none is. */
static bool find_wrong(const struct yaml_node *list, enum what what, struct str *ret)
{
    for (size_t i = 0; list && list->type == YAML_SEQUENCE && i < list->n; i++) {
        struct str text = text_of(list->members[i].value);
        *ret = text;
        if (text.n == 0 || (what == ROOTED && text.p[0] != '/'))
            return true;
    }
    *ret = STR("");
    return false;
}

/* *ret is what the text of the check shows. */
static bool holds(const struct check *c, const struct yaml_node *entry, struct str *ret)
{
    const struct yaml_node *node = yaml_get(entry, c->key);
    struct str host = STR("");
    *ret = text_of(node);
    switch (c->what) {
    case WHEN:
        return true;
    case NEEDED:
    case LISTED:
        return filled(node);
    case NOT_EMPTY:
        return yaml_is_null(node) || filled(node);
    case ONE_OF:
        return yaml_is_null(node) || among(*ret, c->with);
    case NOT_BOTH:
        return !filled(node) || !filled(yaml_get(entry, c->with));
    case EITHER:
        return filled(node) || filled(yaml_get(entry, c->with));
    case ROOTED:
    case FILLED:
        return !find_wrong(node, c->what, ret);
    case URL:
        return is_url(*ret);
    case HTTP_URL:
        return http_host(*ret, &host);
    case HOST:
        return http_host(*ret, &host) && host.n > 0;
    }
    return true;
}

/* Are the checks behind a WHEN made? */
static bool applies(const struct check *c, const struct yaml_node *entry)
{
    if (c->key[0] == '\0')
        return true;
    const struct yaml_node *node = yaml_get(entry, c->key);
    bool usual = c->with[0] == '=';
    return yaml_is_null(node) ? usual : str_eq(text_of(node), str_c(c->with + usual));
}

/* The text of a check, with text in place of its %s. */
static int refuse(const struct check *c, struct str text, struct why *why)
{
    const char *at = strstr(c->text, "%s");
    if (!at)
        return why_set(why, ERR_FORMAT, "%s", c->text);
    return why_set(why, ERR_FORMAT, "%.*s" STR_FMT "%s", (int)(at - c->text), c->text,
                   STR_ARG(text), at + 2);
}

static int check_all(enum kind kind, const struct yaml_node *entry, struct discovery_read *r,
                     struct why *why)
{
    bool made = true;
    for (size_t i = 0; i < COUNTOF(CHECKS); i++) {
        const struct check *c = &CHECKS[i];
        struct str text;
        if (c->kind != kind)
            continue;
        if (c->what == WHEN)
            made = applies(c, entry);
        if (!made || holds(c, entry, &text))
            continue;
        const struct yaml_node *node = yaml_get(entry, c->key);
        r->place = (node ? node : entry)->place;
        return refuse(c, text, why);
    }
    return 0;
}

static int read_foreign(const struct yaml_node *entry, struct discovery_read *r,
                        struct discovery_config *ret, struct why *why)
{
    size_t kind = 0;
    while (strcmp(NAMES[kind], ret->ops->name) != 0)
        kind++;
    int err = read_keys((enum kind)kind, ret->ops->http, entry, r, why);
    return err ? err : check_all((enum kind)kind, entry, r, why);
}

#define FOREIGN(kind, takes_http)                                                                  \
    extern const struct discovery_ops foreign_##kind##_discovery;                                  \
    const struct discovery_ops foreign_##kind##_discovery = {                                      \
        .key = #kind "_sd_configs", .name = #kind, .http = takes_http, .read = read_foreign};
#include "discover/foreign.tbl.h"
