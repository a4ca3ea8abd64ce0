#include "query/promql/promql_tree.h"

#include <math.h>
#include <stdlib.h>

static void put_label(struct str name, struct buf *out)
{
    if (label_name_plain(name))
        buf_put_str(out, name);
    else
        promql_quote(name, out);
}

static void put_labels(const struct promql_labels *l, struct buf *out)
{
    buf_put_c(out, '(');
    for (size_t i = 0; i < l->n; i++) {
        if (i)
            buf_put_str(out, STR(", "));
        put_label(l->v[i], out);
    }
    buf_put_c(out, ')');
}

static void put_arguments(const struct promql_expr *e, struct buf *out)
{
    buf_put_c(out, '(');
    if (e->kind == EXPR_AGGREGATE) {
        if (e->right) {
            promql_print(e->right, out);
            buf_put_str(out, STR(", "));
        }
        promql_print(e->left, out);
    }
    for (size_t i = 0; i < e->arguments_n; i++) {
        if (i)
            buf_put_str(out, STR(", "));
        promql_print(e->arguments[i], out);
    }
    buf_put_c(out, ')');
}

static bool is_plain(const struct promql_span *s)
{
    return s->kind == SPAN_NUMBER || s->kind == SPAN_DURATION;
}

/* Inside an expression a number stays a number. */
static void put_span_inner(const struct promql_span *s, struct buf *out)
{
    switch (s->kind) {
    case SPAN_NUMBER:
        promql_number_put(s->seconds, out);
        break;
    case SPAN_DURATION:
        promql_duration_print((int64_t)round(s->seconds * 1000), out);
        break;
    case SPAN_STEP:
        buf_put_str(out, STR("step()"));
        break;
    case SPAN_RANGE:
        buf_put_str(out, STR("range()"));
        break;
    case SPAN_MIN_OF:
    case SPAN_MAX_OF:
        buf_put_str(out, s->kind == SPAN_MIN_OF ? STR("min_of(") : STR("max_of("));
        put_span_inner(s->left, out);
        buf_put_str(out, STR(", "));
        put_span_inner(s->right, out);
        buf_put_c(out, ')');
        break;
    case SPAN_NEGATE:
        buf_put_c(out, '-');
        put_span_inner(s->left, out);
        break;
    case SPAN_PAREN:
        buf_put_c(out, '(');
        put_span_inner(s->left, out);
        buf_put_c(out, ')');
        break;
    case SPAN_BINARY:
        put_span_inner(s->left, out);
        buf_printf(out, " %s ", promql_token_text(s->operator));
        put_span_inner(s->right, out);
        break;
    }
}

static void put_span(const struct promql_span *s, struct buf *out)
{
    if (is_plain(s))
        promql_duration_print((int64_t)round(s->seconds * 1000), out);
    else
        put_span_inner(s, out);
}

static int by_bytes(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void put_matchers(const struct promql_expr *e, struct buf *out)
{
    static const char *const operators[] = {"=", "!=", "=~", "!~"};
    /* The name before the braces is the last matcher. */
    size_t n = e->matchers_n - (e->name.n ? 1 : 0);
    struct arena a;
    struct buf one;
    arena_init(&a);
    buf_init(&one, out->max);
    struct str *texts = arena_array(&a, n + 1, sizeof *texts);
    for (size_t i = 0; i < n; i++) {
        const struct matcher *m = &e->matchers[i];
        buf_clear(&one);
        put_label(m->name, &one);
        buf_put_str(&one, str_c(operators[m->type]));
        promql_quote(m->value, &one);
        texts[i] = arena_str(&a, buf_str(&one));
    }
    qsort(texts, n, sizeof *texts, by_bytes);
    for (size_t i = 0; i < n; i++) {
        buf_put_c(out, i ? ',' : '{');
        buf_put_str(out, texts[i]);
    }
    if (n || !e->name.n)
        buf_put_str(out, n ? STR("}") : STR("{}"));
    out->failed |= buf_failed(&one);
    buf_done(&one);
    arena_done(&a);
}

static void put_modifiers(const struct promql_expr *e, struct buf *out)
{
    if (e->anchored)
        buf_put_str(out, STR(" anchored"));
    if (e->smoothed)
        buf_put_str(out, STR(" smoothed"));
    if (e->at == AT_START)
        buf_put_str(out, STR(" @ start()"));
    if (e->at == AT_END)
        buf_put_str(out, STR(" @ end()"));
    if (e->at == AT_TIME)
        buf_printf(out, " @ %.3f", (double)e->at_ms / 1000);
    if (e->offset_span) {
        buf_put_str(out, STR(" offset "));
        put_span(e->offset_span, out);
    }
}

static void put_selector(const struct promql_expr *e, struct buf *out)
{
    buf_put_str(out, e->name);
    put_matchers(e, out);
    if (e->range) {
        buf_put_c(out, '[');
        put_span(e->range_span, out);
        buf_put_c(out, ']');
    }
    put_modifiers(e, out);
}

void promql_print_suffix(const struct promql_expr *e, struct buf *out)
{
    buf_put_c(out, '[');
    put_span(e->range_span, out);
    buf_put_c(out, ':');
    if (e->step_span)
        put_span(e->step_span, out);
    buf_put_c(out, ']');
    put_modifiers(e, out);
}

static void put_fill(const char *word, double v, struct buf *out)
{
    buf_printf(out, " %s (", word);
    promql_number_put(v, out);
    buf_put_c(out, ')');
}

static void put_matching(const struct promql_matching *m, struct buf *out)
{
    bool grouped = m->card == CARD_MANY_TO_ONE || m->card == CARD_ONE_TO_MANY;
    if (m->written && (m->on || m->labels.n || grouped)) {
        buf_put_str(out, m->on ? STR(" on ") : STR(" ignoring "));
        put_labels(&m->labels, out);
    }
    if (grouped) {
        buf_put_str(out, m->card == CARD_MANY_TO_ONE ? STR(" group_left ") : STR(" group_right "));
        put_labels(&m->include, out);
    }
    bool same = m->fill_left && m->fill_right &&
                (m->fill_left_value == m->fill_right_value ||
                 (isnan(m->fill_left_value) && isnan(m->fill_right_value)));
    if (same) {
        put_fill("fill", m->fill_left_value, out);
        return;
    }
    if (m->fill_left)
        put_fill("fill_left", m->fill_left_value, out);
    if (m->fill_right)
        put_fill("fill_right", m->fill_right_value, out);
}

void promql_print_operator(const struct promql_expr *e, struct buf *out)
{
    buf_put_str(out, str_c(promql_token_text(e->operator)));
    if (e->return_bool)
        buf_put_str(out, STR(" bool"));
    put_matching(&e->matching, out);
}

void promql_print_head(const struct promql_expr *e, struct buf *out)
{
    if (e->kind == EXPR_CALL) {
        buf_put_str(out, str_c(promql_function_row(e->function)->name));
        return;
    }
    buf_put_str(out, str_c(promql_token_text(e->operator)));
    if (e->without) {
        buf_put_str(out, STR(" without "));
        put_labels(&e->grouping, out);
        buf_put_c(out, ' ');
    } else if (e->grouping.n) {
        buf_put_str(out, STR(" by "));
        put_labels(&e->grouping, out);
        buf_put_c(out, ' ');
    }
}

static void put_number(const struct promql_expr *e, struct buf *out)
{
    if (e->is_duration)
        promql_duration_print((int64_t)round(e->number * 1000), out);
    else
        promql_number_put(e->number, out);
}

void promql_print(const struct promql_expr *e, struct buf *out)
{
    switch (e->kind) {
    case EXPR_NUMBER:
        put_number(e, out);
        break;
    case EXPR_STRING:
        promql_quote(e->string, out);
        break;
    case EXPR_PAREN:
        buf_put_c(out, '(');
        promql_print(e->left, out);
        buf_put_c(out, ')');
        break;
    case EXPR_UNARY:
        buf_put_c(out, e->operator== TOKEN_SUB ? '-' : '+');
        promql_print(e->left, out);
        break;
    case EXPR_BINARY:
        promql_print(e->left, out);
        buf_put_c(out, ' ');
        promql_print_operator(e, out);
        buf_put_c(out, ' ');
        promql_print(e->right, out);
        break;
    case EXPR_CALL:
    case EXPR_AGGREGATE:
        promql_print_head(e, out);
        put_arguments(e, out);
        break;
    case EXPR_SELECTOR:
        put_selector(e, out);
        break;
    case EXPR_SUBQUERY:
        promql_print(e->left, out);
        promql_print_suffix(e, out);
        break;
    }
}

enum promql_type promql_type(const struct promql_expr *e)
{
    return e->type;
}
