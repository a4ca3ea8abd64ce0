#include "query/promql/promql_tree.h"

#include <math.h>
#include <string.h>

#include "base/vec.h"

struct label_list {
    struct str *v;
    size_t n, capacity;
};

static bool is_label_word(enum promql_token_kind k)
{
    return k == TOKEN_IDENTIFIER || k == TOKEN_ATAN2 || promql_token_is_set(k) ||
           promql_token_is_aggregator(k) || promql_token_is_keyword(k);
}

static bool grouping_labels(struct promql_parser *p, struct label_list *list)
{
    while (!promql_parser_take(p, TOKEN_RIGHT_PAREN)) {
        const struct promql_token *t = promql_parser_token(p);
        struct str name;
        if (t->kind == TOKEN_STRING) {
            if (promql_unquote(t->text, p->arena, &name, p->failure) < 0)
                return false;
            if (name.n == 0 || !str_utf8(name))
                return promql_parser_error(p, t->start, "invalid label name for grouping: " STR_FMT,
                                           STR_ARG(t->text));
        } else if (is_label_word(t->kind)) {
            name = arena_str(p->arena, t->text);
        } else {
            return promql_parser_unexpected(p, "grouping opts", "label");
        }
        vec_push(list, name);
        promql_parser_step(p);
        if (!promql_parser_take(p, TOKEN_COMMA) && !promql_parser_is(p, TOKEN_RIGHT_PAREN))
            return promql_parser_unexpected(p, "grouping opts", "\",\" or \")\"");
    }
    return true;
}

bool promql_parser_grouping(struct promql_parser *p, struct promql_labels *ret)
{
    if (!promql_parser_take(p, TOKEN_LEFT_PAREN))
        return promql_parser_unexpected(p, "grouping opts", "\"(\"");
    struct label_list list = {0};
    bool good = grouping_labels(p, &list);
    if (good) {
        ret->v = arena_array(p->arena, list.n + 1, sizeof *ret->v);
        ret->n = list.n;
        for (size_t i = 0; i < list.n; i++)
            ret->v[i] = list.v[i];
    }
    vec_free(&list);
    return good;
}

struct matcher_list {
    struct matcher *v;
    size_t n, capacity;
};

static bool matcher_value(struct promql_parser *p, struct matcher *m)
{
    const struct promql_token *t = promql_parser_token(p);
    if (t->kind != TOKEN_STRING)
        return promql_parser_unexpected(p, "label matching", "string");
    if (promql_unquote(t->text, p->arena, &m->value, p->failure) < 0)
        return false;
    promql_parser_step(p);
    return true;
}

static bool one_matcher(struct promql_parser *p, struct matcher *m)
{
    const struct promql_token *t = promql_parser_token(p);
    bool quoted = t->kind == TOKEN_STRING;
    if (!quoted && t->kind != TOKEN_IDENTIFIER)
        return promql_parser_unexpected(p, "label matching", "identifier or \"}\"");
    if (quoted) {
        if (promql_unquote(t->text, p->arena, &m->name, p->failure) < 0)
            return false;
    } else {
        m->name = arena_str(p->arena, t->text);
    }
    promql_parser_step(p);
    switch (promql_parser_token(p)->kind) {
    case TOKEN_EQUAL:
        m->type = MATCH_EQUAL;
        break;
    case TOKEN_NE:
        m->type = MATCH_NOT_EQUAL;
        break;
    case TOKEN_EQUAL_REGEX:
        m->type = MATCH_REGEX;
        break;
    case TOKEN_NOT_REGEX:
        m->type = MATCH_NOT_REGEX;
        break;
    default:
        if (quoted &&
            (promql_parser_is(p, TOKEN_COMMA) || promql_parser_is(p, TOKEN_RIGHT_BRACE))) {
            *m = (struct matcher){MATCH_EQUAL, LABEL_METRIC, m->name};
            return true;
        }
        if (quoted)
            return promql_parser_unexpected(p, "label matching", "\",\" or \"}\"");
        return promql_parser_unexpected(p, "label matching", "label matching operator");
    }
    promql_parser_step(p);
    return matcher_value(p, m);
}

static bool matcher_list(struct promql_parser *p, struct matcher_list *list)
{
    while (!promql_parser_take(p, TOKEN_RIGHT_BRACE)) {
        struct matcher m = {0};
        if (!one_matcher(p, &m))
            return false;
        vec_push(list, m);
        if (!promql_parser_take(p, TOKEN_COMMA) && !promql_parser_is(p, TOKEN_RIGHT_BRACE))
            return promql_parser_unexpected(p, "label matching", "\",\" or \"}\"");
    }
    return true;
}

bool promql_parser_matchers(struct promql_parser *p, struct promql_expr *selector)
{
    struct matcher_list list = {0};
    bool good = !promql_parser_take(p, TOKEN_LEFT_BRACE) || matcher_list(p, &list);
    if (good) {
        if (selector->name.n) {
            struct matcher m = {MATCH_EQUAL, LABEL_METRIC, selector->name};
            vec_push(&list, m);
        }
        selector->matchers = arena_array(p->arena, list.n + 1, sizeof *selector->matchers);
        selector->matchers_n = list.n;
        for (size_t i = 0; i < list.n; i++)
            selector->matchers[i] = list.v[i];
    }
    vec_free(&list);
    return good;
}

static bool fill_value(struct promql_parser *p, double *ret)
{
    promql_parser_step(p); /* the word */
    promql_parser_step(p); /* ( */
    bool minus = promql_parser_is(p, TOKEN_SUB);
    if (minus || promql_parser_is(p, TOKEN_ADD))
        promql_parser_step(p);
    const struct promql_token *t = promql_parser_token(p);
    bool range;
    if (t->kind != TOKEN_NUMBER || !promql_number_read(t->text, ret, &range))
        return promql_parser_unexpected(p, "", "number");
    if (minus)
        *ret = -*ret;
    promql_parser_step(p);
    return promql_parser_take(p, TOKEN_RIGHT_PAREN) || promql_parser_unexpected(p, "", "");
}

static bool fills(struct promql_parser *p, struct promql_expr *e)
{
    struct promql_matching *m = &e->matching;
    for (;;) {
        const struct promql_token *t = promql_parser_token(p);
        if (t->kind < TOKEN_FILL || t->kind > TOKEN_FILL_RIGHT ||
            promql_parser_peek(p)->kind != TOKEN_LEFT_PAREN)
            return true;
        if (!p->options.fill_modifiers)
            return promql_parser_error(p, e->start,
                                       "binop fill modifiers are experimental and "
                                       "not enabled");
        double v;
        if (!fill_value(p, &v))
            return false;
        if (t->kind != TOKEN_FILL_RIGHT) {
            m->fill_left = true;
            m->fill_left_value = v;
        }
        if (t->kind != TOKEN_FILL_LEFT) {
            m->fill_right = true;
            m->fill_right_value = v;
        }
    }
}

bool promql_parser_matching(struct promql_parser *p, struct promql_expr *binary)
{
    struct promql_matching *m = &binary->matching;
    binary->return_bool = promql_parser_take(p, TOKEN_BOOL);
    enum promql_token_kind k = promql_parser_token(p)->kind;
    if (k == TOKEN_ON || k == TOKEN_IGNORING) {
        m->written = true;
        m->on = k == TOKEN_ON;
        promql_parser_step(p);
        if (!promql_parser_grouping(p, &m->labels))
            return false;
        k = promql_parser_token(p)->kind;
        if (k == TOKEN_GROUP_LEFT || k == TOKEN_GROUP_RIGHT) {
            m->card = k == TOKEN_GROUP_LEFT ? CARD_MANY_TO_ONE : CARD_ONE_TO_MANY;
            promql_parser_step(p);
            if (promql_parser_is(p, TOKEN_LEFT_PAREN) && !promql_parser_grouping(p, &m->include))
                return false;
        }
    }
    return fills(p, binary);
}

/* --- durations ------------------------------------------------------------------------------ */

static bool span_expr(struct promql_parser *p, int least, const struct promql_span **ret);

static struct promql_span *span_new(struct promql_parser *p, enum promql_span_kind kind)
{
    struct promql_span *s = arena_new(p->arena, sizeof *s);
    s->kind = kind;
    s->start = promql_parser_token(p)->start;
    return s;
}

static bool span_literal(struct promql_parser *p, struct promql_span *s)
{
    const struct promql_token *t = promql_parser_token(p);
    if (t->kind == TOKEN_DURATION) {
        int64_t ms = 0;
        struct why why = {0};
        if (promql_duration_read(t->text, &ms, &why) < 0)
            return promql_parser_error(p, t->start, "%s", why.text);
        s->kind = SPAN_DURATION;
        s->seconds = (double)ms / 1000;
    } else {
        bool range;
        if (!promql_number_read(t->text, &s->seconds, &range))
            return promql_parser_error(p, t->start, "bad number");
        if (!(fabs(s->seconds) <= 9223372036.0))
            return promql_parser_error(p, t->start, "duration out of range");
    }
    promql_parser_step(p);
    return true;
}

/* step(), range(): the word is there, the parentheses follow. */
static bool span_word(struct promql_parser *p)
{
    promql_parser_step(p);
    if (!promql_parser_take(p, TOKEN_LEFT_PAREN) || !promql_parser_take(p, TOKEN_RIGHT_PAREN))
        return promql_parser_unexpected(p, "", "");
    return true;
}

static bool span_pair(struct promql_parser *p, struct promql_span *s)
{
    promql_parser_step(p);
    if (!promql_parser_take(p, TOKEN_LEFT_PAREN))
        return promql_parser_unexpected(p, "", "");
    if (!span_expr(p, 0, &s->left))
        return false;
    if (!promql_parser_take(p, TOKEN_COMMA))
        return promql_parser_unexpected(p, "", "");
    if (!span_expr(p, 0, &s->right))
        return false;
    return promql_parser_take(p, TOKEN_RIGHT_PAREN) || promql_parser_unexpected(p, "", "");
}

static bool span_primary(struct promql_parser *p, const struct promql_span **ret)
{
    static const char expected[] = "number, duration, step(), or range()";
    const struct promql_token *t = promql_parser_token(p);
    struct promql_span *s = span_new(p, SPAN_NUMBER);
    bool good;
    if (t->kind == TOKEN_NUMBER || t->kind == TOKEN_DURATION) {
        good = span_literal(p, s);
    } else if (t->kind == TOKEN_STEP || t->kind == TOKEN_RANGE) {
        s->kind = t->kind == TOKEN_STEP ? SPAN_STEP : SPAN_RANGE;
        good = span_word(p);
    } else if (t->kind == TOKEN_IDENTIFIER &&
               (str_eq(t->text, STR("min_of")) || str_eq(t->text, STR("max_of")))) {
        s->kind = t->text.p[1] == 'i' ? SPAN_MIN_OF : SPAN_MAX_OF;
        good = span_pair(p, s);
    } else if (t->kind == TOKEN_LEFT_PAREN) {
        s->kind = SPAN_PAREN;
        promql_parser_step(p);
        good = span_expr(p, 0, &s->left) &&
               (promql_parser_take(p, TOKEN_RIGHT_PAREN) || promql_parser_unexpected(p, "", ""));
    } else {
        return promql_parser_unexpected(p, "subquery or range selector", expected);
    }
    s->end = p->tokens[p->at - 1].end;
    *ret = s;
    return good;
}

static bool span_unary(struct promql_parser *p, int operand, const struct promql_span **ret)
{
    const struct promql_token *t = promql_parser_token(p);
    if (t->kind != TOKEN_SUB && t->kind != TOKEN_ADD)
        return span_primary(p, ret);
    struct promql_span *s = span_new(p, SPAN_NEGATE);
    promql_parser_step(p);
    if (++p->depth > PROMQL_DEPTH_MAX)
        return promql_parser_error(p, t->start, "duration is nested too deeply");
    bool good = operand ? span_expr(p, operand, &s->left) : span_primary(p, &s->left);
    p->depth--;
    if (!good)
        return false;
    s->end = s->left->end;
    if (t->kind == TOKEN_ADD) {
        *ret = s->left;
        return true;
    }
    if (s->left->kind == SPAN_NUMBER || s->left->kind == SPAN_DURATION) {
        s->kind = s->left->kind;
        s->seconds = -s->left->seconds;
    }
    *ret = s;
    return true;
}

static int span_strength(enum promql_token_kind k)
{
    switch (k) {
    case TOKEN_ADD:
    case TOKEN_SUB:
        return 1;
    case TOKEN_MUL:
    case TOKEN_DIV:
    case TOKEN_MOD:
        return 2;
    case TOKEN_POW:
        return 3;
    default:
        return 0;
    }
}

static bool span_expr(struct promql_parser *p, int least, const struct promql_span **ret)
{
    if (++p->depth > PROMQL_DEPTH_MAX)
        return promql_parser_error(p, promql_parser_token(p)->start,
                                   "duration is nested too deeply (more than %d levels)",
                                   PROMQL_DEPTH_MAX);
    const struct promql_span *left;
    if (!span_unary(p, 3, &left))
        return false;
    for (;;) {
        enum promql_token_kind k = promql_parser_token(p)->kind;
        int strength = span_strength(k);
        if (strength == 0 || strength < least)
            break;
        struct promql_span *s = span_new(p, SPAN_BINARY);
        uint32_t at = promql_parser_token(p)->start;
        s->operator= k;
        s->left = left;
        promql_parser_step(p);
        if (!span_expr(p, k == TOKEN_POW ? strength : strength + 1, &s->right))
            return false;
        const struct promql_span *right = s->right;
        bool zero =
            (right->kind == SPAN_NUMBER || right->kind == SPAN_DURATION) && right->seconds == 0;
        if (zero && (k == TOKEN_DIV || k == TOKEN_MOD))
            return promql_parser_error(p, at, "%s by zero",
                                       k == TOKEN_DIV ? "division" : "modulo");
        s->start = left->start;
        s->end = right->end;
        left = s;
    }
    p->depth--;
    *ret = left;
    return true;
}

bool promql_parser_span(struct promql_parser *p, bool offset, const struct promql_span **ret)
{
    if (!offset)
        return span_expr(p, 0, ret);
    enum promql_token_kind k = promql_parser_token(p)->kind;
    bool word =
        promql_parser_is(p, TOKEN_IDENTIFIER) && promql_parser_peek(p)->kind == TOKEN_LEFT_PAREN;
    if (k != TOKEN_NUMBER && k != TOKEN_DURATION && k != TOKEN_STEP && k != TOKEN_RANGE &&
        k != TOKEN_LEFT_PAREN && k != TOKEN_SUB && k != TOKEN_ADD && !word)
        return promql_parser_unexpected(p, "offset", "number, duration, step(), or range()");
    return span_unary(p, 0, ret);
}

/* --- what stands behind an expression -------------------------------------------------------- */

static bool positive_span(struct promql_parser *p, const struct promql_span *s)
{
    if (s->kind != SPAN_NUMBER && s->kind != SPAN_DURATION)
        return true; /* worked out, and checked, when the query runs */
    int64_t ms = 0;
    struct why why = {0};
    if (promql_span_ms(s, 1000, 1000, &ms, &why) < 0)
        return promql_parser_error(p, s->start, "%s", why.text);
    if (ms <= 0)
        return promql_parser_error(p, s->start, "duration must be greater than 0");
    return true;
}

static bool subquery(struct promql_parser *p, struct promql_expr **e,
                     const struct promql_span *range)
{
    struct promql_expr *s = arena_new(p->arena, sizeof *s);
    s->kind = EXPR_SUBQUERY;
    s->type = PROMQL_MATRIX;
    s->start = (*e)->start;
    s->left = *e;
    s->height = (*e)->height + 1;
    s->range_span = range;
    if (!promql_parser_is(p, TOKEN_RIGHT_BRACKET)) {
        if (!promql_parser_span(p, false, &s->step_span))
            return false;
        if (!positive_span(p, s->step_span))
            return false;
        if (!promql_parser_is(p, TOKEN_RIGHT_BRACKET))
            return promql_parser_unexpected(p, "subquery selector", "\"]\"");
    }
    promql_parser_step(p);
    s->end = p->tokens[p->at - 1].end;
    *e = s;
    return true;
}

static bool bracket(struct promql_parser *p, struct promql_expr **e)
{
    uint32_t start = promql_parser_token(p)->start;
    const struct promql_span *range;
    promql_parser_step(p);
    if (!promql_parser_span(p, false, &range))
        return false;
    if (!positive_span(p, range))
        return false;
    if (promql_parser_take(p, TOKEN_COLON))
        return subquery(p, e, range);
    if (!promql_parser_is(p, TOKEN_RIGHT_BRACKET))
        return promql_parser_unexpected(p, "subquery or range selector", "\":\" or \"]\"");
    promql_parser_step(p);
    struct promql_expr *s = *e;
    if (s->kind != EXPR_SELECTOR || s->range)
        return promql_parser_error(p, start, "ranges only allowed for vector selectors");
    if (s->offset_span)
        return promql_parser_error(p, start, "no offset modifiers allowed before range");
    if (s->at != AT_NONE)
        return promql_parser_error(p, start, "no @ modifiers allowed before range");
    s->range = true;
    s->type = PROMQL_MATRIX;
    s->range_span = range;
    s->end = p->tokens[p->at - 1].end;
    return true;
}

static bool offset(struct promql_parser *p, struct promql_expr *e)
{
    promql_parser_step(p);
    const struct promql_span *s;
    if (!promql_parser_span(p, true, &s))
        return false;
    if (e->kind != EXPR_SELECTOR && e->kind != EXPR_SUBQUERY)
        return promql_parser_error(p, e->start,
                                   "offset modifier must be preceded by an instant "
                                   "vector selector or range vector selector or a subquery");
    if (e->offset_span)
        return promql_parser_error(p, e->start, "offset may not be set multiple times");
    e->offset_span = s;
    e->end = p->tokens[p->at - 1].end;
    return true;
}

static bool at_time(struct promql_parser *p, struct promql_expr *e)
{
    bool minus = promql_parser_is(p, TOKEN_SUB);
    if (minus || promql_parser_is(p, TOKEN_ADD))
        promql_parser_step(p);
    const struct promql_token *t = promql_parser_token(p);
    double seconds = 0;
    bool range;
    if (t->kind != TOKEN_NUMBER && t->kind != TOKEN_DURATION)
        return promql_parser_unexpected(p, "@", "timestamp");
    int64_t ms = 0;
    if (t->kind == TOKEN_DURATION) {
        struct why why = {0};
        if (promql_duration_read(t->text, &ms, &why) < 0)
            return promql_parser_error(p, t->start, "%s", why.text);
        seconds = (double)ms / 1000;
    } else if (!promql_number_read(t->text, &seconds, &range)) {
        return promql_parser_unexpected(p, "@", "timestamp");
    }
    promql_parser_step(p);
    seconds = minus ? -seconds : seconds;
    if (!(fabs(seconds) < 9223372036854775.0)) {
        if (isfinite(seconds))
            return promql_parser_error(p, e->start, "timestamp out of bounds for @ modifier: %f",
                                       seconds);
        return promql_parser_error(p, e->start, "timestamp out of bounds for @ modifier: %s",
                                   isnan(seconds) ? "NaN"
                                   : seconds > 0  ? "+Inf"
                                                  : "-Inf");
    }
    e->at = AT_TIME;
    e->at_ms = (int64_t)round(seconds * 1000);
    return true;
}

static bool at(struct promql_parser *p, struct promql_expr *e)
{
    promql_parser_step(p);
    if (e->kind != EXPR_SELECTOR && e->kind != EXPR_SUBQUERY)
        return promql_parser_error(p, e->start,
                                   "@ modifier must be preceded by an instant vector "
                                   "selector or range vector selector or a subquery");
    if (e->at != AT_NONE)
        return promql_parser_error(p, e->start, "@ <timestamp> may not be set multiple times");
    enum promql_token_kind k = promql_parser_token(p)->kind;
    if (k == TOKEN_START || k == TOKEN_END) {
        e->at = k == TOKEN_START ? AT_START : AT_END;
        if (!span_word(p))
            return false;
    } else if (!at_time(p, e)) {
        return false;
    }
    e->end = p->tokens[p->at - 1].end;
    return true;
}

static bool extended(struct promql_parser *p, struct promql_expr *e)
{
    const struct promql_token *t = promql_parser_token(p);
    bool anchored = t->kind == TOKEN_ANCHORED;
    if (!p->options.extended_selectors)
        return promql_parser_error(p, e->start, "%s modifier is experimental and not enabled",
                                   promql_token_text(t->kind));
    if (e->kind != EXPR_SELECTOR)
        return promql_parser_error(p, e->start,
                                   "%s modifier must be preceded by an instant "
                                   "vector selector or range vector selector",
                                   promql_token_text(t->kind));
    if (e->anchored || e->smoothed)
        return promql_parser_error(p, e->start, "%s modifier may not be set multiple times",
                                   promql_token_text(t->kind));
    *(anchored ? &e->anchored : &e->smoothed) = true;
    promql_parser_step(p);
    e->end = p->tokens[p->at - 1].end;
    return true;
}

bool promql_parser_postfix(struct promql_parser *p, struct promql_expr **e)
{
    for (;;) {
        enum promql_token_kind k = promql_parser_token(p)->kind;
        bool good;
        if (k == TOKEN_LEFT_BRACKET)
            good = bracket(p, e);
        else if (k == TOKEN_OFFSET)
            good = offset(p, *e);
        else if (k == TOKEN_AT)
            good = at(p, *e);
        else if (k == TOKEN_ANCHORED || k == TOKEN_SMOOTHED)
            good = extended(p, *e);
        else
            return true;
        if (!good)
            return false;
    }
}
