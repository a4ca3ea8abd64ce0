#include "cli/json_show.h"

#include <string.h>

enum { COLUMNS_MAX = 16, WIDTH_MAX = 60, INDENT = 2, DEPTH_MAX = 20 };

static bool is_list(const struct json_tree *t)
{
    return t->type == JSON_OBJECT || t->type == JSON_ARRAY;
}

static struct str word_of(const struct json_tree *t)
{
    return t->type == JSON_TRUE    ? STR("yes")
           : t->type == JSON_FALSE ? STR("no")
           : t->type == JSON_NULL  ? STR("-")
                                   : t->text;
}

static void spaces(struct buf *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_put(out, " ", 1);
}

/* Without line breaks, so that a table stays one. */
static void put_cell(struct buf *out, struct str s, size_t width)
{
    size_t n = s.n > WIDTH_MAX ? WIDTH_MAX : s.n;
    for (size_t i = 0; i < n; i++)
        buf_put(out, (unsigned char)s.p[i] < ' ' ? " " : s.p + i, 1);
    spaces(out, width > n ? width - n : 0);
}

struct table {
    struct str keys[COLUMNS_MAX];
    size_t widths[COLUMNS_MAX];
    size_t n;
};

static size_t column_of(struct table *t, struct str key)
{
    size_t i = 0;
    while (i < t->n && !str_eq(t->keys[i], key))
        i++;
    if (i == t->n && t->n < COLUMNS_MAX) {
        t->keys[t->n] = key;
        t->widths[t->n++] = key.n;
    }
    return i;
}

static void measure(const struct json_tree *array, struct table *t)
{
    for (size_t r = 0; r < array->n; r++) {
        for (size_t i = 0; i < array->children[r].n; i++) {
            const struct json_tree *cell = &array->children[r].children[i];
            size_t column = is_list(cell) ? COLUMNS_MAX : column_of(t, cell->key);
            if (column >= COLUMNS_MAX)
                continue;
            size_t n = word_of(cell).n > WIDTH_MAX ? WIDTH_MAX : word_of(cell).n;
            t->widths[column] = n > t->widths[column] ? n : t->widths[column];
        }
    }
}

static void put_row(const struct json_tree *row, const struct table *t, size_t indent,
                    struct buf *out)
{
    spaces(out, indent);
    for (size_t c = 0; c < t->n; c++) {
        struct str word = row == NULL ? t->keys[c] : STR("");
        for (size_t i = 0; row != NULL && i < row->n; i++) {
            if (str_eq(row->children[i].key, t->keys[c]))
                word = word_of(&row->children[i]);
        }
        put_cell(out, word, c + 1 < t->n ? t->widths[c] + INDENT : 0);
    }
    buf_put(out, "\n", 1);
}

static void put(const struct json_tree *tree, size_t indent, unsigned depth, struct buf *out);

static void put_array(const struct json_tree *array, size_t indent, unsigned depth, struct buf *out)
{
    bool objects = array->n > 0;
    for (size_t i = 0; i < array->n; i++)
        objects = objects && array->children[i].type == JSON_OBJECT;
    if (objects) {
        struct table t = {0};
        measure(array, &t);
        put_row(NULL, &t, indent, out);
        for (size_t i = 0; i < array->n; i++)
            put_row(&array->children[i], &t, indent, out);
        return;
    }
    for (size_t i = 0; i < array->n; i++)
        put(&array->children[i], indent, depth + 1, out);
}

static void put(const struct json_tree *tree, size_t indent, unsigned depth, struct buf *out)
{
    if (depth > DEPTH_MAX)
        return;
    if (!is_list(tree)) {
        spaces(out, indent);
        if (tree->key.n > 0) {
            buf_put(out, tree->key.p, tree->key.n);
            buf_put(out, ": ", 2);
        }
        struct str word = word_of(tree);
        buf_put(out, word.p, word.n);
        buf_put(out, "\n", 1);
        return;
    }
    if (tree->key.n > 0) {
        spaces(out, indent);
        buf_put(out, tree->key.p, tree->key.n);
        buf_printf(out, "%s\n", tree->n == 0 ? ": none" : ":");
        indent += INDENT;
    }
    if (tree->type == JSON_ARRAY) {
        put_array(tree, indent, depth, out);
        return;
    }
    for (size_t i = 0; i < tree->n; i++)
        put(&tree->children[i], indent, depth + 1, out);
}

void json_show(const struct json_tree *tree, struct buf *out)
{
    put(tree, 0, 0, out);
}
