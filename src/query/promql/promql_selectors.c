#include "query/promql/promql_tree.h"

static size_t count(const struct promql_expr *e)
{
    size_t n = e->kind == EXPR_SELECTOR || e->matchers_n;
    if (e->left)
        n += count(e->left);
    if (e->right)
        n += count(e->right);
    for (size_t i = 0; i < e->arguments_n; i++)
        n += count(e->arguments[i]);
    return n;
}

static void collect(const struct promql_expr *e, struct promql_selectors *ret)
{
    if (e->kind == EXPR_CALL && e->matchers_n) { /* info() */
        collect(e->arguments[0], ret);
        ret->v[ret->n++] = (struct promql_selector){e->matchers, e->matchers_n};
        return;
    }
    if (e->kind == EXPR_SELECTOR)
        ret->v[ret->n++] = (struct promql_selector){e->matchers, e->matchers_n};
    if (e->kind == EXPR_AGGREGATE && e->right)
        collect(e->right, ret); /* the parameter stands first */
    if (e->left)
        collect(e->left, ret);
    if (e->kind != EXPR_AGGREGATE && e->right)
        collect(e->right, ret);
    for (size_t i = 0; i < e->arguments_n; i++)
        collect(e->arguments[i], ret);
}

void promql_selectors(const struct promql_expr *e, struct arena *a, struct promql_selectors *ret)
{
    ret->v = arena_array(a, count(e) + 1, sizeof *ret->v);
    ret->n = 0;
    collect(e, ret);
}
