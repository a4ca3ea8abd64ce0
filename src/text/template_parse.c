#include "base/mem.h"
#include "base/vec.h"
#include "text/number.h"
#include "text/letter.h"
#include "text/template_tree.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    TREES_MAX = 1000,     /* templates of one set */
    VARIABLES_MAX = 1000, /* of one template */
};

struct nodes {
    struct template_node **v;
    size_t n, capacity;
};

struct names {
    struct str *v;
    size_t n, capacity;
};

struct parser {
    struct template_set *set;
    struct arena *arena;
    const struct template_source *source;
    struct template_tokens tokens;
    size_t at;       /* the next token */
    size_t furthest; /* the last one that was looked at: faults name its line */
    struct names variables;
    unsigned ranges;      /* that the place is inside of */
    unsigned depth;       /* of lists and parentheses */
    uint32_t action_line; /* 0: in no action */
    struct nodes trees;   /* finished, with their names */
    struct names tree_names;
    bool failed;
    struct why *why;
};

/* ---- tokens */

static const struct template_token *look(struct parser *p)
{
    size_t i = MIN(p->at, p->tokens.n - 1);
    p->furthest = MAX(p->furthest, i);
    return &p->tokens.v[i];
}

static const struct template_token *next(struct parser *p)
{
    const struct template_token *t = look(p);
    p->at++;
    return t;
}

static const struct template_token *look_past_space(struct parser *p)
{
    while (look(p)->type == TOKEN_SPACE)
        p->at++;
    return look(p);
}

static const struct template_token *next_past_space(struct parser *p)
{
    const struct template_token *t = look_past_space(p);
    p->at++;
    return t;
}

/* ---- faults */

static void fault(struct parser *p, const char *format, ...) PRINTF(2, 3);

/* The first fault is the one that is told. */
static void fault(struct parser *p, const char *format, ...)
{
    char text[WHY_MAX];
    va_list args;
    if (p->failed)
        return;
    p->failed = true;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    why_set(p->why, ERR_FORMAT, "template: " STR_FMT ":%u: %s", STR_ARG(p->source->name),
            p->tokens.v[p->furthest].line, text);
}

static void quote_cut(struct str s, struct buf *out)
{
    template_quote(str_sub(s, 0, 10), out);
    if (s.n > 10)
        buf_put_str(out, STR("..."));
}

static void unexpected(struct parser *p, const struct template_token *t, const char *context)
{
    struct buf b;
    buf_init(&b, WHY_MAX);
    if (t->type == TOKEN_ERROR) {
        buf_put_str(&b, t->text);
        if (p->action_line && p->action_line != t->line)
            buf_printf(&b, "%s started at " STR_FMT ":%u",
                       str_ends(t->text, STR(" action")) ? "" : " in action",
                       STR_ARG(p->source->name), p->action_line);
    } else {
        buf_put_str(&b, STR("unexpected "));
        if (t->type == TOKEN_END)
            buf_put_str(&b, STR("EOF"));
        else if (t->type > TOKEN_KEYWORDS)
            buf_printf(&b, "<" STR_FMT ">", STR_ARG(t->text));
        else
            quote_cut(t->text, &b);
        buf_printf(&b, " in %s", context);
    }
    fault(p, STR_FMT, STR_ARG(buf_str(&b)));
    buf_done(&b);
}

static const struct template_token *expect(struct parser *p, enum template_token_type type,
                                           const char *context)
{
    const struct template_token *t = next_past_space(p);
    if (t->type != type)
        unexpected(p, t, context);
    return t;
}

static bool enter(struct parser *p)
{
    if (++p->depth > TEMPLATE_DEPTH_MAX)
        fault(p, "nested deeper than %d levels", TEMPLATE_DEPTH_MAX);
    return !p->failed;
}

/* ---- nodes */

static struct template_node *node_new(struct parser *p, enum template_node_type type, uint32_t at)
{
    struct template_node *node = arena_new(p->arena, sizeof *node);
    node->type = type;
    node->at = at;
    node->source = p->source;
    return node;
}

/* Moves what was gathered into the arena. */
static void keep_nodes(struct parser *p, struct template_node *node, struct nodes *v)
{
    node->n = v->n;
    node->v = arena_array(p->arena, v->n, sizeof(struct template_node *));
    if (v->n)
        memcpy((void *)node->v, (void *)v->v, v->n * sizeof *v->v);
    vec_free(v);
}

static void keep_names(struct parser *p, struct template_node *node, struct names *v)
{
    node->names_n = v->n;
    node->names = arena_array(p->arena, v->n, sizeof *node->names);
    if (v->n)
        memcpy(node->names, v->v, v->n * sizeof *v->v);
    vec_free(v);
}

static struct template_node *parse_pipe(struct parser *p, const char *context,
                                        enum template_token_type end);
static struct template_node *parse_list(struct parser *p, struct template_node **ret_end);

/* ---- operands */

static bool read_rune(struct parser *p, struct str s, int64_t *ret)
{
    struct str text;
    size_t n;
    if (template_unquote(s, p->arena, &text) != 0 || text.n == 0)
        return false;
    *ret = letter_next(text, &n);
    return n == text.n;
}

/* Digits with underscores between them, after 0x, 0o, 0b or 0 in that base. */
static bool read_integer(struct str s, int64_t *ret)
{
    char plain[128];
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '_' &&
            (i == 0 || i + 1 == s.n || s.p[i - 1] == '_' || s.p[i - 1] == '-' || s.p[i - 1] == '+'))
            return false; /* they stand between digits */
    for (size_t i = 0; i < s.n && n < sizeof plain - 1; i++)
        if (s.p[i] != '_')
            plain[n++] = s.p[i];
    plain[n] = 0;
    char *digits = plain + (plain[0] == '-' || plain[0] == '+');
    int base = 0;
    if (digits[0] == '0' && (digits[1] | 0x20) == 'o')
        base = 8;
    else if (digits[0] == '0' && (digits[1] | 0x20) == 'b')
        base = 2;
    if (base)
        memmove(digits, digits + 2, strlen(digits + 2) + 1);
    if (*digits < '0' || *digits > '9')
        return false;
    char *end;
    errno = 0;
    *ret = strtoll(plain, &end, base);
    return errno == 0 && *end == 0;
}

static void bad_number(struct parser *p, struct str text, bool fraction)
{
    double real;
    struct buf quoted;
    buf_init(&quoted, WHY_MAX);
    template_quote(text, &quoted);
    bool large = !fraction && number_parse(text, &real) == 0;
    fault(p, "%s: " STR_FMT, large ? "integer overflow" : "illegal number syntax",
          STR_ARG(buf_str(&quoted)));
    buf_done(&quoted);
}

static struct template_node *parse_number(struct parser *p, const struct template_token *t)
{
    struct template_node *node = node_new(p, NODE_NUMBER, t->at);
    int64_t whole;
    double real;
    node->text = t->text;
    bool hex =
        str_search(t->text, STR("0x")) < t->text.n || str_search(t->text, STR("0X")) < t->text.n;
    bool fraction = false;
    for (size_t i = 0; i < t->text.n; i++)
        fraction = fraction || strchr(hex ? ".pP" : ".eEpP", t->text.p[i]);
    if (t->type == TOKEN_RUNE && read_rune(p, t->text, &whole))
        node->value = template_int(whole);
    else if (t->type == TOKEN_NUMBER && !fraction && read_integer(t->text, &whole))
        node->value = template_int(whole);
    else if (t->type == TOKEN_NUMBER && fraction && number_parse(t->text, &real) == 0)
        node->value = template_float(real);
    else if (t->type == TOKEN_NUMBER)
        bad_number(p, t->text, fraction);
    else
        fault(p, t->text.n < 4 ? "invalid syntax" : "malformed character constant: " STR_FMT,
              STR_ARG(t->text));
    return node;
}

static struct template_node *parse_string(struct parser *p, const struct template_token *t)
{
    struct template_node *node = node_new(p, NODE_STRING, t->at);
    struct str text = STR("");
    node->text = t->text;
    if (template_unquote(t->text, p->arena, &text) != 0)
        fault(p, "invalid syntax");
    node->value = template_text(text);
    return node;
}

static const struct template_function *function_in(const struct template_functions *functions,
                                                   struct str name)
{
    for (size_t i = 0; functions && i < functions->n; i++)
        if (str_eq(str_c(functions->v[i].name), name))
            return &functions->v[i];
    return NULL;
}

static struct template_node *parse_identifier(struct parser *p, const struct template_token *t)
{
    struct template_node *node = node_new(p, NODE_IDENTIFIER, t->at);
    node->text = t->text;
    node->function = function_in(p->set->functions, t->text);
    if (!node->function)
        node->function = function_in(&template_builtins, t->text);
    if (!node->function)
        fault(p, "function \"" STR_FMT "\" not defined", STR_ARG(t->text));
    return node;
}

static struct template_node *parse_variable(struct parser *p, const struct template_token *t)
{
    struct template_node *node = node_new(p, NODE_VARIABLE, t->at);
    struct names names = {0};
    bool known = false;
    for (size_t i = 0; i < p->variables.n && !known; i++)
        known = str_eq(p->variables.v[i], t->text);
    if (!known)
        fault(p, "undefined variable \"" STR_FMT "\"", STR_ARG(t->text));
    vec_push(&names, t->text);
    keep_names(p, node, &names);
    return node;
}

static struct template_node *parse_field(struct parser *p, const struct template_token *t)
{
    struct template_node *node = node_new(p, NODE_FIELD, t->at);
    struct names names = {0};
    vec_push(&names, str_sub(t->text, 1, t->text.n));
    keep_names(p, node, &names);
    return node;
}

/* An operand without the fields behind it; NULL where none begins here. */
static struct template_node *parse_term(struct parser *p)
{
    const struct template_token *t = next_past_space(p);
    struct template_node *node;
    switch (t->type) {
    case TOKEN_IDENTIFIER:
        return parse_identifier(p, t);
    case TOKEN_DOT:
        return node_new(p, NODE_DOT, t->at);
    case TOKEN_NIL:
        return node_new(p, NODE_NIL, t->at);
    case TOKEN_VARIABLE:
        return parse_variable(p, t);
    case TOKEN_FIELD:
        return parse_field(p, t);
    case TOKEN_BOOL:
        node = node_new(p, NODE_BOOL, t->at);
        node->text = t->text;
        node->value = template_bool(t->text.p[0] == 't');
        return node;
    case TOKEN_RUNE:
    case TOKEN_NUMBER:
        return parse_number(p, t);
    case TOKEN_STRING:
    case TOKEN_RAW:
        return parse_string(p, t);
    case TOKEN_OPEN:
        return parse_pipe(p, "parenthesized pipeline", TOKEN_CLOSE);
    default:
        p->at--;
        return NULL;
    }
}

static struct template_node *parse_operand(struct parser *p)
{
    struct template_node *node = parse_term(p);
    if (!node || p->failed || look(p)->type != TOKEN_FIELD)
        return node;
    uint32_t at = look(p)->at;
    struct names names = {0};
    bool joined = node->type == NODE_FIELD || node->type == NODE_VARIABLE;
    for (size_t i = 0; joined && i < node->names_n; i++)
        vec_push(&names, node->names[i]);
    while (look(p)->type == TOKEN_FIELD) {
        const struct template_token *t = next(p);
        vec_push(&names, str_sub(t->text, 1, t->text.n));
    }
    if (joined) {
        node->at = at;
    } else if (node->type == NODE_PIPE || node->type == NODE_IDENTIFIER) {
        struct template_node *chain = node_new(p, NODE_CHAIN, at);
        chain->pipe = node;
        node = chain;
    } else {
        struct buf b;
        buf_init(&b, WHY_MAX);
        template_node_print(node, &b);
        struct str text = buf_str(&b);
        struct buf quoted;
        buf_init(&quoted, WHY_MAX);
        template_quote(text, &quoted);
        fault(p, "unexpected . after term " STR_FMT, STR_ARG(buf_str(&quoted)));
        buf_done(&quoted);
        buf_done(&b);
    }
    keep_names(p, node, &names);
    return node;
}

static struct template_node *parse_command(struct parser *p)
{
    struct template_node *command = node_new(p, NODE_COMMAND, look_past_space(p)->at);
    struct nodes args = {0};
    while (!p->failed) {
        struct template_node *operand = parse_operand(p);
        if (operand)
            vec_push(&args, operand);
        if (p->failed)
            break;
        const struct template_token *t = next(p);
        if (t->type == TOKEN_SPACE)
            continue;
        if (t->type == TOKEN_RIGHT || t->type == TOKEN_CLOSE)
            p->at--;
        else if (t->type != TOKEN_PIPE)
            unexpected(p, t, "operand");
        break;
    }
    if (args.n == 0)
        fault(p, "empty command");
    keep_nodes(p, command, &args);
    return command;
}

/* ---- pipelines */

static bool declares(struct parser *p, const char *context, struct template_node *pipe,
                     struct names *names)
{
    if (look_past_space(p)->type != TOKEN_VARIABLE)
        return false;
    size_t before = p->at;
    const struct template_token *variable = next(p);
    const struct template_token *t = look_past_space(p);
    bool comma = t->type == TOKEN_CHARACTER && str_eq(t->text, STR(","));
    if (t->type != TOKEN_ASSIGN && t->type != TOKEN_DECLARE && !comma) {
        p->at = before;
        return false;
    }
    pipe->assigns = t->type == TOKEN_ASSIGN;
    p->at++;
    if (p->variables.n >= VARIABLES_MAX)
        fault(p, "more than %d variables", VARIABLES_MAX);
    vec_push(names, variable->text);
    vec_push(&p->variables, variable->text);
    if (!comma || p->failed)
        return false;
    if (strcmp(context, "range") != 0 || names->n >= 2) {
        fault(p, "too many declarations in %s", context);
        return false;
    }
    enum template_token_type type = look_past_space(p)->type;
    if (type == TOKEN_VARIABLE || type == TOKEN_RIGHT || type == TOKEN_CLOSE)
        return true;
    fault(p, "range can only initialize variables");
    return false;
}

static bool starts_operand(enum template_token_type type)
{
    return type == TOKEN_BOOL || type == TOKEN_RUNE || type == TOKEN_DOT || type == TOKEN_FIELD ||
           type == TOKEN_IDENTIFIER || type == TOKEN_NUMBER || type == TOKEN_NIL ||
           type == TOKEN_RAW || type == TOKEN_STRING || type == TOKEN_VARIABLE ||
           type == TOKEN_OPEN;
}

static void check_pipe(struct parser *p, const struct template_node *pipe, const char *context)
{
    if (pipe->n == 0)
        fault(p, "missing value for %s", context);
    for (size_t i = 1; i < pipe->n && !p->failed; i++)
        switch (pipe->v[i]->v[0]->type) {
        case NODE_BOOL:
        case NODE_DOT:
        case NODE_NIL:
        case NODE_NUMBER:
        case NODE_STRING:
            fault(p, "non executable command in pipeline stage %zu", i + 1);
            break;
        default:
            break;
        }
}

static struct template_node *parse_pipe(struct parser *p, const char *context,
                                        enum template_token_type end)
{
    struct template_node *pipe = node_new(p, NODE_PIPE, look_past_space(p)->at);
    struct nodes commands = {0};
    struct names names = {0};
    if (enter(p))
        while (declares(p, context, pipe, &names))
            ;
    while (!p->failed) {
        const struct template_token *t = next_past_space(p);
        if (t->type == end)
            break;
        if (!starts_operand(t->type)) {
            unexpected(p, t, context);
            break;
        }
        p->at--;
        vec_push(&commands, parse_command(p));
    }
    keep_nodes(p, pipe, &commands);
    keep_names(p, pipe, &names);
    if (!p->failed)
        check_pipe(p, pipe, context);
    p->depth--;
    return pipe;
}

/* ---- controls */

static struct template_node *parse_control(struct parser *p, enum template_node_type type,
                                           uint32_t at);

static struct str control_name(enum template_node_type type)
{
    return type == NODE_IF ? STR("if") : type == NODE_WITH ? STR("with") : STR("range");
}

/* {{else if ..}} and {{else with ..}} share the {{end}} of what they belong to. */
static void parse_else(struct parser *p, struct template_node *node,
                       const struct template_node *otherwise)
{
    enum template_token_type type = look(p)->type;
    bool chained = (node->type == NODE_IF && type == TOKEN_IF) ||
                   (node->type == NODE_WITH && type == TOKEN_WITH);
    struct template_node *end;
    if (!chained) {
        node->otherwise = parse_list(p, &end);
        if (!p->failed && end->type != NODE_END)
            fault(p, "expected end; found {{else}}");
        return;
    }
    uint32_t at = next(p)->at;
    struct nodes one = {0};
    node->otherwise = node_new(p, NODE_LIST, otherwise->at);
    if (enter(p))
        vec_push(&one, parse_control(p, node->type, at));
    p->depth--;
    keep_nodes(p, node->otherwise, &one);
}

static struct template_node *parse_control(struct parser *p, enum template_node_type type,
                                           uint32_t at)
{
    size_t variables = p->variables.n;
    struct template_node *node = node_new(p, type, at), *end;
    node->pipe = parse_pipe(p, control_name(type).p, TOKEN_RIGHT);
    node->at = node->pipe->at;
    p->ranges += type == NODE_RANGE;
    if (!p->failed)
        node->list = parse_list(p, &end);
    p->ranges -= type == NODE_RANGE;
    if (!p->failed && end->type == NODE_ELSE)
        parse_else(p, node, end);
    p->variables.n = variables;
    return node;
}

static struct template_node *parse_jump(struct parser *p, enum template_node_type type, uint32_t at)
{
    const char *shown = type == NODE_BREAK ? "{{break}}" : "{{continue}}";
    const struct template_token *t = next_past_space(p);
    if (t->type != TOKEN_RIGHT)
        unexpected(p, t, shown);
    else if (p->ranges == 0)
        fault(p, "%s outside {{range}}", shown);
    return node_new(p, type, at);
}

static struct str parse_name(struct parser *p, const char *context)
{
    const struct template_token *t = next_past_space(p);
    struct str name = STR("");
    if (t->type != TOKEN_STRING && t->type != TOKEN_RAW)
        unexpected(p, t, context);
    else if (template_unquote(t->text, p->arena, &name) != 0)
        fault(p, "invalid syntax");
    return name;
}

static struct template_node *parse_invocation(struct parser *p, uint32_t at)
{
    struct template_node *node = node_new(p, NODE_TEMPLATE, at);
    node->at = look_past_space(p)->at;
    node->text = parse_name(p, "template clause");
    if (!p->failed && look_past_space(p)->type == TOKEN_RIGHT)
        p->at++;
    else if (!p->failed)
        node->pipe = parse_pipe(p, "template clause", TOKEN_RIGHT);
    return node;
}

/* The body of a define or a block, which knows no variables but $. */
static void parse_body(struct parser *p, struct str name, const char *context)
{
    struct names outer = p->variables;
    unsigned ranges = p->ranges;
    struct template_node *end = NULL;
    p->variables = (struct names){0};
    p->ranges = 0;
    vec_push(&p->variables, STR("$"));
    struct template_node *list = parse_list(p, &end);
    if (!p->failed && end->type != NODE_END)
        fault(p, "unexpected {{else}} in %s", context);
    if (p->trees.n + p->set->trees.n >= TREES_MAX)
        fault(p, "more than %d templates", TREES_MAX);
    vec_push(&p->trees, list);
    vec_push(&p->tree_names, name);
    vec_free(&p->variables);
    p->variables = outer;
    p->ranges = ranges;
}

static struct template_node *parse_block(struct parser *p, uint32_t at)
{
    struct template_node *node = node_new(p, NODE_TEMPLATE, at);
    node->at = look_past_space(p)->at;
    node->text = parse_name(p, "block clause");
    if (!p->failed)
        node->pipe = parse_pipe(p, "block clause", TOKEN_RIGHT);
    if (!p->failed)
        parse_body(p, node->text, "block clause");
    return node;
}

static void parse_define(struct parser *p)
{
    struct str name = parse_name(p, "define clause");
    if (!p->failed)
        expect(p, TOKEN_RIGHT, "define clause");
    if (!p->failed)
        parse_body(p, name, "define clause");
}

static struct template_node *parse_action(struct parser *p)
{
    const struct template_token *t = next_past_space(p);
    struct template_node *node;
    switch (t->type) {
    case TOKEN_BLOCK:
        return parse_block(p, t->at);
    case TOKEN_BREAK:
        return parse_jump(p, NODE_BREAK, t->at);
    case TOKEN_CONTINUE:
        return parse_jump(p, NODE_CONTINUE, t->at);
    case TOKEN_ELSE:
        node = node_new(p, NODE_ELSE, t->at);
        if (look_past_space(p)->type != TOKEN_IF && look(p)->type != TOKEN_WITH)
            expect(p, TOKEN_RIGHT, "else");
        return node;
    case TOKEN_FINISH:
        expect(p, TOKEN_RIGHT, "end");
        return node_new(p, NODE_END, t->at);
    case TOKEN_IF:
        return parse_control(p, NODE_IF, t->at);
    case TOKEN_RANGE:
        return parse_control(p, NODE_RANGE, t->at);
    case TOKEN_WITH:
        return parse_control(p, NODE_WITH, t->at);
    case TOKEN_TEMPLATE:
        return parse_invocation(p, t->at);
    default:
        p->at--;
        node = node_new(p, NODE_ACTION, t->at);
        node->pipe = parse_pipe(p, "command", TOKEN_RIGHT);
        return node;
    }
}

/* Text or an action. */
static struct template_node *parse_one(struct parser *p)
{
    const struct template_token *t = next_past_space(p);
    struct template_node *node;
    switch (t->type) {
    case TOKEN_TEXT:
        node = node_new(p, NODE_TEXT, t->at);
        node->text = t->text;
        return node;
    case TOKEN_LEFT:
        p->action_line = t->line;
        node = parse_action(p);
        p->action_line = 0;
        return node;
    default:
        unexpected(p, t, "input");
        return NULL;
    }
}

/* What stands up to the {{end}} or {{else}} that is not its own. */
static struct template_node *parse_list(struct parser *p, struct template_node **ret_end)
{
    struct template_node *list = node_new(p, NODE_LIST, look_past_space(p)->at);
    struct nodes nodes = {0};
    bool going = enter(p);
    while (going) {
        if (look_past_space(p)->type == TOKEN_END) {
            fault(p, "unexpected EOF");
            break;
        }
        struct template_node *node = parse_one(p);
        going = !p->failed && node->type != NODE_END && node->type != NODE_ELSE;
        if (going)
            vec_push(&nodes, node);
        else if (!p->failed)
            *ret_end = node;
    }
    p->depth--;
    keep_nodes(p, list, &nodes);
    return list;
}

static struct template_node *parse_top(struct parser *p)
{
    struct template_node *list = node_new(p, NODE_LIST, 0);
    struct nodes nodes = {0};
    while (!p->failed && look(p)->type != TOKEN_END) {
        size_t before = p->at;
        if (look(p)->type == TOKEN_LEFT && (p->at++, look_past_space(p)->type == TOKEN_DEFINE)) {
            p->at++;
            parse_define(p);
            continue;
        }
        p->at = before;
        struct template_node *node = parse_one(p);
        if (p->failed)
            break;
        if (node->type == NODE_END || node->type == NODE_ELSE)
            fault(p, "unexpected {{%s}}", node->type == NODE_END ? "end" : "else");
        vec_push(&nodes, node);
    }
    keep_nodes(p, list, &nodes);
    return list;
}

/* ---- the set */

static bool is_empty(const struct template_node *list)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->v[i]->type != NODE_TEXT || str_trim(list->v[i]->text).n > 0)
            return false;
    return true;
}

/* A later definition replaces one of an earlier text, and none where it is empty itself. */
static void add_tree(struct template_set *set, struct str name, struct template_node *root)
{
    struct template_tree *old = (struct template_tree *)(uintptr_t)template_tree_find(set, name);
    if (old) {
        if (!is_empty(root) || is_empty(old->root))
            old->root = root;
        return;
    }
    struct template_tree *v = arena_array(set->arena, set->trees.n + 1, sizeof *v);
    if (set->trees.n)
        memcpy(v, set->trees.v, set->trees.n * sizeof *v);
    v[set->trees.n++] = (struct template_tree){name, root};
    set->trees.v = v;
}

/* Two bodies for one name in the same text are a fault, unless one has nothing in it. */
static void check_twice(struct parser *p)
{
    for (size_t i = 0; i < p->trees.n && !p->failed; i++)
        for (size_t j = 0; j < i && !p->failed; j++)
            if (str_eq(p->tree_names.v[i], p->tree_names.v[j]) && !is_empty(p->trees.v[i]) &&
                !is_empty(p->trees.v[j]))
                fault(p, "template: multiple definition of template \"" STR_FMT "\"",
                      STR_ARG(p->tree_names.v[i]));
}

int template_parse(struct template_set *set, struct str text, struct str name, struct why *why)
{
    if (text.n > TEMPLATE_SOURCE_MAX)
        return why_set(why, ERR_LIMIT, "template: " STR_FMT ": %zu bytes, at most %d",
                       STR_ARG(name), text.n, TEMPLATE_SOURCE_MAX);
    struct template_source *source = arena_new(set->arena, sizeof *source);
    *source = (struct template_source){arena_str(set->arena, name), arena_str(set->arena, text)};
    struct parser p = {.set = set, .arena = set->arena, .source = source, .why = why};
    template_lex(source->text, set->arena, &p.tokens);
    vec_push(&p.variables, STR("$"));
    struct template_node *root = parse_top(&p);
    vec_push(&p.trees, root);
    vec_push(&p.tree_names, source->name);
    check_twice(&p);
    for (size_t i = 0; i < p.trees.n && !p.failed; i++)
        add_tree(set, p.tree_names.v[i], p.trees.v[i]);
    vec_free(&p.tokens);
    vec_free(&p.variables);
    vec_free(&p.trees);
    vec_free(&p.tree_names);
    return p.failed ? -ERR_FORMAT : 0;
}
