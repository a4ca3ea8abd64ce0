#include "query/promql/promql_tree.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "text/regex.h"

static const struct promql_function_row functions[] = {
#define FUNCTION(id, name, type, arguments, variadic, flags)                                       \
    {name, type, arguments, variadic, flags},
#include "query/promql/functions.tbl.h"
#undef FUNCTION
};

const struct promql_function_row *promql_function_row(enum promql_function f)
{
    return &functions[f];
}

const struct promql_function_row *promql_function_find(struct str name)
{
    for (size_t i = 0; i < COUNTOF(functions); i++) {
        if (str_eq(name, str_c(functions[i].name)))
            return &functions[i];
    }
    return NULL;
}

static const char *documented(enum promql_type t)
{
    return t == PROMQL_VECTOR   ? "instant vector"
           : t == PROMQL_MATRIX ? "range vector"
                                : promql_type_text(t);
}

static bool expect(struct promql_parser *p, struct promql_expr *e, enum promql_type wanted,
                   const char *context)
{
    if (!promql_check(p, e))
        return false;
    if (e->type == wanted)
        return true;
    return promql_parser_error(p, e->start, "expected type %s in %s, got %s", documented(wanted),
                               context, documented(e->type));
}

static uint32_t operator_start(const struct promql_parser *p, const struct promql_expr *e)
{
    uint32_t at = e->left->end;
    while (at < p->text.n && strchr(" \t\r\n", p->text.p[at]))
        at++;
    return at;
}

static bool check_matching(struct promql_parser *p, struct promql_expr *e)
{
    struct promql_matching *m = &e->matching;
    enum promql_type l = e->left->type, r = e->right->type;
    const char *word = promql_token_text(e->operator);
    bool fill = m->fill_left || m->fill_right;
    if (l != PROMQL_VECTOR || r != PROMQL_VECTOR) {
        if (m->labels.n > 0)
            return promql_parser_error(p, e->start,
                                       "vector matching only allowed between instant vectors");
        if (fill)
            return promql_parser_error(
                p, e->start, "filling in missing series only allowed between instant vectors");
        if (promql_token_is_set(e->operator))
            return promql_parser_error(
                p, e->start, "set operator \"%s\" not allowed in binary scalar expression", word);
        return true;
    }
    if (!promql_token_is_set(e->operator))
        return true;
    if (m->card == CARD_MANY_TO_ONE || m->card == CARD_ONE_TO_MANY)
        return promql_parser_error(p, e->start, "no grouping allowed for \"%s\" operation", word);
    if (fill)
        return promql_parser_error(p, e->start,
                                   "filling in missing series not allowed for set operators");
    m->card = CARD_MANY_TO_MANY;
    return true;
}

static bool check_binary(struct promql_parser *p, struct promql_expr *e)
{
    if (!promql_check(p, e->left) || !promql_check(p, e->right))
        return false;
    uint32_t at = operator_start(p, e);
    bool comparison = promql_token_is_comparison(e->operator);
    if (e->return_bool && !comparison)
        return promql_parser_error(p, at, "bool modifier can only be used on comparison operators");
    if (comparison && !e->return_bool && e->type == PROMQL_SCALAR)
        return promql_parser_error(p, at, "comparisons between scalars must use BOOL modifier");
    const struct promql_matching *m = &e->matching;
    for (size_t i = 0; m->on && i < m->labels.n; i++) {
        for (size_t j = 0; j < m->include.n; j++) {
            if (str_eq(m->labels.v[i], m->include.v[j]))
                return promql_parser_error(
                    p, at, "label \"" STR_FMT "\" must not occur in ON and GROUP clause at once",
                    STR_ARG(m->labels.v[i]));
        }
    }
    struct promql_expr *sides[] = {e->left, e->right};
    for (int i = 0; i < 2; i++) {
        if (sides[i]->type != PROMQL_SCALAR && sides[i]->type != PROMQL_VECTOR)
            return promql_parser_error(
                p, sides[i]->start,
                "binary expression must contain only scalar and instant vector types");
    }
    return check_matching(p, e);
}

static enum promql_type type_of_letter(char c)
{
    return c == 's'   ? PROMQL_SCALAR
           : c == 'v' ? PROMQL_VECTOR
           : c == 'm' ? PROMQL_MATRIX
                      : PROMQL_STRING;
}

static bool check_count(struct promql_parser *p, struct promql_expr *e)
{
    const struct promql_function_row *f = &functions[e->function];
    size_t n = strlen(f->arguments);
    if (f->variadic == 0) {
        if (n != e->arguments_n)
            return promql_parser_error(p, e->start,
                                       "expected %zu argument(s) in call to \"%s\", got %zu", n,
                                       f->name, e->arguments_n);
        return true;
    }
    if (e->arguments_n < n - 1)
        return promql_parser_error(p, e->start,
                                   "expected at least %zu argument(s) in call to \"%s\", got %zu",
                                   n - 1, f->name, e->arguments_n);
    if (f->variadic > 0 && e->arguments_n > n - 1 + (size_t)f->variadic)
        return promql_parser_error(p, e->start,
                                   "expected at most %zu argument(s) in call to \"%s\", got %zu",
                                   n - 1 + (size_t)f->variadic, f->name, e->arguments_n);
    return true;
}

/* Does m match the empty value? false with an error where its expression is malformed. */
static bool matches_empty(struct promql_parser *p, const struct promql_expr *e,
                          const struct matcher *m, bool *ret)
{
    if (m->type == MATCH_EQUAL || m->type == MATCH_NOT_EQUAL) {
        *ret = (m->value.n == 0) == (m->type == MATCH_EQUAL);
        return true;
    }
    struct regex *r;
    struct why why = {0};
    if (regex_new(m->value, &r, &why) < 0)
        return promql_parser_error(p, e->start, "%s", why.text);
    *ret = regex_match(r, STR("")) == (m->type == MATCH_REGEX);
    regex_free(r);
    return true;
}

/* The matchers of the info series that a call of info() reads: target_info where no metric is
 * named, and one that ends in _info where names are only ruled out. */
static void info_matchers(struct promql_parser *p, struct promql_expr *e,
                          const struct promql_expr *selector)
{
    size_t n = selector ? selector->matchers_n : 0;
    bool named = false, ruled_out = false;
    struct matcher *m = arena_array(p->arena, n + 1, sizeof *m);
    for (size_t i = 0; i < n; i++) {
        m[i] = selector->matchers[i];
        bool negative = m[i].type == MATCH_NOT_EQUAL || m[i].type == MATCH_NOT_REGEX;
        if (str_eq(m[i].name, LABEL_METRIC))
            *(negative ? &ruled_out : &named) = true;
    }
    if (!named && ruled_out)
        m[n++] = (struct matcher){MATCH_REGEX, LABEL_METRIC, STR(".+_info")};
    else if (!named)
        m[n++] = (struct matcher){MATCH_EQUAL, LABEL_METRIC, STR("target_info")};
    e->matchers = m;
    e->matchers_n = n;
}

static bool check_info(struct promql_parser *p, struct promql_expr *e)
{
    const char *context = "call to function \"info\"";
    if (!expect(p, e->arguments[0], PROMQL_VECTOR, context))
        return false;
    struct promql_expr *s = e->arguments_n > 1 ? e->arguments[1] : NULL;
    if (s && s->type != PROMQL_VECTOR)
        return expect(p, s, PROMQL_VECTOR, context);
    if (s && (s->kind != EXPR_SELECTOR || s->name.n))
        return promql_parser_error(p, s->start,
                                   "expected label selectors only, got vector selector instead");
    for (size_t i = 0; s && i < s->matchers_n; i++) {
        bool empty;
        if (!matches_empty(p, s, &s->matchers[i], &empty))
            return false;
    }
    info_matchers(p, e, s);
    return true;
}

static bool check_call(struct promql_parser *p, struct promql_expr *e)
{
    const struct promql_function_row *f = &functions[e->function];
    if (!check_count(p, e))
        return false;
    if (e->function == PROMQL_FN_INFO)
        return check_info(p, e);
    char context[64];
    snprintf(context, sizeof context, "call to function \"%s\"", f->name);
    size_t n = strlen(f->arguments);
    for (size_t i = 0; i < e->arguments_n; i++) {
        if (!expect(p, e->arguments[i], type_of_letter(f->arguments[i < n ? i : n - 1]), context))
            return false;
    }
    return true;
}

static bool check_aggregate(struct promql_parser *p, struct promql_expr *e)
{
    if (!expect(p, e->left, PROMQL_VECTOR, "aggregation expression"))
        return false;
    if (!e->right)
        return true;
    return expect(p, e->right, e->operator== TOKEN_COUNT_VALUES ? PROMQL_STRING : PROMQL_SCALAR,
                  "aggregation parameter");
}

static bool check_selector(struct promql_parser *p, struct promql_expr *e)
{
    bool selective = false;
    for (size_t i = 0; i < e->matchers_n; i++) {
        bool empty = true;
        if (!matches_empty(p, e, &e->matchers[i], &empty))
            return false;
        selective |= !empty;
    }
    if (e->name.n) {
        for (size_t i = 0; i + 1 < e->matchers_n; i++) {
            const struct matcher *m = &e->matchers[i];
            if (str_eq(m->name, LABEL_METRIC))
                return promql_parser_error(p, e->start,
                                           "metric name must not be set twice: \"" STR_FMT
                                           "\" or \"" STR_FMT "\"",
                                           STR_ARG(e->name), STR_ARG(m->value));
        }
        return true;
    }
    if (!selective)
        return promql_parser_error(p, e->start,
                                   "vector selector must contain at least one non-empty matcher");
    return true;
}

static bool check_subquery(struct promql_parser *p, struct promql_expr *e)
{
    if (!promql_check(p, e->left))
        return false;
    if (e->left->type == PROMQL_VECTOR)
        return true;
    return promql_parser_error(p, e->start, "subquery is only allowed on %s, got %s instead",
                               documented(PROMQL_VECTOR), promql_type_text(e->left->type));
}

void promql_mark_counts(struct promql_expr *e, bool counts, bool buckets)
{
    if (!e)
        return;
    enum promql_function f = e->function;
    buckets |= e->kind == EXPR_SUBQUERY;
    buckets |= e->kind == EXPR_BINARY &&
               (e->operator== TOKEN_TRIM_UPPER || e->operator== TOKEN_TRIM_LOWER);
    if (e->kind == EXPR_CALL) {
        counts |= f == PROMQL_FN_HISTOGRAM_COUNT || f == PROMQL_FN_HISTOGRAM_SUM ||
                  f == PROMQL_FN_HISTOGRAM_AVG;
        buckets |= f == PROMQL_FN_HISTOGRAM_QUANTILE || f == PROMQL_FN_HISTOGRAM_QUANTILES ||
                   f == PROMQL_FN_HISTOGRAM_FRACTION;
    }
    e->counts_only = e->kind == EXPR_SELECTOR && counts && !buckets;
    promql_mark_counts(e->left, counts, buckets);
    promql_mark_counts(e->right, counts, buckets);
    for (size_t i = 0; e->kind == EXPR_CALL && i < e->arguments_n; i++)
        promql_mark_counts(e->arguments[i], counts, buckets);
}

bool promql_check(struct promql_parser *p, struct promql_expr *e)
{
    switch (e->kind) {
    case EXPR_NUMBER:
    case EXPR_STRING:
        return true;
    case EXPR_PAREN:
        return promql_check(p, e->left);
    case EXPR_UNARY:
        if (!promql_check(p, e->left))
            return false;
        if (e->type != PROMQL_SCALAR && e->type != PROMQL_VECTOR)
            return promql_parser_error(p, e->start,
                                       "unary expression only allowed on expressions of type "
                                       "scalar or instant vector, got \"%s\"",
                                       documented(e->type));
        return true;
    case EXPR_BINARY:
        return check_binary(p, e);
    case EXPR_CALL:
        return check_call(p, e);
    case EXPR_AGGREGATE:
        return check_aggregate(p, e);
    case EXPR_SELECTOR:
        return check_selector(p, e);
    case EXPR_SUBQUERY:
        return check_subquery(p, e);
    }
    return true;
}

static int span_binary(const struct promql_span *s, double l, double r, double *ret,
                       struct why *why)
{
    if (r == 0 && (s->operator== TOKEN_DIV || s->operator== TOKEN_MOD))
        return why_set(why, ERR_RANGE, "%s by zero",
                       s->operator== TOKEN_DIV ? "division" : "modulo");
    switch (s->operator) {
    case TOKEN_ADD:
        *ret = l + r;
        break;
    case TOKEN_SUB:
        *ret = l - r;
        break;
    case TOKEN_MUL:
        *ret = l * r;
        break;
    case TOKEN_DIV:
        *ret = l / r;
        break;
    case TOKEN_MOD:
        *ret = fmod(l, r);
        break;
    default:
        *ret = pow(l, r);
    }
    return 0;
}

static int span_seconds(const struct promql_span *s, double step, double range, double *ret,
                        struct why *why)
{
    double l = 0, r = 0;
    int err = 0;
    if (s->left)
        err = span_seconds(s->left, step, range, &l, why);
    if (err == 0 && s->right)
        err = span_seconds(s->right, step, range, &r, why);
    if (err < 0)
        return err;
    switch (s->kind) {
    case SPAN_NUMBER:
    case SPAN_DURATION:
        *ret = s->seconds;
        return 0;
    case SPAN_STEP:
        *ret = step;
        return 0;
    case SPAN_RANGE:
        *ret = range;
        return 0;
    case SPAN_MIN_OF:
        *ret = fmin(l, r);
        return 0;
    case SPAN_MAX_OF:
        *ret = fmax(l, r);
        return 0;
    case SPAN_NEGATE:
        *ret = -l;
        return 0;
    case SPAN_PAREN:
        *ret = l;
        return 0;
    case SPAN_BINARY:
        return span_binary(s, l, r, ret, why);
    }
    return 0;
}

int promql_span_ms(const struct promql_span *s, int64_t step_ms, int64_t range_ms, int64_t *ret_ms,
                   struct why *why)
{
    double seconds = 0;
    int err = span_seconds(s, (double)step_ms / 1000, (double)range_ms / 1000, &seconds, why);
    if (err < 0)
        return err;
    if (!(fabs(seconds) < 9223372036.0))
        return why_set(why, ERR_RANGE, "duration out of range");
    *ret_ms = (int64_t)round(seconds * 1000);
    return 0;
}
