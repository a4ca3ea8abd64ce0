/* query/promql/promql_tree.h - the checked tree of an expression, shared by the files of this
 * folder.
 *
 * Flow:    promql_lex.c -> promql_parse.c -> promql_check.c -> promql_print.c, promql_format.c,
 *          promql_json.c, promql_run.c
 * Threads: plain data in an arena.
 */
#ifndef QUERY_PROMQL_PROMQL_TREE_H
#define QUERY_PROMQL_PROMQL_TREE_H

#include "model/labels.h"
#include "query/promql/promql.h"

/* Order matters: see promql_token_is_operator() and its kin. */
enum promql_token_kind {
    TOKEN_EOF,
    TOKEN_ERROR, /* text is the message */
    TOKEN_IDENTIFIER,
    TOKEN_METRIC, /* an identifier with a colon */
    TOKEN_STRING,
    TOKEN_NUMBER,
    TOKEN_DURATION,
    TOKEN_LEFT_PAREN,
    TOKEN_RIGHT_PAREN,
    TOKEN_LEFT_BRACE,
    TOKEN_RIGHT_BRACE,
    TOKEN_LEFT_BRACKET,
    TOKEN_RIGHT_BRACKET,
    TOKEN_COMMA,
    TOKEN_COLON,
    TOKEN_EQUAL,
    TOKEN_EQUAL_REGEX,
    TOKEN_NOT_REGEX,
    /* operators */
    TOKEN_AT,
    TOKEN_ADD,
    TOKEN_SUB,
    TOKEN_MUL,
    TOKEN_DIV,
    TOKEN_MOD,
    TOKEN_POW,
    TOKEN_ATAN2,
    TOKEN_EQ,
    TOKEN_NE,
    TOKEN_LT,
    TOKEN_LE,
    TOKEN_GT,
    TOKEN_GE,
    TOKEN_TRIM_UPPER, /* </ */
    TOKEN_TRIM_LOWER, /* >/ */
    TOKEN_AND,
    TOKEN_OR,
    TOKEN_UNLESS,
    /* aggregators */
    TOKEN_SUM,
    TOKEN_AVG,
    TOKEN_COUNT,
    TOKEN_MIN,
    TOKEN_MAX,
    TOKEN_GROUP,
    TOKEN_STDDEV,
    TOKEN_STDVAR,
    TOKEN_TOPK,
    TOKEN_BOTTOMK,
    TOKEN_COUNT_VALUES,
    TOKEN_QUANTILE,
    TOKEN_LIMITK,
    TOKEN_LIMIT_RATIO,
    /* keywords */
    TOKEN_OFFSET,
    TOKEN_SMOOTHED,
    TOKEN_ANCHORED,
    TOKEN_BY,
    TOKEN_WITHOUT,
    TOKEN_ON,
    TOKEN_IGNORING,
    TOKEN_GROUP_LEFT,
    TOKEN_GROUP_RIGHT,
    TOKEN_FILL,
    TOKEN_FILL_LEFT,
    TOKEN_FILL_RIGHT,
    TOKEN_BOOL,
    TOKEN_START,
    TOKEN_END,
    TOKEN_STEP,
    TOKEN_RANGE,
    TOKEN_KINDS,
};

struct promql_token {
    enum promql_token_kind kind;
    uint32_t start, end; /* bytes of the text */
    struct str text;     /* its bytes, or the message of TOKEN_ERROR */
};

/* Cuts text into tokens up to and including TOKEN_EOF or TOKEN_ERROR; *ret is mem_free()d by the
 * caller, messages live in a. */
void promql_lex(struct str text, struct arena *a, struct promql_token **ret, size_t *ret_n);

/* The word of an operator, aggregator or keyword: "+", "sum", "group_left". */
const char *promql_token_text(enum promql_token_kind kind);

static inline bool promql_token_is_operator(enum promql_token_kind k)
{
    return k >= TOKEN_AT && k <= TOKEN_UNLESS;
}

static inline bool promql_token_is_comparison(enum promql_token_kind k)
{
    return k >= TOKEN_EQ && k <= TOKEN_GE;
}

static inline bool promql_token_is_set(enum promql_token_kind k)
{
    return k >= TOKEN_AND && k <= TOKEN_UNLESS;
}

static inline bool promql_token_is_aggregator(enum promql_token_kind k)
{
    return k >= TOKEN_SUM && k <= TOKEN_LIMIT_RATIO;
}

static inline bool promql_token_is_keyword(enum promql_token_kind k)
{
    return k >= TOKEN_OFFSET && k < TOKEN_KINDS;
}

/* Unquotes a string literal with its quotes ("..", '..' with Go's escapes, `..` raw) into a. */
MUST_USE int promql_unquote(struct str literal, struct arena *a, struct str *ret,
                            struct promql_failure *failure);

/* Appends s quoted as Go's %q does. */
void promql_quote(struct str s, struct buf *out);

/* Appends v as Go's FormatFloat(v, 'f', -1, 64). */
void promql_number_put(double v, struct buf *out);

/* Appends v as Go's %g. */
void promql_number_short(double v, struct buf *out);

/* Reads a Go integer literal or float; false with *ret_range set where it is out of range. */
bool promql_number_read(struct str text, double *ret, bool *ret_range);

/* Why a duration is not one, in the words of Prometheus. */
MUST_USE int promql_duration_read(struct str text, int64_t *ret_ms, struct why *why);

enum promql_function {
#define FUNCTION(id, name, type, arguments, variadic, flags) PROMQL_FN_##id,
#include "query/promql/functions.tbl.h"
#undef FUNCTION
    PROMQL_FN_COUNT,
};

enum { FUNCTION_EXPERIMENTAL = 1, FUNCTION_AT_UNSAFE = 2 };

struct promql_function_row {
    const char *name;
    enum promql_type type;
    const char *arguments; /* a letter each: s scalar, v vector, m matrix, t text */
    int variadic;          /* 0: exactly these; n: up to n more than all but the last; -1: any */
    unsigned flags;
};

/* The row of a function, or NULL. */
const struct promql_function_row *promql_function_find(struct str name);
const struct promql_function_row *promql_function_row(enum promql_function f);

/* A duration that may depend on the query's step and range. */
enum promql_span_kind {
    SPAN_NUMBER,   /* seconds */
    SPAN_DURATION, /* the same, written as 5m */
    SPAN_STEP,
    SPAN_RANGE,
    SPAN_MIN_OF,
    SPAN_MAX_OF,
    SPAN_NEGATE,
    SPAN_PAREN,
    SPAN_BINARY,
};

struct promql_span {
    enum promql_span_kind kind;
    enum promql_token_kind operator; /* SPAN_BINARY */
    double seconds;
    uint32_t start, end;
    const struct promql_span *left, *right;
};

enum promql_kind {
    EXPR_NUMBER,
    EXPR_STRING,
    EXPR_PAREN,
    EXPR_UNARY, /* minus; plus is dropped */
    EXPR_BINARY,
    EXPR_CALL,
    EXPR_AGGREGATE,
    EXPR_SELECTOR, /* range_span set: a range vector */
    EXPR_SUBQUERY,
};

enum promql_card { CARD_ONE_TO_ONE, CARD_MANY_TO_ONE, CARD_ONE_TO_MANY, CARD_MANY_TO_MANY };

enum promql_at { AT_NONE, AT_TIME, AT_START, AT_END };

struct promql_labels {
    struct str *v; /* [n] */
    size_t n;
};

struct promql_matching {
    bool written; /* on or ignoring was there */
    bool on;
    enum promql_card card;
    struct promql_labels labels, include;
    bool fill_left, fill_right;
    double fill_left_value, fill_right_value;
};

struct promql_expr {
    enum promql_kind kind;
    enum promql_type type;
    uint32_t start, end; /* bytes of the text */
    uint32_t height;     /* of the tree */
    bool range;          /* EXPR_SELECTOR: a range vector */
    bool is_duration;    /* EXPR_NUMBER, written as 5m */
    bool return_bool;
    bool without;
    bool anchored, smoothed;
    bool counts_only; /* EXPR_SELECTOR: of its histograms only counts and sums are looked at */
    bool fixed;       /* depends on no step: see promql_plan.c */
    enum promql_token_kind operator; /* EXPR_BINARY, EXPR_AGGREGATE */
    enum promql_function function;   /* EXPR_CALL */
    double number;
    struct str string;              /* EXPR_STRING */
    struct str text;                /* of the query; at its root only */
    struct promql_expr *left;       /* BINARY; UNARY, PAREN, AGGREGATE, SUBQUERY: the operand */
    struct promql_expr *right;      /* BINARY; AGGREGATE: the parameter, or NULL */
    struct promql_expr **arguments; /* CALL alone: those of AGGREGATE are left and right */
    size_t arguments_n;
    struct promql_matching matching; /* BINARY */
    struct promql_labels grouping;   /* AGGREGATE */
    bool grouped;                    /* by or without was written */

    /* EXPR_SELECTOR, EXPR_SUBQUERY; matchers: also of info(), those of the series that it reads */
    struct str name; /* the metric's name where it stood before the braces, else empty */
    struct matcher *matchers;
    size_t matchers_n;
    const struct promql_span *range_span, *step_span, *offset_span;
    enum promql_at at;
    int64_t at_ms;
};

/* The state of a parse, shared by promql_parse.c, promql_parse_modifier.c and promql_check.c. */
struct promql_parser {
    struct str text;
    struct promql_options options;
    struct arena *arena;
    struct promql_token *tokens;
    size_t tokens_n, at;
    unsigned depth;
    bool failed;
    struct promql_failure *failure;
};

/* Records the first error, at byte start; returns false. */
bool promql_parser_error(struct promql_parser *p, uint32_t start, const char *format, ...)
    PRINTF(3, 4);

/* "unexpected X in context, expected Y" at the present token; returns false. */
bool promql_parser_unexpected(struct promql_parser *p, const char *context, const char *expected);

static inline const struct promql_token *promql_parser_token(const struct promql_parser *p)
{
    return &p->tokens[p->at];
}

/* The one after it (the last one where there is none). */
static inline const struct promql_token *promql_parser_peek(const struct promql_parser *p)
{
    return &p->tokens[p->at + 1 < p->tokens_n ? p->at + 1 : p->at];
}

static inline bool promql_parser_is(const struct promql_parser *p, enum promql_token_kind k)
{
    return p->tokens[p->at].kind == k;
}

static inline bool promql_parser_take(struct promql_parser *p, enum promql_token_kind k)
{
    if (p->tokens[p->at].kind != k)
        return false;
    if (p->at + 1 < p->tokens_n)
        p->at++;
    return true;
}

static inline void promql_parser_step(struct promql_parser *p)
{
    if (p->at + 1 < p->tokens_n)
        p->at++;
}

/* promql_parse_modifier.c; all return false after an error. */
bool promql_parser_grouping(struct promql_parser *p, struct promql_labels *ret);
bool promql_parser_matchers(struct promql_parser *p, struct promql_expr *selector);
bool promql_parser_matching(struct promql_parser *p, struct promql_expr *binary);
bool promql_parser_postfix(struct promql_parser *p, struct promql_expr **e);
bool promql_parser_span(struct promql_parser *p, bool offset, const struct promql_span **ret);

/* promql_check.c: types, counts of arguments, matchings; false after an error. */
bool promql_check(struct promql_parser *p, struct promql_expr *e);

/* Sets counts_only below e; counts: a function above looks at counts and sums only, buckets: one
 * looks at more. */
void promql_mark_counts(struct promql_expr *e, bool counts, bool buckets);

/* Milliseconds of a span at a step and range of the query; false: p->failure says why. */
MUST_USE int promql_span_ms(const struct promql_span *s, int64_t step_ms, int64_t range_ms,
                            int64_t *ret_ms, struct why *why);

/* promql_print.c, parts of a canonical text: "== bool on (a)" of EXPR_BINARY; "rate", "sum by (a) "
 * of EXPR_CALL and EXPR_AGGREGATE; "[5m:1m] offset 1h" of EXPR_SUBQUERY. */
void promql_print_operator(const struct promql_expr *e, struct buf *out);
void promql_print_head(const struct promql_expr *e, struct buf *out);
void promql_print_suffix(const struct promql_expr *e, struct buf *out);

/* promql_format() with another length of a line, in bytes. */
void promql_format_lines(const struct promql_expr *e, size_t line_max, struct buf *out);

/* "line:column" of byte pos of text. */
void promql_position(struct str text, uint32_t pos, char *out, size_t out_n);

#endif
