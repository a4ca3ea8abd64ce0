#include "conf/conf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/must.h"
#include "conf/face.h"
#include "conf/member.h"
#include "conf/nearest.h"
#include "text/toml.h"

/* What conf_read() carries along. */
struct reading {
    struct conf *c;
    const char *file;
    struct buf *problems;
    size_t n; /* problems so far, those not told included */
};

/* Adds a problem; where is its place ("sonde.toml:3:7"). */
static void PRINTF(3, 4) complain(struct reading *r, const char *where, const char *format, ...)
{
    if (r->n++ >= CONF_PROBLEMS_MAX)
        return;
    char text[WHY_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    buf_printf(r->problems, "%s: %s\n", where, text);
}

/* The place of a node, for messages. */
static const char *place(struct reading *r, uint32_t line, uint32_t column)
{
    if (line == 0)
        return r->file;
    return arena_printf(&r->c->arena, "%s:%u:%u", r->file, line, column).p;
}

static const struct option *find_option(const struct option_table *t, struct str key)
{
    for (size_t i = 0; i < t->n; i++)
        if (str_eq(str_c(t->rows[i].key), key))
            return &t->rows[i];
    return NULL;
}

/* The index of the table with that section, or tables.n. */
static size_t find_section(const struct conf_tables *tables, struct str section)
{
    size_t i = 0;
    while (i < tables->n && !str_eq(str_c(tables->v[i]->section), section))
        i++;
    return i;
}

/* Does any section lie below that path ("store" for "store.series")? */
static bool has_below(const struct conf_tables *tables, struct str path)
{
    for (size_t i = 0; i < tables->n; i++) {
        struct str section = str_c(tables->v[i]->section);
        if (section.n > path.n && section.p[path.n] == '.' && str_starts(section, path))
            return true;
    }
    return false;
}

static void unknown_key(struct reading *r, const struct toml_node *node, struct str path,
                        const struct option_table *t)
{
    struct nearest nearest;
    nearest_init(&nearest, node->key);
    for (size_t i = 0; t != NULL && i < t->n; i++)
        nearest_offer(&nearest, t->rows[i].key);
    for (size_t i = 0; i < r->c->tables.n; i++) {
        struct str section = str_c(r->c->tables.v[i]->section);
        if (path.n == 0)
            nearest_offer(&nearest, section.p);
        else if (section.n > path.n && str_starts(section, path) && section.p[path.n] == '.')
            nearest_offer(&nearest, section.p + path.n + 1);
    }
    const char *dot = path.n ? "." : "";
    const char *where = place(r, node->key_line, node->key_column);
    if (nearest.best != NULL)
        complain(r, where, STR_FMT "%s" STR_FMT " is not known; did you mean %s?", STR_ARG(path),
                 dot, STR_ARG(node->key), nearest.best);
    else
        complain(r, where, STR_FMT "%s" STR_FMT " is not known", STR_ARG(path), dot,
                 STR_ARG(node->key));
}

static void read_table(struct reading *r, const struct toml_node *table, struct str path,
                       const struct option_table *t, void *settings);

/* [[section]]: an array of tables, one settings struct each. */
static void read_rows(struct reading *r, const struct toml_node *node, struct str path, size_t at)
{
    const struct option_table *t = r->c->tables.v[at];
    const char *where = place(r, node->key_line ? node->key_line : node->line, node->key_column);
    if (node->type != TOML_ARRAY || node->n > CONF_LIST_MAX) {
        complain(r, where, "%s is a repeated section; expected [[%s]]", t->section, t->section);
        return;
    }
    struct option_rows *rows = &r->c->rows[at];
    rows->v = arena_array(&r->c->arena, node->n + 1, t->size);
    rows->n = node->n;
    for (size_t i = 0; i < node->n; i++) {
        void *settings = (char *)rows->v + i * t->size;
        member_defaults(t, &r->c->arena, settings);
        if (node->children[i].type != TOML_TABLE)
            complain(r, where, "%s is a repeated section; expected [[%s]]", t->section, t->section);
        else
            read_table(r, &node->children[i], path, t, settings);
    }
}

/* A member of a table that is no option: another section, or unknown. */
static void read_section(struct reading *r, const struct toml_node *node, struct str path,
                         const struct option_table *parent)
{
    struct str whole = path.n == 0 ? node->key
                                   : arena_printf(&r->c->arena, STR_FMT "." STR_FMT, STR_ARG(path),
                                                  STR_ARG(node->key));
    size_t at = find_section(&r->c->tables, whole);
    bool known = at < r->c->tables.n;
    if (known && r->c->tables.v[at]->repeated) {
        read_rows(r, node, whole, at);
    } else if (known || has_below(&r->c->tables, whole)) {
        if (node->type != TOML_TABLE)
            complain(r, place(r, node->line, node->column),
                     STR_FMT " is a section; expected [" STR_FMT "]", STR_ARG(whole),
                     STR_ARG(whole));
        else
            read_table(r, node, whole, known ? r->c->tables.v[at] : NULL,
                       known ? r->c->settings[at] : NULL);
    } else {
        unknown_key(r, node, path, parent);
    }
}

static void read_table(struct reading *r, const struct toml_node *table, struct str path,
                       const struct option_table *t, void *settings)
{
    for (size_t i = 0; i < table->n; i++) {
        const struct toml_node *node = &table->children[i];
        const struct option *o = t == NULL ? NULL : find_option(t, node->key);
        struct why why = {0};
        if (o == NULL)
            read_section(r, node, path, t);
        else if (member_set(o, node, &r->c->arena, settings, &why) != 0)
            complain(r, place(r, node->line, node->column), "%s.%s: %s", t->section, o->key,
                     why.text);
    }
}

static void apply(struct reading *r, const struct conf_override *override)
{
    struct str key = str_c(override->key);
    size_t dot = key.n;
    while (dot > 0 && key.p[dot - 1] != '.')
        dot--;
    struct str section = str_sub(key, 0, dot ? dot - 1 : 0);
    size_t at = find_section(&r->c->tables, section);
    const struct option *o = NULL;
    if (at < r->c->tables.n && !r->c->tables.v[at]->repeated)
        o = find_option(r->c->tables.v[at], str_sub(key, dot, key.n));
    struct why why = {0};
    if (o == NULL)
        complain(r, "command line", "%s is not known", override->key);
    else if (member_set_text(o, str_c(override->value), &r->c->arena, r->c->settings[at], &why))
        complain(r, "command line", "%s: %s", override->key, why.text);
}

static struct conf *conf_new(const struct conf_tables *tables)
{
    struct conf *c = mem_new(sizeof *c);
    arena_init(&c->arena);
    c->tables = *tables;
    c->settings = arena_array(&c->arena, tables->n + 1, sizeof *c->settings);
    c->rows = arena_array(&c->arena, tables->n + 1, sizeof *c->rows);
    for (size_t i = 0; i < tables->n; i++) {
        c->settings[i] = arena_new(&c->arena, tables->v[i]->size);
        member_defaults(tables->v[i], &c->arena, c->settings[i]);
    }
    return c;
}

int conf_read(struct str document, const char *file, const struct conf_tables *tables,
              const struct conf_override *overrides, size_t overrides_n, struct conf **ret,
              struct buf *problems)
{
    struct conf *c = conf_new(tables);
    struct reading r = {.c = c, .file = file, .problems = problems};
    struct toml_node *root;
    struct why why = {0};
    if (toml_parse(document, &c->arena, &root, &why) != 0)
        complain(&r, file, "%s", why.text);
    else
        read_table(&r, root, STR(""), NULL, NULL);
    for (size_t i = 0; i < overrides_n; i++)
        apply(&r, &overrides[i]);
    if (r.n > CONF_PROBLEMS_MAX)
        buf_printf(problems, "%s: and %zu more\n", file, r.n - CONF_PROBLEMS_MAX);
    if (r.n > 0) {
        conf_free(c);
        return -ERR_FORMAT;
    }
    *ret = c;
    return 0;
}

void conf_free(struct conf *c)
{
    if (c == NULL)
        return;
    arena_done(&c->arena);
    mem_free(c);
}

static size_t index_of(const struct conf *c, const struct option_table *table)
{
    for (size_t i = 0; i < c->tables.n; i++)
        if (c->tables.v[i] == table)
            return i;
    must_not_reach();
}

const void *conf_get(const struct conf *c, const struct option_table *table)
{
    return c->settings[index_of(c, table)];
}

const struct option_rows *conf_rows(const struct conf *c, const struct option_table *table)
{
    return &c->rows[index_of(c, table)];
}
