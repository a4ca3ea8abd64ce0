#include "text/template_tree.h"

static void print_names(const struct template_node *node, bool dot_first, struct buf *out)
{
    for (size_t i = 0; i < node->names_n; i++) {
        if (i > 0 || dot_first)
            buf_put_c(out, '.');
        buf_put_str(out, node->names[i]);
    }
}

static void print_pipe(const struct template_node *node, struct buf *out)
{
    for (size_t i = 0; i < node->names_n; i++) {
        if (i > 0)
            buf_put_str(out, STR(", "));
        buf_put_str(out, node->names[i]);
    }
    if (node->names_n)
        buf_put_str(out, node->assigns ? STR(" = ") : STR(" := "));
    for (size_t i = 0; i < node->n; i++) {
        if (i > 0)
            buf_put_str(out, STR(" | "));
        template_node_print(node->v[i], out);
    }
}

static void print_operand(const struct template_node *node, struct buf *out)
{
    if (node->type == NODE_PIPE)
        buf_put_c(out, '(');
    template_node_print(node, out);
    if (node->type == NODE_PIPE)
        buf_put_c(out, ')');
}

static void print_control(const struct template_node *node, const char *word, struct buf *out)
{
    buf_printf(out, "{{%s ", word);
    template_node_print(node->pipe, out);
    buf_put_str(out, STR("}}"));
    template_node_print(node->list, out);
    if (node->otherwise) {
        buf_put_str(out, STR("{{else}}"));
        template_node_print(node->otherwise, out);
    }
    buf_put_str(out, STR("{{end}}"));
}

static void print_invocation(const struct template_node *node, struct buf *out)
{
    buf_put_str(out, STR("{{template "));
    template_quote(node->text, out);
    if (node->pipe) {
        buf_put_c(out, ' ');
        template_node_print(node->pipe, out);
    }
    buf_put_str(out, STR("}}"));
}

/* Literals, names and words. */
static void print_leaf(const struct template_node *node, struct buf *out)
{
    switch (node->type) {
    case NODE_DOT:
        buf_put_c(out, '.');
        break;
    case NODE_NIL:
        buf_put_str(out, STR("nil"));
        break;
    case NODE_BREAK:
        buf_put_str(out, STR("{{break}}"));
        break;
    case NODE_CONTINUE:
        buf_put_str(out, STR("{{continue}}"));
        break;
    case NODE_END:
        buf_put_str(out, STR("{{end}}"));
        break;
    case NODE_ELSE:
        buf_put_str(out, STR("{{else}}"));
        break;
    default:
        buf_put_str(out, node->text);
        break;
    }
}

void template_node_print(const struct template_node *node, struct buf *out)
{
    if (buf_failed(out))
        return;
    switch (node->type) {
    case NODE_LIST:
        for (size_t i = 0; i < node->n; i++)
            template_node_print(node->v[i], out);
        break;
    case NODE_ACTION:
        buf_put_str(out, STR("{{"));
        template_node_print(node->pipe, out);
        buf_put_str(out, STR("}}"));
        break;
    case NODE_IF:
        print_control(node, "if", out);
        break;
    case NODE_WITH:
        print_control(node, "with", out);
        break;
    case NODE_RANGE:
        print_control(node, "range", out);
        break;
    case NODE_TEMPLATE:
        print_invocation(node, out);
        break;
    case NODE_PIPE:
        print_pipe(node, out);
        break;
    case NODE_COMMAND:
        for (size_t i = 0; i < node->n; i++) {
            if (i > 0)
                buf_put_c(out, ' ');
            print_operand(node->v[i], out);
        }
        break;
    case NODE_FIELD:
        print_names(node, true, out);
        break;
    case NODE_VARIABLE:
        print_names(node, false, out);
        break;
    case NODE_CHAIN:
        print_operand(node->pipe, out);
        print_names(node, true, out);
        break;
    default:
        print_leaf(node, out);
        break;
    }
}
