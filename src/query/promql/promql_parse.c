#include "query/promql/promql_tree.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/vec.h"

enum { HEIGHT_MAX = 1000 }; /* of a tree: chains of operators are deeper than parentheses may be */

static struct promql_expr *parse_expr(struct promql_parser *p, int least);

bool promql_parser_error(struct promql_parser *p, uint32_t start, const char *format, ...)
{
    if (p->failed)
        return false;
    p->failed = true;
    char position[32];
    promql_position(p->text, start, position, sizeof position);
    p->failure->kind = PROMQL_BAD_DATA;
    int n = snprintf(p->failure->text, sizeof p->failure->text, "%s: parse error: ", position);
    va_list args;
    va_start(args, format);
    vsnprintf(p->failure->text + n, sizeof p->failure->text - (size_t)n, format, args);
    va_end(args);
    return false;
}

/* How Prometheus names a token in "unexpected ...". */
static void describe(const struct promql_token *t, struct buf *out)
{
    static const char *const kinds[] = {[TOKEN_IDENTIFIER] = "identifier ",
                                        [TOKEN_METRIC] = "metric identifier ",
                                        [TOKEN_STRING] = "string ",
                                        [TOKEN_NUMBER] = "number ",
                                        [TOKEN_DURATION] = "duration "};
    if (t->kind == TOKEN_EOF) {
        buf_put_str(out, STR("end of input"));
    } else if (promql_token_is_operator(t->kind)) {
        buf_printf(out, "<op:" STR_FMT ">", STR_ARG(t->text));
    } else if (promql_token_is_aggregator(t->kind)) {
        buf_printf(out, "<aggr:" STR_FMT ">", STR_ARG(t->text));
    } else if (promql_token_is_keyword(t->kind)) {
        buf_printf(out, "<" STR_FMT ">", STR_ARG(t->text));
    } else {
        if (t->kind <= TOKEN_DURATION && kinds[t->kind])
            buf_put_str(out, str_c(kinds[t->kind]));
        bool cut = t->kind != TOKEN_IDENTIFIER && t->kind != TOKEN_METRIC && t->text.n > 10;
        promql_quote(cut ? str_sub(t->text, 0, 10) : t->text, out);
        if (cut)
            buf_put_str(out, STR("..."));
    }
}

bool promql_parser_unexpected(struct promql_parser *p, const char *context, const char *expected)
{
    const struct promql_token *t = promql_parser_token(p);
    if (t->kind == TOKEN_RIGHT_PAREN && promql_parser_peek(p)->kind == TOKEN_ERROR)
        t = promql_parser_peek(p); /* one too many: the lexer says so better */
    if (t->kind == TOKEN_ERROR)
        return promql_parser_error(p, t->start, STR_FMT, STR_ARG(t->text));
    struct buf b;
    buf_init(&b, PROMQL_MESSAGE_MAX);
    buf_put_str(&b, STR("unexpected "));
    describe(t, &b);
    if (context[0])
        buf_printf(&b, " in %s", context);
    if (expected[0])
        buf_printf(&b, ", expected %s", expected);
    promql_parser_error(p, t->start, STR_FMT, STR_ARG(buf_str(&b)));
    buf_done(&b);
    return false;
}

static struct promql_expr *expr_new(struct promql_parser *p, enum promql_kind kind,
                                    enum promql_type type, uint32_t start)
{
    struct promql_expr *e = arena_new(p->arena, sizeof *e);
    e->kind = kind;
    e->type = type;
    e->start = e->end = start;
    e->height = 1;
    return e;
}

static uint32_t last_end(const struct promql_parser *p)
{
    return p->at > 0 ? p->tokens[p->at - 1].end : 0;
}

/* Takes the heights of its operands into account; false where it grows too high. */
static bool raise(struct promql_parser *p, struct promql_expr *e, const struct promql_expr *child)
{
    if (child && child->height >= e->height)
        e->height = child->height + 1;
    if (e->height <= HEIGHT_MAX)
        return true;
    return promql_parser_error(p, e->start, "expression is too deep (more than %d levels)",
                               HEIGHT_MAX);
}

static struct promql_expr *parse_number(struct promql_parser *p)
{
    const struct promql_token *t = promql_parser_token(p);
    struct promql_expr *e = expr_new(p, EXPR_NUMBER, PROMQL_SCALAR, t->start);
    e->end = t->end;
    if (t->kind == TOKEN_DURATION) {
        int64_t ms = 0;
        struct why why = {0};
        if (promql_duration_read(t->text, &ms, &why) < 0)
            promql_parser_error(p, t->start, "%s", why.text);
        e->number = (double)ms / 1000;
        e->is_duration = true;
    } else {
        bool range;
        if (!promql_number_read(t->text, &e->number, &range)) {
            struct buf quoted;
            buf_init(&quoted, PROMQL_MESSAGE_MAX);
            promql_quote(t->text, &quoted);
            promql_parser_error(
                p, t->start, "error parsing number: strconv.ParseFloat: parsing " STR_FMT ": %s",
                STR_ARG(buf_str(&quoted)), range ? "value out of range" : "invalid syntax");
            buf_done(&quoted);
        }
    }
    promql_parser_step(p);
    return e;
}

static struct promql_expr *parse_string(struct promql_parser *p)
{
    const struct promql_token *t = promql_parser_token(p);
    struct promql_expr *e = expr_new(p, EXPR_STRING, PROMQL_STRING, t->start);
    e->end = t->end;
    if (promql_unquote(t->text, p->arena, &e->string, p->failure) < 0)
        p->failed = true;
    promql_parser_step(p);
    return e;
}

static struct promql_expr *parse_paren(struct promql_parser *p)
{
    struct promql_expr *e = expr_new(p, EXPR_PAREN, PROMQL_SCALAR, promql_parser_token(p)->start);
    promql_parser_step(p);
    e->left = parse_expr(p, 0);
    if (!e->left)
        return NULL;
    if (!promql_parser_take(p, TOKEN_RIGHT_PAREN)) {
        promql_parser_unexpected(p, "", "");
        return NULL;
    }
    e->type = e->left->type;
    e->end = last_end(p);
    return raise(p, e, e->left) ? e : NULL;
}

/* "(a, b)" into an array in the arena. */
static bool parse_arguments(struct promql_parser *p, struct promql_expr ***ret, size_t *ret_n)
{
    struct {
        struct promql_expr **v;
        size_t n, capacity;
    } list = {0};
    promql_parser_step(p);
    while (!promql_parser_is(p, TOKEN_RIGHT_PAREN)) {
        struct promql_expr *e = parse_expr(p, 0);
        if (!e) {
            vec_free(&list);
            return false;
        }
        vec_push(&list, e);
        uint32_t comma = promql_parser_token(p)->start;
        if (promql_parser_take(p, TOKEN_COMMA)) {
            if (promql_parser_is(p, TOKEN_RIGHT_PAREN))
                promql_parser_error(p, comma, "trailing commas not allowed in function call args");
            else if (promql_parser_is(p, TOKEN_ERROR))
                promql_parser_unexpected(p, "", "");
        } else if (!promql_parser_is(p, TOKEN_RIGHT_PAREN)) {
            vec_free(&list);
            return promql_parser_unexpected(p, "", "");
        }
    }
    promql_parser_step(p);
    *ret = arena_array(p->arena, list.n + 1, sizeof **ret);
    *ret_n = list.n;
    for (size_t i = 0; i < list.n; i++)
        (*ret)[i] = list.v[i];
    vec_free(&list);
    return true;
}

static struct promql_expr *parse_call(struct promql_parser *p)
{
    const struct promql_token *t = promql_parser_token(p);
    struct promql_expr *e = expr_new(p, EXPR_CALL, PROMQL_VECTOR, t->start);
    const struct promql_function_row *row = promql_function_find(t->text);
    struct buf quoted;
    buf_init(&quoted, PROMQL_MESSAGE_MAX);
    promql_quote(t->text, &quoted);
    if (!row)
        promql_parser_error(p, t->start, "unknown function with name " STR_FMT,
                            STR_ARG(buf_str(&quoted)));
    else if ((row->flags & FUNCTION_EXPERIMENTAL) && !p->options.experimental_functions)
        promql_parser_error(p, t->start, "function " STR_FMT " is not enabled",
                            STR_ARG(buf_str(&quoted)));
    buf_done(&quoted);
    promql_parser_step(p);
    if (!parse_arguments(p, &e->arguments, &e->arguments_n) || !row)
        return NULL;
    e->function = (enum promql_function)(row - promql_function_row(0));
    e->type = row->type;
    e->end = last_end(p);
    for (size_t i = 0; i < e->arguments_n; i++) {
        if (!raise(p, e, e->arguments[i]))
            return NULL;
    }
    return e;
}

static bool parse_grouping(struct promql_parser *p, struct promql_expr *e)
{
    e->without = promql_parser_is(p, TOKEN_WITHOUT);
    e->grouped = true;
    promql_parser_step(p);
    return promql_parser_grouping(p, &e->grouping);
}

static bool at_grouping(const struct promql_parser *p)
{
    return promql_parser_is(p, TOKEN_BY) || promql_parser_is(p, TOKEN_WITHOUT);
}

static struct promql_expr *parse_aggregate(struct promql_parser *p)
{
    const struct promql_token *t = promql_parser_token(p);
    struct promql_expr *e = expr_new(p, EXPR_AGGREGATE, PROMQL_VECTOR, t->start);
    e->operator= t->kind;
    promql_parser_step(p);
    if (at_grouping(p) && !parse_grouping(p, e))
        return NULL;
    if (!promql_parser_is(p, TOKEN_LEFT_PAREN)) {
        promql_parser_unexpected(p, e->grouped ? "" : "aggregation", "");
        return NULL;
    }
    struct promql_expr **arguments;
    size_t n;
    if (!parse_arguments(p, &arguments, &n))
        return NULL;
    if (!e->grouped && at_grouping(p) && !parse_grouping(p, e))
        return NULL;
    e->end = last_end(p);
    bool limit = e->operator== TOKEN_LIMITK || e->operator== TOKEN_LIMIT_RATIO;
    if (limit && !p->options.experimental_functions) {
        promql_parser_error(p, e->start,
                            "%s() is experimental and must be enabled with "
                            "--enable-feature=promql-experimental-functions",
                            promql_token_text(e->operator));
    }
    bool parameter = limit || e->operator== TOKEN_TOPK || e->operator== TOKEN_BOTTOMK ||
                              e->
                              operator== TOKEN_COUNT_VALUES || e->
                              operator== TOKEN_QUANTILE;
    size_t wanted = parameter ? 2 : 1;
    if (n == 0)
        promql_parser_error(p, e->start, "no arguments for aggregate expression provided");
    else if (n != wanted)
        promql_parser_error(p, e->start,
                            "wrong number of arguments for aggregate expression provided, "
                            "expected %zu, got %zu",
                            wanted, n);
    if (n != wanted)
        return NULL;
    e->left = arguments[wanted - 1];
    e->right = parameter ? arguments[0] : NULL;
    return raise(p, e, e->left) && raise(p, e, e->right) ? e : NULL;
}

static struct promql_expr *parse_selector(struct promql_parser *p)
{
    const struct promql_token *t = promql_parser_token(p);
    struct promql_expr *e = expr_new(p, EXPR_SELECTOR, PROMQL_VECTOR, t->start);
    if (t->kind != TOKEN_LEFT_BRACE) {
        e->name = arena_str(p->arena, t->text);
        promql_parser_step(p);
    }
    if (!promql_parser_matchers(p, e))
        return NULL;
    e->end = last_end(p);
    return e;
}

static bool is_metric_name(enum promql_token_kind k)
{
    if (promql_token_is_aggregator(k) || promql_token_is_set(k))
        return true;
    return k == TOKEN_IDENTIFIER || k == TOKEN_METRIC || k == TOKEN_BY || k == TOKEN_WITHOUT ||
           k == TOKEN_OFFSET || k == TOKEN_SMOOTHED || k == TOKEN_ANCHORED ||
           (k >= TOKEN_FILL && k <= TOKEN_FILL_RIGHT) || (k >= TOKEN_START && k <= TOKEN_RANGE);
}

static struct promql_expr *parse_primary(struct promql_parser *p)
{
    enum promql_token_kind k = promql_parser_token(p)->kind;
    enum promql_token_kind next = promql_parser_peek(p)->kind;
    if (k == TOKEN_NUMBER || k == TOKEN_DURATION)
        return parse_number(p);
    if (k == TOKEN_STRING)
        return parse_string(p);
    if (k == TOKEN_LEFT_PAREN)
        return parse_paren(p);
    if (k == TOKEN_LEFT_BRACE)
        return parse_selector(p);
    bool callable = k == TOKEN_IDENTIFIER || (k >= TOKEN_START && k <= TOKEN_RANGE);
    if (callable && next == TOKEN_LEFT_PAREN)
        return parse_call(p);
    if (promql_token_is_aggregator(k) &&
        (next == TOKEN_LEFT_PAREN || next == TOKEN_BY || next == TOKEN_WITHOUT))
        return parse_aggregate(p);
    if (is_metric_name(k))
        return parse_selector(p);
    promql_parser_unexpected(p, "", "");
    return NULL;
}

/* Precedence of a binary operator; 0 for anything else. */
static int precedence(enum promql_token_kind k)
{
    switch (k) {
    case TOKEN_OR:
        return 1;
    case TOKEN_AND:
    case TOKEN_UNLESS:
        return 2;
    case TOKEN_EQ:
    case TOKEN_NE:
    case TOKEN_LT:
    case TOKEN_LE:
    case TOKEN_GT:
    case TOKEN_GE:
    case TOKEN_TRIM_UPPER:
    case TOKEN_TRIM_LOWER:
        return 3;
    case TOKEN_ADD:
    case TOKEN_SUB:
        return 4;
    case TOKEN_MUL:
    case TOKEN_DIV:
    case TOKEN_MOD:
    case TOKEN_ATAN2:
        return 5;
    case TOKEN_POW:
        return 6;
    default:
        return 0;
    }
}

static struct promql_expr *parse_unary(struct promql_parser *p)
{
    const struct promql_token *t = promql_parser_token(p);
    if (t->kind != TOKEN_ADD && t->kind != TOKEN_SUB) {
        struct promql_expr *e = parse_primary(p);
        return e && promql_parser_postfix(p, &e) ? e : NULL;
    }
    promql_parser_step(p);
    if (++p->depth > PROMQL_DEPTH_MAX) {
        promql_parser_error(p, t->start, "expression is nested too deeply (more than %d levels)",
                            PROMQL_DEPTH_MAX);
        return NULL;
    }
    struct promql_expr *operand = parse_expr(p, 6);
    p->depth--;
    if (!operand)
        return NULL;
    if (operand->kind == EXPR_NUMBER) {
        if (t->kind == TOKEN_SUB)
            operand->number = -operand->number;
        operand->start = t->start;
        return operand;
    }
    struct promql_expr *e = expr_new(p, EXPR_UNARY, operand->type, t->start);
    e->operator= t->kind;
    e->left = operand;
    e->end = operand->end;
    return raise(p, e, operand) ? e : NULL;
}

static struct promql_expr *parse_binary(struct promql_parser *p, struct promql_expr *left,
                                        int strength)
{
    struct promql_expr *e = expr_new(p, EXPR_BINARY, PROMQL_VECTOR, left->start);
    e->operator= promql_parser_token(p)->kind;
    e->left = left;
    promql_parser_step(p);
    if (!promql_parser_matching(p, e))
        return NULL;
    e->right = parse_expr(p, e->operator== TOKEN_POW ? strength : strength + 1);
    if (!e->right)
        return NULL;
    if (left->type == PROMQL_SCALAR && e->right->type == PROMQL_SCALAR)
        e->type = PROMQL_SCALAR;
    e->end = e->right->end;
    return raise(p, e, left) && raise(p, e, e->right) ? e : NULL;
}

static struct promql_expr *parse_expr(struct promql_parser *p, int least)
{
    if (++p->depth > PROMQL_DEPTH_MAX) {
        promql_parser_error(p, promql_parser_token(p)->start,
                            "expression is nested too deeply (more than %d levels)",
                            PROMQL_DEPTH_MAX);
        return NULL;
    }
    struct promql_expr *e = parse_unary(p);
    for (;;) {
        int strength = e ? precedence(promql_parser_token(p)->kind) : 0;
        if (strength == 0 || strength < least)
            break;
        e = parse_binary(p, e, strength);
    }
    p->depth--;
    return e;
}

int promql_parse(struct str text, const struct promql_options *options, struct arena *a,
                 struct promql_expr **ret, struct promql_failure *failure)
{
    failure->kind = PROMQL_NONE;
    if (text.n > PROMQL_TEXT_MAX) {
        failure->kind = PROMQL_BAD_DATA;
        snprintf(failure->text, sizeof failure->text,
                 "the query has %zu bytes; at most %d are taken", text.n, PROMQL_TEXT_MAX);
        return -ERR_LIMIT;
    }
    struct promql_parser p = {.text = text, .arena = a, .failure = failure};
    if (options)
        p.options = *options;
    promql_lex(text, a, &p.tokens, &p.tokens_n);
    struct promql_expr *e = NULL;
    if (promql_parser_is(&p, TOKEN_EOF)) {
        p.failed = true;
        failure->kind = PROMQL_BAD_DATA;
        snprintf(failure->text, sizeof failure->text,
                 "%s: parse error: no expression found in input",
                 text.n == 0 ? "unknown position" : "1:1");
    } else {
        e = parse_expr(&p, 0);
    }
    if (e && !promql_parser_is(&p, TOKEN_EOF))
        promql_parser_unexpected(&p, "", "");
    if (e && !p.failed)
        promql_check(&p, e);
    mem_free(p.tokens);
    if (e)
        e->text = arena_str(a, text);
    if (p.failed || !e)
        return -ERR_FORMAT;
    promql_mark_counts(e, false, false);
    *ret = e;
    return 0;
}

int promql_parse_selector(struct str text, struct arena *a, struct matcher **ret, size_t *ret_n,
                          struct promql_failure *failure)
{
    struct promql_expr *e;
    int err = promql_parse(text, NULL, a, &e, failure);
    if (err < 0)
        return err;
    if (e->kind != EXPR_SELECTOR || e->range || e->offset_span || e->at != AT_NONE) {
        failure->kind = PROMQL_BAD_DATA;
        snprintf(failure->text, sizeof failure->text,
                 "1:1: parse error: expected a selector of series, like up{job=\"x\"}");
        return -ERR_FORMAT;
    }
    *ret = e->matchers;
    *ret_n = e->matchers_n;
    return 0;
}
