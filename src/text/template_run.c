#include "base/vec.h"
#include "text/template_tree.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { STEPS_MAX = 1000000, NESTING_MAX = 400 /* calls within each other */ };

/* What a walk answers besides 0 and errors. */
enum { WALK_BREAK = 1, WALK_CONTINUE };

static int walk(struct template_state *s, const struct template_value *dot,
                const struct template_node *node);

int template_fault(struct template_state *s, enum err code, const char *format, ...)
{
    char text[WHY_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const struct template_node *node = s->at;
    if (!node)
        return why_set(s->why, code, "template: " STR_FMT ": %s", STR_ARG(s->name), text);
    struct str before = str_sub(node->source->text, 0, node->at);
    size_t line = 1, line_start = 0;
    for (size_t i = 0; i < before.n; i++)
        if (before.p[i] == '\n') {
            line++;
            line_start = i + 1;
        }
    struct buf name, context;
    buf_init(&name, WHY_MAX);
    buf_init(&context, WHY_MAX);
    template_quote(s->name, &name);
    template_node_print(node, &context);
    int err = why_set(s->why, code,
                      "template: " STR_FMT ":%zu:%zu: executing " STR_FMT " at <" STR_FMT ">: %s",
                      STR_ARG(node->source->name), line, before.n - line_start,
                      STR_ARG(buf_str(&name)), STR_ARG(buf_str(&context)), text);
    buf_done(&name);
    buf_done(&context);
    return err;
}

int template_step(struct template_state *s)
{
    uint64_t max = s->settings->steps_max ? s->settings->steps_max : STEPS_MAX;
    if (++s->steps > max)
        return template_fault(s, ERR_LIMIT, "more than %" PRIu64 " steps", max);
    if (s->nesting > NESTING_MAX)
        return template_fault(s, ERR_LIMIT, "nested deeper than %d calls", NESTING_MAX);
    if (s->call.arena->total - s->memory_before > TEMPLATE_MEMORY_MAX)
        return template_fault(s, ERR_LIMIT, "values of more than %d bytes", TEMPLATE_MEMORY_MAX);
    if (buf_failed(s->out))
        return template_fault(s, ERR_LIMIT, "more than %zu bytes of text", s->out->max);
    return 0;
}

void template_push(struct template_state *s, struct str name, const struct template_value *v)
{
    struct {
        struct template_variable *v;
        size_t n, capacity;
    } stack = {s->variables, s->variables_n, s->variables_capacity};
    vec_push(&stack, ((struct template_variable){name, *v}));
    s->variables = stack.v;
    s->variables_n = stack.n;
    s->variables_capacity = stack.capacity;
}

static void print_value(struct template_state *s, const struct template_value *v)
{
    bool none = v->type == TEMPLATE_NONE || v->type == TEMPLATE_NIL;
    if (!s->settings->html && none) {
        buf_put_str(s->out, STR("<no value>"));
    } else if (!s->settings->html || (v->type == TEMPLATE_TEXT && v->safe)) {
        if (v->type == TEMPLATE_TEXT)
            buf_put_str(s->out, v->text);
        else
            template_print(v, s->out);
    } else if (!none) {
        struct buf plain;
        buf_init(&plain, TEMPLATE_TEXT_MAX);
        template_print(v, &plain);
        template_escape_html(buf_str(&plain), s->out);
        buf_done(&plain);
    }
}

static int walk_action(struct template_state *s, const struct template_value *dot,
                       const struct template_node *node)
{
    struct template_value v;
    int err = template_eval_pipe(s, dot, node->pipe, &v);
    if (err || node->pipe->names_n > 0)
        return err;
    s->at = node;
    print_value(s, &v);
    return 0;
}

static int walk_if_or_with(struct template_state *s, const struct template_value *dot,
                           const struct template_node *node)
{
    size_t mark = s->variables_n;
    struct template_value v;
    int err = template_eval_pipe(s, dot, node->pipe, &v);
    if (err)
        return err;
    if (template_truth(&v))
        err = walk(s, node->type == NODE_WITH ? &v : dot, node->list);
    else if (node->otherwise)
        err = walk(s, dot, node->otherwise);
    s->variables_n = mark;
    return err;
}

/* The variables of a range: `$i, $v :=` made them, `$i, $v =` finds them. */
static void set_range_variables(struct template_state *s, const struct template_node *pipe,
                                const struct template_value *index,
                                const struct template_value *element)
{
    for (size_t k = 0; k < pipe->names_n; k++) {
        const struct template_value *v = k + 1 < pipe->names_n ? index : element;
        size_t i = s->variables_n;
        while (i > s->variables_base && !str_eq(s->variables[i - 1].name, pipe->names[k]))
            i--;
        if (i > s->variables_base)
            s->variables[i - 1].value = *v;
    }
}

static int iterate(struct template_state *s, const struct template_node *node,
                   const struct template_value *over)
{
    size_t mark = s->variables_n;
    int64_t n = over->type == TEMPLATE_INT ? over->integer : (int64_t)over->n;
    int err = 0;
    for (int64_t i = 0; i < n && (err == 0 || err == WALK_CONTINUE); i++) {
        struct template_value index = template_int(i), element = index;
        if (over->type == TEMPLATE_LIST) {
            element = over->items[i];
        } else if (over->type == TEMPLATE_MAP) {
            index = template_text(over->pairs[i].key);
            element = over->pairs[i].value;
        }
        set_range_variables(s, node->pipe, &index, &element);
        err = walk(s, &element, node->list);
        s->variables_n = mark;
    }
    return err < 0 ? err : 0;
}

static int walk_range(struct template_state *s, const struct template_value *dot,
                      const struct template_node *node)
{
    size_t mark = s->variables_n;
    struct template_value v;
    int err = template_eval_pipe(s, dot, node->pipe, &v);
    if (err)
        return err;
    bool list = v.type == TEMPLATE_LIST || v.type == TEMPLATE_MAP;
    bool none = v.type == TEMPLATE_NONE || v.type == TEMPLATE_NIL;
    if (!list && !none && v.type != TEMPLATE_INT) {
        struct buf shown;
        buf_init(&shown, WHY_MAX);
        template_print(&v, &shown);
        err = template_fault(s, ERR_FORMAT, "range can't iterate over " STR_FMT,
                             STR_ARG(buf_str(&shown)));
        buf_done(&shown);
        return err;
    }
    if (v.type == TEMPLATE_INT && node->pipe->names_n > 1)
        return template_fault(s, ERR_FORMAT,
                              "can't use %" PRId64 " to iterate over more than one variable",
                              v.integer);
    if ((list && v.n > 0) || (v.type == TEMPLATE_INT && v.integer > 0))
        err = iterate(s, node, &v);
    else if (node->otherwise)
        err = walk(s, dot, node->otherwise);
    s->variables_n = mark;
    return err;
}

/* Walks another template with variables of its own. */
static int enter_template(struct template_state *s, const struct template_tree *tree,
                          const struct template_value *dot)
{
    struct str name = s->name;
    size_t base = s->variables_base, mark = s->variables_n;
    s->name = tree->name;
    s->variables_base = mark;
    s->depth++;
    template_push(s, STR("$"), dot);
    int err = walk(s, dot, tree->root);
    s->depth--;
    s->variables_n = mark;
    s->variables_base = base;
    s->name = name;
    return err;
}

static int walk_template(struct template_state *s, const struct template_value *dot,
                         const struct template_node *node)
{
    const struct template_tree *tree = template_tree_find(s->set, node->text);
    if (!tree)
        return template_fault(s, ERR_FORMAT, "template \"" STR_FMT "\" not defined",
                              STR_ARG(node->text));
    if (s->depth >= TEMPLATE_DEPTH_MAX)
        return template_fault(s, ERR_LIMIT, "exceeded maximum template depth (%d)",
                              TEMPLATE_DEPTH_MAX);
    struct template_value v = {.type = TEMPLATE_NONE};
    int err = node->pipe ? template_eval_pipe(s, dot, node->pipe, &v) : 0;
    return err ? err : enter_template(s, tree, &v);
}

static int walk_node(struct template_state *s, const struct template_value *dot,
                     const struct template_node *node)
{
    int err = 0;
    switch (node->type) {
    case NODE_LIST:
        for (size_t i = 0; i < node->n && err == 0; i++)
            err = walk(s, dot, node->v[i]);
        return err;
    case NODE_TEXT:
        buf_put_str(s->out, node->text);
        return 0;
    case NODE_ACTION:
        return walk_action(s, dot, node);
    case NODE_IF:
    case NODE_WITH:
        return walk_if_or_with(s, dot, node);
    case NODE_RANGE:
        return walk_range(s, dot, node);
    case NODE_TEMPLATE:
        return walk_template(s, dot, node);
    case NODE_BREAK:
        return WALK_BREAK;
    case NODE_CONTINUE:
        return WALK_CONTINUE;
    default:
        return template_fault(s, ERR_FORMAT, "unknown node");
    }
}

static int walk(struct template_state *s, const struct template_value *dot,
                const struct template_node *node)
{
    s->at = node;
    s->nesting++;
    int err = template_step(s);
    if (!err)
        err = walk_node(s, dot, node);
    s->nesting--;
    return err;
}

int template_run(const struct template_set *set, struct str name, const struct template_value *dot,
                 const struct template_settings *settings, struct arena *a, struct buf *out,
                 struct why *why)
{
    const struct template_tree *tree = template_tree_find(set, name);
    if (!tree)
        return why_set(why, ERR_NOENT, "template: no template \"" STR_FMT "\"", STR_ARG(name));
    struct template_state s = {
        .call = {.arena = a, .context = settings->context},
        .set = set,
        .settings = settings,
        .out = out,
        .memory_before = a->total,
        .why = why,
    };
    int err = enter_template(&s, tree, dot);
    if (!err && buf_failed(out))
        err = template_fault(&s, ERR_LIMIT, "more than %zu bytes of text", out->max);
    mem_free(s.variables);
    return err;
}

int template_run_inner(struct template_call *c, struct str name, const struct template_value *dot,
                       struct buf *out, struct why *why)
{
    struct template_state *s = (struct template_state *)c;
    const struct template_tree *tree = template_tree_find(s->set, name);
    if (!tree)
        return why_set(why, ERR_NOENT, "template: \"" STR_FMT "\" not defined", STR_ARG(name));
    if (s->depth >= TEMPLATE_DEPTH_MAX)
        return why_set(why, ERR_LIMIT, "exceeded maximum template depth (%d)", TEMPLATE_DEPTH_MAX);
    struct buf *outer = s->out;
    struct why *outer_why = s->why;
    const struct template_node *at = s->at;
    s->out = out;
    s->why = why;
    int err = enter_template(s, tree, dot);
    s->out = outer;
    s->why = outer_why;
    s->at = at;
    return err;
}
