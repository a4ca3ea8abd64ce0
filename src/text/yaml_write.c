#include "text/yaml_write.h"

#include "text/json.h"

enum { INDENT = 2 };

static const char SECRET[] = "<secret>";

/* How what stands below a key is shown. */
struct manner {
    enum yaml_write_hiding now;
    struct str above; /* the nearest key of a list or map */
    yaml_write_hide *hide;
};

static struct manner below(const struct manner *m, struct str key)
{
    struct manner next = *m;
    if (m->now == YAML_WRITE_PLAIN)
        next.now = m->hide(m->above, key);
    next.above = key;
    return next;
}

/* ---- scalars */

/* Can a text stand there without quotes? */
static bool is_plain(struct str s)
{
    static const char *const WORDS[] = {"y", "n", "yes", "no", "on", "off"};
    const struct yaml_node alone = {.type = YAML_SCALAR, .style = YAML_PLAIN, .text = s};
    if (s.n == 0 || !strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ/_.$(^", s.p[0]))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool good = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                    (c && strchr("_./@$(){}^|*+=,;<>~?-", c)) ||
                    (c == ':' && i + 1 < s.n && s.p[i + 1] != ' ') ||
                    (c == ' ' && i + 1 < s.n && s.p[i + 1] != ' ' && s.p[i + 1] != '#');
        if (!good)
            return false;
    }
    for (size_t i = 0; i < COUNTOF(WORDS); i++)
        if (str_eq(s, str_c(WORDS[i])))
            return false;
    return yaml_scalar_kind(&alone) == YAML_TEXT;
}

void yaml_write_text(struct buf *b, struct str s)
{
    if (is_plain(s))
        buf_put_str(b, s);
    else
        json_put_text(b, s);
}

/* The end of "user:password" in a URL and where the password begins; 0 where there is none. */
static size_t password_in(struct str s, size_t *ret_from)
{
    size_t from = str_search(s, STR("://"));
    if (from == s.n)
        return 0;
    from += 3;
    size_t end = from, at = 0, colon = 0;
    for (; end < s.n && s.p[end] != '/' && s.p[end] != '?' && s.p[end] != '#'; end++) {
        if (s.p[end] == '@')
            at = end;
        if (s.p[end] == ':' && colon == 0)
            colon = end;
    }
    *ret_from = colon + 1;
    return at > colon && colon > 0 ? at : 0;
}

/* What stands behind the host of a URL may be a secret, the host is none. */
static void put_shortened(struct buf *b, struct str text)
{
    size_t from = str_search(text, STR("://"));
    size_t slash = from == text.n ? text.n : from + 3;
    while (slash < text.n && text.p[slash] != '/' && text.p[slash] != '?')
        slash++;
    if (from == text.n) {
        buf_put_str(b, str_c(SECRET));
        return;
    }
    struct buf made;
    size_t user = slash;
    while (user > from + 3 && text.p[user - 1] != '@')
        user--;
    buf_init(&made, text.n + 64);
    buf_put_str(&made, str_sub(text, 0, from + 3));
    buf_put_str(&made, str_sub(text, user > from + 3 ? user : from + 3, slash));
    buf_put_str(&made, slash + 1 < text.n ? STR("/%3Csecret%3E") : str_sub(text, slash, text.n));
    yaml_write_text(b, buf_str(&made));
    buf_done(&made);
}

static void put_scalar(struct buf *b, const struct yaml_node *node, enum yaml_write_hiding now)
{
    size_t from = 0, to = now == YAML_WRITE_FREE ? 0 : password_in(node->text, &from);
    if (yaml_is_null(node)) {
        buf_put_str(b, STR("null"));
    } else if (now == YAML_WRITE_HIDDEN) {
        buf_put_str(b, str_c(SECRET));
    } else if (now == YAML_WRITE_SHORTENED) {
        put_shortened(b, node->text);
    } else if (to > 0) {
        buf_put_str(b, str_sub(node->text, 0, from));
        buf_put_str(b, STR("%3Csecret%3E"));
        buf_put_str(b, str_sub(node->text, to, node->text.n));
    } else if (node->kind != YAML_TEXT && node->style == YAML_PLAIN) {
        buf_put_str(b, node->text);
    } else {
        yaml_write_text(b, node->text);
    }
}

/* ---- trees */

void yaml_write_indent(struct buf *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_put_c(b, ' ');
}

static void put_list(struct buf *b, const struct yaml_node *list, size_t indent,
                     const struct manner *how);

/* " value\n", or "\n" and what stands below. */
static void put_value(struct buf *b, const struct yaml_node *node, size_t indent,
                      const struct manner *how);

static void put_member(struct buf *b, const struct yaml_member *m, size_t indent,
                       const struct manner *how)
{
    struct manner next = below(how, m->key->text);
    yaml_write_text(b, m->key->text);
    buf_put_c(b, ':');
    put_value(b, m->value, indent, &next);
}

static void put_map(struct buf *b, const struct yaml_node *map, size_t indent,
                    const struct manner *how, bool first_indented)
{
    for (size_t i = 0; i < map->n; i++) {
        if (i > 0 || !first_indented)
            yaml_write_indent(b, indent);
        put_member(b, &map->members[i], indent, how);
    }
}

static void put_value(struct buf *b, const struct yaml_node *node, size_t indent,
                      const struct manner *how)
{
    if (node->type != YAML_SCALAR && node->n > 0) {
        buf_put_c(b, '\n');
        if (node->type == YAML_MAP)
            put_map(b, node, indent + INDENT, how, false);
        else
            put_list(b, node, indent, how);
        return;
    }
    buf_put_c(b, ' ');
    if (node->type == YAML_SCALAR)
        put_scalar(b, node, how->now);
    else
        buf_put_str(b, node->type == YAML_MAP ? STR("{}") : STR("[]"));
    buf_put_c(b, '\n');
}

static void put_list(struct buf *b, const struct yaml_node *list, size_t indent,
                     const struct manner *how)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct yaml_node *node = list->members[i].value;
        yaml_write_indent(b, indent);
        buf_put_c(b, '-');
        if (node->type == YAML_MAP && node->n > 0) {
            buf_put_c(b, ' ');
            put_map(b, node, indent + INDENT, how, true);
        } else {
            put_value(b, node, indent + INDENT, how);
        }
    }
}

void yaml_write_member(struct buf *b, const struct yaml_member *m, size_t indent, struct str above,
                       yaml_write_hide *hide)
{
    put_member(b, m, indent, &(struct manner){YAML_WRITE_PLAIN, above, hide});
}
