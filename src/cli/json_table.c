#include "cli/json_table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { NAME_MAX_BYTES = 64, CELL_BYTES = 4 << 10, DEPTH_MAX = 4 };

struct column {
    struct str path, title;
    size_t width;
};

static bool is_plain(const struct json_tree *v)
{
    return v->type != JSON_OBJECT && v->type != JSON_ARRAY;
}

static void put_number(const struct json_tree *v, struct buf *out)
{
    if (v->number == floor(v->number) || v->text.n <= 8)
        buf_put_str(out, v->text);
    else
        buf_printf(out, "%.4g", v->number);
}

/* Without what would move the cursor. */
static void put_text(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++)
        buf_put_c(out, (unsigned char)s.p[i] < ' ' || s.p[i] == 127 ? ' ' : s.p[i]);
}

void json_table_cell(const struct json_tree *value, struct buf *out)
{
    if (value == NULL || value->type == JSON_NULL)
        buf_put_c(out, '-');
    else if (value->type == JSON_TEXT)
        put_text(value->text.n > 0 ? value->text : STR("-"), out);
    else if (value->type == JSON_NUMBER)
        put_number(value, out);
    else
        json_tree_put(value, out);
}

/* How many characters there are; what is not ASCII counts by its first byte. */
static size_t width_of(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

static struct str cut(struct str s, size_t width)
{
    size_t at = 0;
    for (size_t n = 0; at < s.n; at++) {
        n += ((unsigned char)s.p[at] & 0xc0) != 0x80;
        if (n > width)
            break;
    }
    return str_sub(s, 0, at);
}

static const struct json_tree *member(const struct json_tree *row, const struct column *c)
{
    char path[NAME_MAX_BYTES];
    if (c->path.n >= sizeof path)
        return NULL;
    memcpy(path, c->path.p, c->path.n);
    path[c->path.n] = '\0';
    const struct json_tree *whole = json_tree_get(row, path); /* a name may have dots itself */
    return whole != NULL ? whole : json_tree_path(row, path);
}

static void learn_columns(const struct json_tree *rows, struct column *v, size_t *n)
{
    for (size_t i = 0; i < rows->n; i++)
        for (size_t k = 0; k < json_tree_n(&rows->children[i]); k++) {
            const struct json_tree *m = &rows->children[i].children[k];
            size_t at = 0;
            while (at < *n && !str_eq(v[at].path, m->key))
                at++;
            if (at == *n && *n < JSON_TABLE_COLUMNS_MAX && is_plain(m))
                v[(*n)++] = (struct column){m->key, m->key, 0};
        }
}

static void put_cell(struct str text, size_t width, bool last, bool right, struct buf *out)
{
    struct str shown = last ? text : cut(text, width);
    size_t pad = width > width_of(shown) ? width - width_of(shown) : 0;
    buf_printf(out, "%*s", right ? (int)pad : 0, "");
    buf_put_str(out, shown);
    if (!last)
        buf_printf(out, "%*s", (int)(right ? 0 : pad) + 2, "");
}

static void measure(const struct json_tree *rows, struct column *c, struct buf *cell)
{
    c->width = width_of(c->title);
    for (size_t i = 0; i < rows->n; i++) {
        buf_clear(cell);
        json_table_cell(member(&rows->children[i], c), cell);
        c->width = MAX(c->width, width_of(buf_str(cell)));
    }
    c->width = MIN(c->width, (size_t)JSON_TABLE_CELL_MAX);
}

void json_table_rows(const struct json_tree *rows, const char *const *columns, size_t n,
                     struct buf *out)
{
    struct column v[JSON_TABLE_COLUMNS_MAX];
    struct buf cell;
    size_t columns_n = 0;
    buf_init(&cell, CELL_BYTES);
    for (size_t i = 0; i < n && i < COUNTOF(v); i++) {
        struct str all = str_c(columns[i]);
        size_t equals = str_find(all, '=');
        struct str path = str_sub(all, 0, equals);
        struct str title = equals < all.n ? str_sub(all, equals + 1, all.n) : path;
        v[columns_n++] = (struct column){path, title, 0};
    }
    if (n == 0)
        learn_columns(rows, v, &columns_n);
    for (size_t i = 0; i < columns_n; i++) {
        measure(rows, &v[i], &cell);
        put_cell(v[i].title, v[i].width, i + 1 == columns_n, false, out);
    }
    buf_put_c(out, '\n');
    for (size_t k = 0; k < rows->n; k++)
        for (size_t i = 0; i < columns_n; i++) {
            const struct json_tree *m = member(&rows->children[k], &v[i]);
            bool last = i + 1 == columns_n;
            buf_clear(&cell);
            json_table_cell(m, &cell);
            put_cell(buf_str(&cell), v[i].width, last, m != NULL && m->type == JSON_NUMBER && !last,
                     out);
            buf_put_str(out, last ? STR("\n") : STR(""));
        }
    buf_done(&cell);
}

static void put_list(const struct json_tree *list, struct str name, struct buf *out)
{
    bool objects = list->n > 0;
    for (size_t i = 0; i < list->n; i++)
        objects = objects && list->children[i].type == JSON_OBJECT;
    buf_printf(out, "\n" STR_FMT ":%s\n", STR_ARG(name), list->n == 0 ? " none" : "");
    if (objects) {
        json_table_rows(list, NULL, 0, out);
        return;
    }
    for (size_t i = 0; i < list->n; i++) {
        json_table_cell(&list->children[i], out);
        buf_put_c(out, '\n');
    }
}

static void put_below(const struct json_tree *node, struct str prefix, unsigned depth,
                      struct buf *out)
{
    char name[4 * NAME_MAX_BYTES];
    for (int lists = 0; lists < 2; lists++)
        for (size_t i = 0; i < json_tree_n(node); i++) {
            const struct json_tree *m = &node->children[i];
            snprintf(name, sizeof name, STR_FMT "%s" STR_FMT, STR_ARG(prefix),
                     prefix.n > 0 ? "." : "", STR_ARG(m->key));
            if (is_plain(m) && !lists) {
                buf_printf(out, "%-24s ", name);
                json_table_cell(m, out);
                buf_put_c(out, '\n');
            } else if (m->type == JSON_ARRAY && lists) {
                put_list(m, str_c(name), out);
            } else if (m->type == JSON_OBJECT && lists && depth < DEPTH_MAX) {
                put_below(m, str_c(name), depth + 1, out);
            }
        }
}

void json_table_put(const struct json_tree *node, struct buf *out)
{
    if (node->type == JSON_ARRAY) {
        json_table_rows(node, NULL, 0, out);
    } else if (node->type == JSON_OBJECT) {
        put_below(node, STR(""), 0, out);
    } else {
        json_table_cell(node, out);
        buf_put_c(out, '\n');
    }
}
