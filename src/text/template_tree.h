/* text/template_tree.h - between the parser, the printer and the runner of templates.
 *
 * Flow:    text -> tokens (template_lex.c) -> nodes (template_parse.c) -> text (template_run.c,
 *          template_eval.c); nodes -> text for messages (template_node.c)
 * Threads: nodes never change once parsed.
 */
#ifndef TEXT_TEMPLATE_TREE_H
#define TEXT_TEMPLATE_TREE_H

#include "base/map.h"
#include "text/template.h"

enum template_token_type {
    TOKEN_ERROR, /* text: what is wrong */
    TOKEN_END,   /* of the text */
    TOKEN_TEXT,
    TOKEN_LEFT,
    TOKEN_RIGHT,
    TOKEN_SPACE,
    TOKEN_ASSIGN,
    TOKEN_DECLARE,
    TOKEN_PIPE,
    TOKEN_CHARACTER, /* any other: , */
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_STRING,
    TOKEN_RAW,
    TOKEN_RUNE,
    TOKEN_NUMBER,
    TOKEN_BOOL,
    TOKEN_FIELD,
    TOKEN_VARIABLE,
    TOKEN_IDENTIFIER,
    TOKEN_KEYWORDS, /* none; all below are keywords */
    TOKEN_DOT,
    TOKEN_BLOCK,
    TOKEN_BREAK,
    TOKEN_CONTINUE,
    TOKEN_DEFINE,
    TOKEN_ELSE,
    TOKEN_FINISH, /* end */
    TOKEN_IF,
    TOKEN_NIL,
    TOKEN_RANGE,
    TOKEN_TEMPLATE,
    TOKEN_WITH,
};

struct template_token {
    enum template_token_type type;
    uint32_t at, line;
    struct str text;
};

struct template_tokens {
    struct template_token *v;
    size_t n, capacity;
};

/* Splits text into tokens; the last is TOKEN_END or TOKEN_ERROR. Texts of errors are a's. */
void template_lex(struct str text, struct arena *a, struct template_tokens *ret);

enum template_node_type {
    NODE_LIST,
    NODE_TEXT,
    NODE_ACTION,
    NODE_IF,
    NODE_WITH,
    NODE_RANGE,
    NODE_TEMPLATE,
    NODE_BREAK,
    NODE_CONTINUE,
    NODE_PIPE,
    NODE_COMMAND,
    NODE_IDENTIFIER,
    NODE_DOT,
    NODE_NIL,
    NODE_FIELD,
    NODE_VARIABLE,
    NODE_CHAIN,
    NODE_BOOL,
    NODE_NUMBER,
    NODE_STRING,
    NODE_END,  /* while parsing only */
    NODE_ELSE, /* while parsing only */
};

struct template_source {
    struct str name, text;
};

struct template_node {
    enum template_node_type type;
    uint32_t at; /* byte of the source */
    const struct template_source *source;
    struct str text;             /* as written; TEMPLATE: the name; IDENTIFIER: the function */
    struct template_value value; /* BOOL, NUMBER, STRING */
    struct template_node **v;    /* [n]: LIST: nodes; PIPE: commands; COMMAND: arguments */
    size_t n;
    struct str
        *names; /* [names_n]: FIELD, CHAIN: fields; VARIABLE: it and fields; PIPE: declared */
    size_t names_n;
    bool assigns;               /* PIPE: = and not := */
    struct template_node *pipe; /* of an action or control; CHAIN: what the fields are of */
    struct template_node *list, *otherwise;
    const struct template_function *function; /* IDENTIFIER */
};

struct template_set {
    struct arena *arena;
    const struct template_functions *functions;
    struct {
        struct template_tree {
            struct str name;
            struct template_node *root;
        } * v;
        size_t n;
    } trees;
};

const struct template_tree *template_tree_find(const struct template_set *set, struct str name);

/* The node as Go prints it: {{if .X}}..., .X.Y, $x := printf "a" 1. */
void template_node_print(const struct template_node *node, struct buf *out);

/* Unquotes "..", `..` or '..'; -ERR_FORMAT. */
MUST_USE int template_unquote(struct str s, struct arena *a, struct str *ret);

/* ---- running */

struct template_variable {
    struct str name;
    struct template_value value;
};

struct template_state {
    struct template_call call; /* first: functions are given it */
    const struct template_set *set;
    const struct template_settings *settings;
    struct str name;                /* of the template that runs */
    const struct template_node *at; /* the node that a fault is told of */
    struct template_variable *variables;
    size_t variables_n, variables_capacity;
    size_t variables_base; /* of the template that runs */
    struct buf *out;
    unsigned depth;
    unsigned nesting; /* of calls in C */
    uint64_t steps;
    size_t memory_before;
    struct why *why;
};

/* The value of key in a map, or NULL. */
const struct template_value *template_map_get(const struct template_value *map, struct str key);

/* Counts a step; an error where the run has had enough. */
MUST_USE int template_step(struct template_state *s);

/* Fills why: template: NAME:LINE:COLUMN: executing "NAME" at <NODE>: ... */
int template_fault(struct template_state *s, enum err code, const char *format, ...) PRINTF(3, 4);

MUST_USE int template_eval_pipe(struct template_state *s, const struct template_value *dot,
                                const struct template_node *pipe, struct template_value *ret);

void template_push(struct template_state *s, struct str name, const struct template_value *v);

/* ---- built-in functions, those that need no more than their arguments */
extern const struct template_functions template_builtins;

/* Appends values as fmt.Sprint does, or as Sprintln does. */
void template_sprint(const struct template_value *args, size_t n, bool line, struct buf *out);

#endif
