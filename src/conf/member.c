#include "conf/member.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "conf/conf.h"

enum { EXPECTED_MAX = 400 }; /* bytes */

static bool bounded(const struct option *o)
{
    return o->min != 0 || o->max != 0;
}

static void put_number(struct buf *out, const struct option *o, double v)
{
    if (o->type == OPTION_INT)
        buf_printf(out, "%.0f", v);
    else
        buf_printf(out, "%.15g", v);
}

static void put_range(const struct option *o, struct buf *out)
{
    if (!bounded(o))
        return;
    buf_put_str(out, STR(" from "));
    put_number(out, o, o->min);
    buf_put_str(out, STR(" to "));
    put_number(out, o, o->max);
}

static void put_choices(const struct option *o, struct buf *out)
{
    struct str rest = str_c(o->choices), choice;
    for (bool first = true; str_split(&rest, '|', &choice); first = false)
        buf_printf(out, "%s\"" STR_FMT "\"", first ? "" : ", ", STR_ARG(choice));
}

void member_expected(const struct option *o, struct buf *out)
{
    switch (o->type) {
    case OPTION_BOOL:
        buf_put_str(out, STR("true or false"));
        break;
    case OPTION_INT:
        buf_put_str(out, STR("a whole number"));
        put_range(o, out);
        break;
    case OPTION_REAL:
        buf_put_str(out, STR("a number"));
        put_range(o, out);
        break;
    case OPTION_TEXT:
        buf_put_str(out, STR("a text in quotes"));
        if (o->max > 0)
            buf_printf(out, " of at most %.0f bytes", o->max);
        break;
    case OPTION_CHOICE:
        buf_put_str(out, STR("one of "));
        put_choices(o, out);
        break;
    case OPTION_LIST:
        buf_put_str(out, STR("a list of texts, [\"a\", \"b\"]"));
        break;
    }
}

static int refuse(const struct option *o, enum err code, struct why *why)
{
    struct buf text;
    buf_init(&text, EXPECTED_MAX);
    member_expected(o, &text);
    int err = why_set(why, code, "expected " STR_FMT, STR_ARG(buf_str(&text)));
    buf_done(&text);
    return err;
}

static int set_number(const struct option *o, const struct toml_node *node, void *at,
                      struct why *why)
{
    bool whole = node->type == TOML_INT;
    if (!whole && (o->type == OPTION_INT || node->type != TOML_REAL))
        return refuse(o, ERR_FORMAT, why);
    double v = whole ? (double)node->integer : node->real;
    if (!isfinite(v) || (bounded(o) && (v < o->min || v > o->max)))
        return refuse(o, ERR_RANGE, why);
    if (o->type == OPTION_INT)
        memcpy(at, &node->integer, sizeof node->integer);
    else
        memcpy(at, &v, sizeof v);
    return 0;
}

static bool is_choice(const struct option *o, struct str text)
{
    struct str rest = str_c(o->choices), choice;
    while (str_split(&rest, '|', &choice))
        if (str_eq(choice, text))
            return true;
    return false;
}

static int set_text(const struct option *o, const struct toml_node *node, struct arena *a, void *at,
                    struct why *why)
{
    if (node->type != TOML_TEXT || memchr(node->text.p, '\0', node->text.n) != NULL)
        return refuse(o, ERR_FORMAT, why);
    if (o->type == OPTION_CHOICE && !is_choice(o, node->text))
        return refuse(o, ERR_RANGE, why);
    if (o->type == OPTION_TEXT && o->max > 0 && (double)node->text.n > o->max)
        return refuse(o, ERR_RANGE, why);
    const char *text = arena_str(a, node->text).p;
    memcpy(at, &text, sizeof text);
    return 0;
}

static int set_list(const struct option *o, const struct toml_node *node, struct arena *a, void *at,
                    struct why *why)
{
    if (node->type != TOML_ARRAY || node->n > CONF_LIST_MAX)
        return refuse(o, ERR_FORMAT, why);
    struct option_list list = {.v = arena_array(a, node->n + 1, sizeof *list.v), .n = node->n};
    for (size_t i = 0; i < node->n; i++) {
        const struct toml_node *item = &node->children[i];
        if (item->type != TOML_TEXT || memchr(item->text.p, '\0', item->text.n) != NULL)
            return refuse(o, ERR_FORMAT, why);
        list.v[i] = arena_str(a, item->text).p;
    }
    memcpy(at, &list, sizeof list);
    return 0;
}

int member_set(const struct option *o, const struct toml_node *node, struct arena *a,
               void *settings, struct why *why)
{
    void *at = (char *)settings + o->offset;
    switch (o->type) {
    case OPTION_BOOL:
        if (node->type != TOML_BOOL)
            return refuse(o, ERR_FORMAT, why);
        memcpy(at, &node->boolean, sizeof node->boolean);
        return 0;
    case OPTION_INT:
    case OPTION_REAL:
        return set_number(o, node, at, why);
    case OPTION_TEXT:
    case OPTION_CHOICE:
        return set_text(o, node, a, at, why);
    case OPTION_LIST:
        return set_list(o, node, a, at, why);
    }
    must_not_reach();
}

/* A node of the type that o wants, where text is one; else a text, which member_set() refuses. */
static struct toml_node node_of(const struct option *o, struct str text, struct arena *a)
{
    struct toml_node node = {.type = TOML_TEXT, .text = arena_str(a, text)};
    char *end;
    int64_t integer;
    if (o->type == OPTION_BOOL && (str_eq(text, STR("true")) || str_eq(text, STR("false")))) {
        node.type = TOML_BOOL;
        node.boolean = text.n == 4;
    } else if ((o->type == OPTION_INT || o->type == OPTION_REAL) && str_i64(text, &integer)) {
        node.type = TOML_INT;
        node.integer = integer;
    } else if (o->type == OPTION_REAL && text.n > 0) {
        double real = strtod(node.text.p, &end);
        if (*end == '\0') {
            node.type = TOML_REAL;
            node.real = real;
        }
    } else if (o->type == OPTION_LIST) {
        size_t n = 0;
        for (struct str rest = text, item; text.n > 0 && str_split(&rest, ',', &item);)
            n++;
        node = (struct toml_node){.type = TOML_ARRAY, .n = n};
        node.children = arena_array(a, n + 1, sizeof *node.children);
        struct str rest = text, item;
        for (size_t i = 0; i < n && str_split(&rest, ',', &item); i++)
            node.children[i] = (struct toml_node){.type = TOML_TEXT, .text = str_trim(item)};
    }
    return node;
}

int member_set_text(const struct option *o, struct str text, struct arena *a, void *settings,
                    struct why *why)
{
    struct toml_node node = node_of(o, text, a);
    return member_set(o, &node, a, settings, why);
}

void member_defaults(const struct option_table *t, struct arena *a, void *settings)
{
    for (size_t i = 0; i < t->n; i++) {
        int err = member_set_text(&t->rows[i], str_c(t->rows[i].fallback), a, settings, NULL);
        must(err == 0); /* a default that its own row refuses */
    }
}

static bool equal_list(const struct option_list *x, const struct option_list *y)
{
    if (x->n != y->n)
        return false;
    for (size_t i = 0; i < x->n; i++)
        if (strcmp(x->v[i], y->v[i]) != 0)
            return false;
    return true;
}

bool member_equal(const struct option *o, const void *x, const void *y)
{
    const char *p = (const char *)x + o->offset, *q = (const char *)y + o->offset;
    switch (o->type) {
    case OPTION_BOOL:
        return memcmp(p, q, sizeof(bool)) == 0;
    case OPTION_INT:
    case OPTION_REAL:
        return memcmp(p, q, 8) == 0;
    case OPTION_TEXT:
    case OPTION_CHOICE:
        return strcmp(*(const char *const *)p, *(const char *const *)q) == 0;
    case OPTION_LIST:
        return equal_list((const struct option_list *)p, (const struct option_list *)q);
    }
    must_not_reach();
}

static void put_quoted(struct buf *out, const char *text)
{
    buf_put_c(out, '"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            buf_printf(out, "\\u%04x", c);
        else
            buf_put_c(out, (char)c);
    }
    buf_put_c(out, '"');
}

static void put_list(struct buf *out, const struct option_list *list)
{
    buf_put_c(out, '[');
    for (size_t i = 0; i < list->n; i++) {
        buf_put_str(out, i ? STR(", ") : STR(""));
        put_quoted(out, list->v[i]);
    }
    buf_put_c(out, ']');
}

static void put_real(struct buf *out, double v)
{
    char text[40];
    int n = 0;
    for (int digits = 1; digits <= 17; digits++) {
        n = snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    buf_put(out, text, (size_t)n);
    if (strpbrk(text, ".e") == NULL)
        buf_put_str(out, STR(".0"));
}

/* A secret that is not there is none, and what is printed can be read back. */
static bool is_hidden(const struct option *o, const char *p)
{
    if (!(o->flags & OPTION_SECRET))
        return false;
    if (o->type == OPTION_LIST)
        return ((const struct option_list *)p)->n > 0;
    return o->type != OPTION_TEXT || (*(const char *const *)p)[0] != '\0';
}

void member_print(const struct option *o, const void *settings, struct buf *out)
{
    const char *p = (const char *)settings + o->offset;
    if (is_hidden(o, p)) {
        bool list = o->type == OPTION_LIST;
        buf_put_str(out, list ? STR("[\"(hidden)\"]") : STR("\"(hidden)\""));
        return;
    }
    switch (o->type) {
    case OPTION_BOOL:
        buf_put_str(out, *(const bool *)p ? STR("true") : STR("false"));
        break;
    case OPTION_INT:
        buf_put_i64(out, *(const int64_t *)p);
        break;
    case OPTION_REAL:
        put_real(out, *(const double *)p);
        break;
    case OPTION_TEXT:
    case OPTION_CHOICE:
        put_quoted(out, *(const char *const *)p);
        break;
    case OPTION_LIST:
        put_list(out, (const struct option_list *)p);
        break;
    }
}
