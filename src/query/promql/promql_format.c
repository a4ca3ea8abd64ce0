#include "query/promql/promql_tree.h"

enum { LINE_MAX_BYTES = 100 };

struct layout {
    struct buf *out;
    struct buf line; /* room for an expression that needs no split */
    size_t line_max; /* bytes */
};

static void put_expr(struct layout *l, const struct promql_expr *e, unsigned level);

static void put_indent(struct layout *l, unsigned level)
{
    for (unsigned i = 0; i < level; i++)
        buf_put_str(l->out, STR("  "));
}

/* Is e longer than a line? Each level of a tree takes at least a byte. */
static bool needs_split(struct layout *l, const struct promql_expr *e)
{
    if (e->height > l->line_max)
        return true;
    buf_clear(&l->line);
    promql_print(e, &l->line);
    return buf_failed(&l->line) || l->line.n > l->line_max;
}

/* Behind the opening parenthesis: a line each, and the closing one. */
static void put_lines(struct layout *l, struct promql_expr *const *v, size_t n, unsigned level)
{
    for (size_t i = 0; i < n; i++) {
        buf_put_str(l->out, i ? STR(",\n") : STR("(\n"));
        put_expr(l, v[i], level + 1);
    }
    buf_put_c(l->out, '\n');
    put_indent(l, level);
    buf_put_c(l->out, ')');
}

static void put_binary(struct layout *l, const struct promql_expr *e, unsigned level)
{
    put_expr(l, e->left, level + 1);
    buf_put_c(l->out, '\n');
    put_indent(l, level);
    promql_print_operator(e, l->out);
    buf_put_c(l->out, '\n');
    put_expr(l, e->right, level + 1);
}

/* A sign stands at the first line of its operand, behind the indent. */
static void put_unary(struct layout *l, const struct promql_expr *e, unsigned level)
{
    struct buf operand, *out = l->out;
    put_indent(l, level);
    buf_put_c(out, e->operator== TOKEN_SUB ? '-' : '+');
    buf_init(&operand, out->max);
    l->out = &operand;
    put_expr(l, e->left, level);
    l->out = out;
    buf_put_str(out, str_trim(buf_str(&operand)));
    out->failed |= buf_failed(&operand);
    buf_done(&operand);
}

/* A subquery that needs no split gets no indent: so does Prometheus. */
static void put_subquery(struct layout *l, const struct promql_expr *e, unsigned level)
{
    if (!needs_split(l, e)) {
        promql_print(e, l->out);
        return;
    }
    put_expr(l, e->left, level);
    promql_print_suffix(e, l->out);
}

static void put_expr(struct layout *l, const struct promql_expr *e, unsigned level)
{
    bool splittable = e->kind == EXPR_BINARY || e->kind == EXPR_PAREN || e->kind == EXPR_CALL ||
                      e->kind == EXPR_AGGREGATE;
    if (e->kind == EXPR_SUBQUERY) {
        put_subquery(l, e, level);
        return;
    }
    if (e->kind == EXPR_UNARY) {
        put_unary(l, e, level);
        return;
    }
    bool split = splittable && needs_split(l, e);
    if (split && e->kind == EXPR_BINARY) {
        put_binary(l, e, level);
        return;
    }
    put_indent(l, level);
    if (!split) {
        promql_print(e, l->out);
    } else if (e->kind == EXPR_PAREN) {
        put_lines(l, &e->left, 1, level);
    } else if (e->kind == EXPR_CALL) {
        promql_print_head(e, l->out);
        put_lines(l, e->arguments, e->arguments_n, level);
    } else {
        struct promql_expr *const operands[] = {e->right, e->left};
        size_t none = e->right == NULL; /* it has no parameter */
        promql_print_head(e, l->out);
        put_lines(l, operands + none, 2 - none, level);
    }
}

void promql_format_lines(const struct promql_expr *e, size_t line_max, struct buf *out)
{
    struct layout l = {.out = out, .line_max = line_max};
    buf_init(&l.line, line_max + 2); /* one more, and a NUL */
    put_expr(&l, e, 0);
    buf_done(&l.line);
}

void promql_format(const struct promql_expr *e, struct buf *out)
{
    promql_format_lines(e, LINE_MAX_BYTES, out);
}
