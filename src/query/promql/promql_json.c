#include "query/promql/promql_tree.h"

#include <math.h>

#include "text/json.h"

/* Depths of a tree are greater than json_writer takes, so that commas are put here. */

static void put_texts(const struct promql_labels *l, struct buf *out)
{
    buf_put_c(out, '[');
    for (size_t i = 0; i < l->n; i++) {
        if (i)
            buf_put_c(out, ',');
        json_put_text(out, l->v[i]);
    }
    buf_put_c(out, ']');
}

static void put_bool(const char *name, bool v, struct buf *out)
{
    buf_printf(out, "\"%s\":%s,", name, v ? "true" : "false");
}

/* Whole milliseconds where the duration is plain, 0 where it is known at run time only. */
static void put_ms(const char *name, const struct promql_span *s, struct buf *out)
{
    bool plain = s && (s->kind == SPAN_NUMBER || s->kind == SPAN_DURATION);
    buf_printf(out, "\"%s\":%lld,", name, plain ? (long long)round(s->seconds * 1000) : 0LL);
}

static void put_at(const struct promql_expr *e, struct buf *out)
{
    static const char *const words[] = {"null", "null", "\"start\"", "\"end\""};
    buf_printf(out, "\"startOrEnd\":%s,", words[e->at]);
    if (e->kind == EXPR_SUBQUERY)
        put_ms("step", e->step_span, out);
    if (e->at == AT_TIME)
        buf_printf(out, "\"timestamp\":%lld,", (long long)e->at_ms);
    else
        buf_put_str(out, STR("\"timestamp\":null,"));
}

static void put_aggregation(const struct promql_expr *e, struct buf *out)
{
    buf_put_str(out, STR("{\"expr\":"));
    promql_json(e->left, out);
    buf_put_str(out, STR(",\"grouping\":"));
    put_texts(&e->grouping, out);
    buf_printf(out, ",\"op\":\"%s\",\"param\":", promql_token_text(e->operator));
    if (e->right)
        promql_json(e->right, out);
    else
        buf_put_str(out, STR("null"));
    buf_put_str(out, STR(",\"type\":\"aggregation\","));
    buf_printf(out, "\"without\":%s}", e->without ? "true" : "false");
}

static void put_fill(bool is_set, double v, struct buf *out)
{
    if (is_set)
        json_put_number(out, v);
    else
        buf_put_str(out, STR("null"));
}

static void put_matching(const struct promql_expr *e, struct buf *out)
{
    static const char *const cards[] = {"one-to-one", "many-to-one", "one-to-many", "many-to-many"};
    const struct promql_matching *m = &e->matching;
    if (e->left->type != PROMQL_VECTOR || e->right->type != PROMQL_VECTOR) {
        buf_put_str(out, STR("null"));
        return;
    }
    buf_printf(out, "{\"card\":\"%s\",\"fillValues\":{\"lhs\":", cards[m->card]);
    put_fill(m->fill_left, m->fill_left_value, out);
    buf_put_str(out, STR(",\"rhs\":"));
    put_fill(m->fill_right, m->fill_right_value, out);
    buf_put_str(out, STR("},\"include\":"));
    put_texts(&m->include, out);
    buf_put_str(out, STR(",\"labels\":"));
    put_texts(&m->labels, out);
    buf_printf(out, ",\"on\":%s}", m->on ? "true" : "false");
}

static void put_binary(const struct promql_expr *e, struct buf *out)
{
    buf_put_c(out, '{');
    put_bool("bool", e->return_bool, out);
    buf_put_str(out, STR("\"lhs\":"));
    promql_json(e->left, out);
    buf_put_str(out, STR(",\"matching\":"));
    put_matching(e, out);
    buf_put_str(out, STR(",\"op\":"));
    json_put_text(out, str_c(promql_token_text(e->operator)));
    buf_put_str(out, STR(",\"rhs\":"));
    promql_json(e->right, out);
    buf_put_str(out, STR(",\"type\":\"binaryExpr\"}"));
}

static const char *type_of_letter(char c)
{
    return c == 's' ? "scalar" : c == 'v' ? "vector" : c == 'm' ? "matrix" : "string";
}

static void put_call(const struct promql_expr *e, struct buf *out)
{
    const struct promql_function_row *row = promql_function_row(e->function);
    buf_put_str(out, STR("{\"args\":["));
    for (size_t i = 0; i < e->arguments_n; i++) {
        if (i)
            buf_put_c(out, ',');
        promql_json(e->arguments[i], out);
    }
    buf_put_str(out, STR("],\"func\":{\"argTypes\":["));
    for (const char *p = row->arguments; *p; p++)
        buf_printf(out, "%s\"%s\"", p == row->arguments ? "" : ",", type_of_letter(*p));
    buf_printf(out, "],\"name\":\"%s\",\"returnType\":\"%s\",\"variadic\":%d},\"type\":\"call\"}",
               row->name, promql_type_text(row->type), row->variadic);
}

static void put_matchers(const struct promql_expr *e, struct buf *out)
{
    static const char *const operators[] = {"=", "!=", "=~", "!~"};
    buf_put_str(out, STR("\"matchers\":["));
    for (size_t i = 0; i < e->matchers_n; i++) {
        const struct matcher *m = &e->matchers[i];
        buf_put_str(out, i ? STR(",{\"name\":") : STR("{\"name\":"));
        json_put_text(out, m->name);
        buf_printf(out, ",\"type\":\"%s\",\"value\":", operators[m->type]);
        json_put_text(out, m->value);
        buf_put_c(out, '}');
    }
    buf_put_str(out, STR("],"));
}

static void put_selector(const struct promql_expr *e, struct buf *out)
{
    buf_put_c(out, '{');
    put_bool("anchored", e->anchored, out);
    put_matchers(e, out);
    buf_put_str(out, STR("\"name\":"));
    json_put_text(out, e->name);
    buf_put_c(out, ',');
    put_ms("offset", e->offset_span, out);
    if (e->range)
        put_ms("range", e->range_span, out);
    put_bool("smoothed", e->smoothed, out);
    put_at(e, out);
    buf_printf(out, "\"type\":\"%sSelector\"}", e->range ? "matrix" : "vector");
}

static void put_subquery(const struct promql_expr *e, struct buf *out)
{
    buf_put_str(out, STR("{\"expr\":"));
    promql_json(e->left, out);
    buf_put_c(out, ',');
    put_ms("offset", e->offset_span, out);
    put_ms("range", e->range_span, out);
    put_at(e, out);
    buf_put_str(out, STR("\"type\":\"subquery\"}"));
}

/* {"expr":..} and more: of a node with one operand. */
static void put_operand(const struct promql_expr *e, struct buf *out)
{
    buf_put_str(out, STR("{\"expr\":"));
    promql_json(e->left, out);
    if (e->kind == EXPR_UNARY)
        buf_printf(out, ",\"op\":\"%s\"", promql_token_text(e->operator));
    buf_printf(out, ",\"type\":\"%s\"}", e->kind == EXPR_UNARY ? "unaryExpr" : "parenExpr");
}

void promql_json(const struct promql_expr *e, struct buf *out)
{
    switch (e->kind) {
    case EXPR_NUMBER:
        buf_put_str(out, STR("{\"type\":\"numberLiteral\",\"val\":\""));
        promql_number_put(e->number, out);
        buf_put_str(out, STR("\"}"));
        break;
    case EXPR_STRING:
        buf_put_str(out, STR("{\"type\":\"stringLiteral\",\"val\":"));
        json_put_text(out, e->string);
        buf_put_c(out, '}');
        break;
    case EXPR_PAREN:
    case EXPR_UNARY:
        put_operand(e, out);
        break;
    case EXPR_BINARY:
        put_binary(e, out);
        break;
    case EXPR_CALL:
        put_call(e, out);
        break;
    case EXPR_AGGREGATE:
        put_aggregation(e, out);
        break;
    case EXPR_SELECTOR:
        put_selector(e, out);
        break;
    case EXPR_SUBQUERY:
        put_subquery(e, out);
        break;
    }
}
