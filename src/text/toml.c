#include "text/toml.h"

#include <stdlib.h>

static int by_place(const void *a, const void *b)
{
    const struct toml_node *x = a, *y = b;
    if (x->key_line != y->key_line)
        return x->key_line < y->key_line ? -1 : 1;
    return (x->key_column > y->key_column) - (x->key_column < y->key_column);
}

static void sort(struct toml_node *node)
{
    if (node->type == TOML_TABLE && node->n > 1)
        qsort(node->children, node->n, sizeof *node->children, by_place);
    if (node->type == TOML_TABLE || node->type == TOML_ARRAY)
        for (size_t i = 0; i < node->n; i++)
            sort(&node->children[i]);
}

int toml_parse(struct str document, struct arena *a, struct toml_node **ret, struct why *why)
{
    if (document.n > TOML_SIZE_MAX)
        return why_set(why, ERR_LIMIT, "the document is larger than %d bytes", TOML_SIZE_MAX);
    struct toml_node *root = arena_new(a, sizeof *root);
    int err = toml_read(document, a, root, why);
    if (err)
        return err;
    sort(root);
    *ret = root;
    return 0;
}

const struct toml_node *toml_get(const struct toml_node *table, struct str key)
{
    if (table->type != TOML_TABLE)
        return NULL;
    for (size_t i = 0; i < table->n; i++)
        if (str_eq(table->children[i].key, key))
            return &table->children[i];
    return NULL;
}

const char *toml_type_text(enum toml_type type)
{
    static const char *const TEXTS[] = {
        [TOML_TABLE] = "table",      [TOML_ARRAY] = "array", [TOML_TEXT] = "text",
        [TOML_INT] = "whole number", [TOML_REAL] = "number", [TOML_BOOL] = "true or false",
        [TOML_TIME] = "time",
    };
    return TEXTS[type];
}
