#include "text/template_tree.h"

enum { BYTES_OF_STEP = 64 /* of texts that a function reads and makes */ };

/* What a command is evaluated with. */
struct command {
    const struct template_value *dot;
    struct template_node *const *args; /* [n], the first is what is called */
    size_t n;
    const struct template_value *final; /* of the command before it in the pipeline; or NULL */
};

static int eval_arg(struct template_state *s, const struct template_value *dot,
                    const struct template_function *f, char letter,
                    const struct template_node *node, struct template_value *ret);
static int eval_command(struct template_state *s, const struct command *c,
                        const struct template_node *node, struct template_value *ret);

static bool is_nothing(const struct template_value *v)
{
    return v->type == TEMPLATE_NONE || v->type == TEMPLATE_NIL;
}

/* ---- faults that show a node */

static int node_fault(struct template_state *s, const char *before,
                      const struct template_node *node, const char *after)
{
    struct buf b;
    buf_init(&b, WHY_MAX);
    template_node_print(node, &b);
    int err = template_fault(s, ERR_FORMAT, "%s" STR_FMT "%s", before, STR_ARG(buf_str(&b)), after);
    buf_done(&b);
    return err;
}

static int no_function(struct template_state *s, const struct command *c)
{
    if (c->n > 1 || c->final)
        return node_fault(s, "can't give argument to non-function ", c->args[0], "");
    return 0;
}

/* ---- parameters */

/* f may be NULL. */
static const char *letter_type(const struct template_function *f, char letter)
{
    if (f && f->go && (letter == 'l' || letter == 'm' || letter == 'o'))
        return f->go;
    switch (letter) {
    case 's':
        return "string";
    case 'f':
        return "float64";
    case 'i':
        return "int";
    case 'l':
        return "[]interface {}";
    case 'm':
        return "map[string]interface {}";
    case 'o':
        return "object";
    default:
        return "interface {}";
    }
}

static bool may_be_nil(char letter)
{
    return letter == 'a' || letter == 'l' || letter == 'm' || letter == 'o';
}

static bool fits(char letter, const struct template_value *v)
{
    switch (letter) {
    case 's':
        return v->type == TEMPLATE_TEXT;
    case 'f':
        return v->type == TEMPLATE_FLOAT;
    case 'i':
        return v->type == TEMPLATE_INT;
    case 'l':
        return v->type == TEMPLATE_LIST || is_nothing(v);
    case 'm':
        return v->type == TEMPLATE_MAP || is_nothing(v);
    case 'o':
        return v->type == TEMPLATE_OBJECT || is_nothing(v);
    default:
        return true;
    }
}

static int check_fits(struct template_state *s, const struct template_function *f, char letter,
                      const struct template_value *v)
{
    if (fits(letter, v))
        return 0;
    if (v->type == TEMPLATE_NONE)
        return template_fault(s, ERR_FORMAT, "invalid value; expected %s", letter_type(f, letter));
    return template_fault(s, ERR_FORMAT, "wrong type for value; expected %s; got %s",
                          letter_type(f, letter), template_type_text(v));
}

/* The letter of the i-th argument. */
static char letter_of(const char *parameters, size_t fixed, size_t i)
{
    return parameters[i < fixed ? i : fixed > 0 ? fixed - 1 : 0];
}

/* ---- fields */

static int eval_args(struct template_state *s, const struct command *c,
                     const struct template_value **ret, size_t *ret_n)
{
    size_t n = (c->n ? c->n - 1 : 0) + (c->final != NULL);
    if (n > TEMPLATE_ARGUMENTS_MAX)
        return template_fault(s, ERR_LIMIT, "more than %d arguments", TEMPLATE_ARGUMENTS_MAX);
    struct template_value *v = arena_array(s->call.arena, n, sizeof *v);
    for (size_t i = 0; i + 1 < c->n; i++) {
        int err = eval_arg(s, c->dot, NULL, 'a', c->args[i + 1], &v[i]);
        if (err)
            return err;
    }
    if (c->final)
        v[n - 1] = *c->final;
    *ret = v;
    *ret_n = n;
    return 0;
}

static int no_field(struct template_state *s, struct str name, const struct template_value *of)
{
    return template_fault(s, ERR_FORMAT, "can't evaluate field " STR_FMT " in type %s",
                          STR_ARG(name), template_type_text(of));
}

static int call_member(struct template_state *s, const struct command *c, struct str name,
                       const struct template_object *type, const void *p,
                       struct template_value *ret)
{
    const struct template_value *args = NULL;
    size_t n = 0;
    struct why why = {0};
    int err = eval_args(s, c, &args, &n);
    if (err)
        return err;
    err = type->member(&s->call, p, name, args, n, ret, &why);
    if (err == -ERR_NOENT)
        return err;
    if (err == -ERR_RANGE)
        return template_fault(s, ERR_FORMAT, "%s", why.text);
    if (err)
        return template_fault(s, ERR_FORMAT, "error calling " STR_FMT ": %s", STR_ARG(name),
                              why.text);
    return 0;
}

static int eval_member(struct template_state *s, const struct command *c, struct str name,
                       const struct template_value *of, struct template_value *ret)
{
    if (!of->object.p)
        return template_fault(s, ERR_FORMAT, "nil pointer evaluating *%s." STR_FMT,
                              of->object.type->go, STR_ARG(name));
    int err = call_member(s, c, name, of->object.type, of->object.p, ret);
    return err == -ERR_NOENT ? no_field(s, name, of) : err;
}

/* A method of a list or map; -ERR_NOENT where it has none of that name. */
static int eval_method(struct template_state *s, const struct command *c, struct str name,
                       const struct template_value *of, struct template_value *ret)
{
    return of->methods ? call_member(s, c, name, of->methods, of, ret) : -ERR_NOENT;
}

static int eval_key(struct template_state *s, const struct command *c, struct str name,
                    const struct template_value *of, struct template_value *ret)
{
    if (c->n > 1 || c->final)
        return template_fault(s, ERR_FORMAT, STR_FMT " is not a method but has arguments",
                              STR_ARG(name));
    const struct template_value *found = template_map_get(of, name);
    *ret = (struct template_value){.type = TEMPLATE_NONE};
    if (found)
        *ret = *found;
    else if (s->settings->missing == TEMPLATE_MISSING_ERROR)
        return template_fault(s, ERR_FORMAT, "map has no entry for key \"" STR_FMT "\"",
                              STR_ARG(name));
    else if (s->settings->missing == TEMPLATE_MISSING_ZERO)
        *ret = of->texts ? template_text(STR("")) : (struct template_value){.type = TEMPLATE_NIL};
    return 0;
}

static int eval_field(struct template_state *s, const struct command *c, struct str name,
                      const struct template_value *of, struct template_value *ret)
{
    int err;
    switch (of->type) {
    case TEMPLATE_NONE:
        if (s->settings->missing == TEMPLATE_MISSING_ERROR)
            return template_fault(s, ERR_FORMAT, "nil data; no entry for key \"" STR_FMT "\"",
                                  STR_ARG(name));
        *ret = (struct template_value){.type = TEMPLATE_NONE};
        return 0;
    case TEMPLATE_NIL:
        return template_fault(s, ERR_FORMAT, "nil pointer evaluating interface {}." STR_FMT,
                              STR_ARG(name));
    case TEMPLATE_OBJECT:
        return eval_member(s, c, name, of, ret);
    case TEMPLATE_MAP:
        err = eval_method(s, c, name, of, ret);
        return err == -ERR_NOENT ? eval_key(s, c, name, of, ret) : err;
    case TEMPLATE_LIST:
        err = eval_method(s, c, name, of, ret);
        return err == -ERR_NOENT ? no_field(s, name, of) : err;
    default:
        return no_field(s, name, of);
    }
}

/* names[n] one after the other; the last one gets the arguments. */
static int eval_fields(struct template_state *s, const struct command *c, const struct str *names,
                       size_t n, const struct template_value *of, struct template_value *ret)
{
    struct template_value v = *of;
    const struct command bare = {.dot = c->dot};
    for (size_t i = 0; i < n; i++) {
        struct template_value member;
        int err = template_step(s);
        if (!err)
            err = eval_field(s, i + 1 < n ? &bare : c, names[i], &v, &member);
        if (err)
            return err;
        v = member;
    }
    *ret = v;
    return 0;
}

static int eval_variable(struct template_state *s, const struct command *c,
                         const struct template_node *node, struct template_value *ret)
{
    s->at = node;
    size_t i = s->variables_n;
    while (i > s->variables_base && !str_eq(s->variables[i - 1].name, node->names[0]))
        i--;
    if (i == s->variables_base)
        return template_fault(s, ERR_FORMAT, "undefined variable: " STR_FMT,
                              STR_ARG(node->names[0]));
    struct template_value v = s->variables[i - 1].value;
    if (node->names_n == 1) {
        int err = no_function(s, c);
        if (!err)
            *ret = v;
        return err;
    }
    return eval_fields(s, c, node->names + 1, node->names_n - 1, &v, ret);
}

static int eval_chain(struct template_state *s, const struct command *c,
                      const struct template_node *node, struct template_value *ret)
{
    struct template_value v;
    s->at = node;
    int err = eval_arg(s, c->dot, NULL, 'a', node->pipe, &v);
    return err ? err : eval_fields(s, c, node->names, node->names_n, &v, ret);
}

/* ---- functions */

static int check_count(struct template_state *s, const struct command *c, struct str name,
                       const char *parameters, size_t fixed, bool variadic)
{
    size_t given = c->n ? c->n - 1 : 0, n = given + (c->final != NULL);
    if (variadic && n < fixed - 1)
        return template_fault(s, ERR_FORMAT,
                              "wrong number of args for " STR_FMT ": want at least %zu got %zu",
                              STR_ARG(name), fixed - 1, given);
    if (!variadic && n != fixed)
        return template_fault(s, ERR_FORMAT,
                              "wrong number of args for " STR_FMT ": want %zu got %zu",
                              STR_ARG(name), fixed, n);
    if (n > TEMPLATE_ARGUMENTS_MAX)
        return template_fault(s, ERR_LIMIT, "more than %d arguments", TEMPLATE_ARGUMENTS_MAX);
    return 0;
}

/* and, or: the first argument that decides is the answer, and those behind it are not looked at. */
static int eval_short(struct template_state *s, const struct command *c, bool wanted,
                      struct template_value *ret)
{
    struct template_value v = {.type = TEMPLATE_NONE};
    for (size_t i = 1; i < c->n; i++) {
        int err = eval_arg(s, c->dot, NULL, 'a', c->args[i], &v);
        if (err)
            return err;
        if (template_truth(&v) == wanted) {
            *ret = v;
            return 0;
        }
    }
    *ret = c->final ? *c->final : v;
    return 0;
}

/* Work over long texts counts as many steps. */
static void charge(struct template_state *s, const struct template_value *args, size_t n,
                   const struct template_value *result)
{
    uint64_t bytes = result->type == TEMPLATE_TEXT ? result->text.n : 0;
    for (size_t i = 0; i < n; i++)
        bytes += args[i].type == TEMPLATE_TEXT ? args[i].text.n : 0;
    s->steps += s->call.cost + bytes / BYTES_OF_STEP;
    s->call.cost = 0;
}

static int eval_function(struct template_state *s, const struct command *c,
                         const struct template_node *identifier, const struct template_node *shown,
                         struct template_value *ret)
{
    const struct template_function *f = identifier->function;
    s->at = identifier;
    size_t fixed = strlen(f->parameters);
    bool variadic = fixed > 0 && f->parameters[fixed - 1] == '.';
    fixed -= variadic;
    int err = check_count(s, c, identifier->text, f->parameters, fixed, variadic);
    if (err)
        return err;
    if (!f->call)
        return eval_short(s, c, f->name[0] == 'o', ret);
    size_t given = c->n ? c->n - 1 : 0, n = given + (c->final != NULL);
    struct template_value *args = arena_array(s->call.arena, n, sizeof *args);
    for (size_t i = 0; i < given; i++) {
        err = eval_arg(s, c->dot, f, letter_of(f->parameters, fixed, i), c->args[i + 1], &args[i]);
        if (err)
            return err;
    }
    if (c->final) {
        args[given] = *c->final;
        err = check_fits(s, f, letter_of(f->parameters, fixed, given), &args[given]);
        if (err)
            return err;
    }
    struct why why = {0};
    struct template_value v = {.type = TEMPLATE_NONE};
    err = f->call(&s->call, args, n, &v, &why);
    charge(s, args, n, &v);
    if (err)
        s->at = shown;
    if (err)
        return template_fault(s, why.err == -ERR_LIMIT ? ERR_LIMIT : ERR_FORMAT,
                              "error calling " STR_FMT ": %s", STR_ARG(identifier->text), why.text);
    *ret = v;
    return 0;
}

/* ---- arguments */

static int eval_constant(struct template_state *s, const struct template_function *f, char letter,
                         const struct template_node *node, struct template_value *ret)
{
    const struct template_value *v = &node->value;
    struct str text;
    switch (letter) {
    case 's':
        if (node->type != NODE_STRING)
            return node_fault(s, "expected string; found ", node, "");
        break;
    case 'f':
        if (node->type != NODE_NUMBER)
            return node_fault(s, "expected float; found ", node, "");
        *ret = template_float(v->type == TEMPLATE_INT ? (double)v->integer : v->number);
        return 0;
    case 'i':
        if (node->type != NODE_NUMBER || v->type != TEMPLATE_INT)
            return node_fault(s, "expected integer; found ", node, "");
        break;
    case 'a':
        break;
    default:
        text = arena_printf(s->call.arena, " for arg of type %s", letter_type(f, letter));
        return node_fault(s, "can't handle ", node, text.p);
    }
    *ret = *v;
    return 0;
}

static int eval_arg(struct template_state *s, const struct template_value *dot,
                    const struct template_function *f, char letter,
                    const struct template_node *node, struct template_value *ret)
{
    const struct command bare = {.dot = dot};
    struct template_value v = {.type = TEMPLATE_NONE};
    int err = 0;
    s->at = node;
    switch (node->type) {
    case NODE_DOT:
        v = *dot;
        break;
    case NODE_NIL:
        if (!may_be_nil(letter))
            return template_fault(s, ERR_FORMAT, "cannot assign nil to %s", letter_type(f, letter));
        v.type = TEMPLATE_NIL;
        break;
    case NODE_FIELD:
        err = eval_fields(s, &bare, node->names, node->names_n, dot, &v);
        break;
    case NODE_VARIABLE:
        err = eval_variable(s, &bare, node, &v);
        break;
    case NODE_PIPE:
        err = template_eval_pipe(s, dot, node, &v);
        break;
    case NODE_IDENTIFIER:
        err = eval_function(s, &bare, node, node, &v);
        break;
    case NODE_CHAIN:
        err = eval_chain(s, &bare, node, &v);
        break;
    default:
        return eval_constant(s, f, letter, node, ret);
    }
    if (!err)
        err = check_fits(s, f, letter, &v);
    if (!err)
        *ret = v;
    return err;
}

/* ---- commands and pipelines */

static int eval_command(struct template_state *s, const struct command *c,
                        const struct template_node *node, struct template_value *ret)
{
    const struct template_node *first = c->args[0];
    int err;
    switch (first->type) {
    case NODE_FIELD:
        s->at = first;
        return eval_fields(s, c, first->names, first->names_n, c->dot, ret);
    case NODE_CHAIN:
        return eval_chain(s, c, first, ret);
    case NODE_IDENTIFIER:
        return eval_function(s, c, first, node, ret);
    case NODE_PIPE:
        err = no_function(s, c);
        return err ? err : template_eval_pipe(s, c->dot, first, ret);
    case NODE_VARIABLE:
        return eval_variable(s, c, first, ret);
    default:
        break;
    }
    s->at = first;
    err = no_function(s, c);
    if (err)
        return err;
    if (first->type == NODE_NIL)
        return template_fault(s, ERR_FORMAT, "nil is not a command");
    *ret = first->type == NODE_DOT ? *c->dot : first->value;
    return 0;
}

static int assign(struct template_state *s, struct str name, const struct template_value *v)
{
    for (size_t i = s->variables_n; i > s->variables_base; i--)
        if (str_eq(s->variables[i - 1].name, name)) {
            s->variables[i - 1].value = *v;
            return 0;
        }
    return template_fault(s, ERR_FORMAT, "undefined variable: " STR_FMT, STR_ARG(name));
}

static int eval_stages(struct template_state *s, const struct template_value *dot,
                       const struct template_node *pipe, struct template_value *ret)
{
    struct template_value v = {.type = TEMPLATE_NONE};
    for (size_t i = 0; i < pipe->n; i++) {
        struct template_value next = {.type = TEMPLATE_NONE};
        const struct command c = {
            .dot = dot, .args = pipe->v[i]->v, .n = pipe->v[i]->n, .final = i ? &v : NULL};
        int err = template_step(s);
        if (!err)
            err = eval_command(s, &c, pipe->v[i], &next);
        if (err)
            return err;
        v = next;
        if (v.type == TEMPLATE_NIL)
            v.type = TEMPLATE_NONE; /* what holds nothing is nothing from here on */
    }
    *ret = v;
    return 0;
}

int template_eval_pipe(struct template_state *s, const struct template_value *dot,
                       const struct template_node *pipe, struct template_value *ret)
{
    struct template_value v;
    s->at = pipe;
    s->nesting++;
    int err = eval_stages(s, dot, pipe, &v);
    s->nesting--;
    for (size_t i = 0; i < pipe->names_n && !err; i++) {
        if (pipe->assigns)
            err = assign(s, pipe->names[i], &v);
        else
            template_push(s, pipe->names[i], &v);
    }
    if (!err)
        *ret = v;
    return err;
}
