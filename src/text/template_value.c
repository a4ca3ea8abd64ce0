#include "text/template_tree.h"

#include <stdlib.h>

#include "text/number.h"

struct template_value template_bool(bool v)
{
    return (struct template_value){.type = TEMPLATE_BOOL, .boolean = v};
}

struct template_value template_int(int64_t v)
{
    return (struct template_value){.type = TEMPLATE_INT, .integer = v};
}

struct template_value template_float(double v)
{
    return (struct template_value){.type = TEMPLATE_FLOAT, .number = v};
}

struct template_value template_text(struct str v)
{
    return (struct template_value){.type = TEMPLATE_TEXT, .text = v};
}

struct template_value template_list(const struct template_value *items, size_t n)
{
    return (struct template_value){.type = TEMPLATE_LIST, .n = n, .items = items};
}

struct template_value template_object(const struct template_object *type, const void *p)
{
    return (struct template_value){.type = TEMPLATE_OBJECT, .object = {type, p}};
}

static int compare_pairs(const void *a, const void *b)
{
    const struct template_pair *x = a, *y = b;
    return str_cmp(x->key, y->key);
}

struct template_value template_map(struct template_pair *pairs, size_t n)
{
    if (n)
        qsort(pairs, n, sizeof *pairs, compare_pairs);
    return (struct template_value){.type = TEMPLATE_MAP, .n = n, .pairs = pairs};
}

const struct template_value *template_map_get(const struct template_value *map, struct str key)
{
    size_t from = 0, to = map->n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = str_cmp(map->pairs[middle].key, key);
        if (order == 0)
            return &map->pairs[middle].value;
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

bool template_truth(const struct template_value *v)
{
    switch (v->type) {
    case TEMPLATE_BOOL:
        return v->boolean;
    case TEMPLATE_INT:
        return v->integer != 0;
    case TEMPLATE_FLOAT:
        return v->number != 0;
    case TEMPLATE_TEXT:
        return v->text.n > 0;
    case TEMPLATE_LIST:
    case TEMPLATE_MAP:
        return v->n > 0;
    case TEMPLATE_OBJECT:
        return v->object.p != NULL;
    default:
        return false;
    }
}

const char *template_type_text(const struct template_value *v)
{
    switch (v->type) {
    case TEMPLATE_BOOL:
        return "bool";
    case TEMPLATE_INT:
        return "int";
    case TEMPLATE_FLOAT:
        return "float64";
    case TEMPLATE_TEXT:
        return v->safe ? "template.HTML" : "string";
    case TEMPLATE_LIST:
        return v->go ? v->go : "[]interface {}";
    case TEMPLATE_MAP:
        return v->go ? v->go : v->texts ? "map[string]string" : "map[string]interface {}";
    case TEMPLATE_OBJECT:
        return v->object.type->go;
    case TEMPLATE_NIL:
        return "interface {}";
    default:
        return "<nil>";
    }
}

void template_print(const struct template_value *v, struct buf *out)
{
    template_format(STR("%v"), v, 1, out);
}

void template_sprint(const struct template_value *args, size_t n, bool line, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        bool texts = args[i].type == TEMPLATE_TEXT || (i && args[i - 1].type == TEMPLATE_TEXT);
        if (i > 0 && (line || !texts))
            buf_put_c(out, ' ');
        template_print(&args[i], out);
    }
    if (line)
        buf_put_c(out, '\n');
}

void template_escape_html(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++)
        switch (s.p[i]) {
        case '<':
            buf_put_str(out, STR("&lt;"));
            break;
        case '>':
            buf_put_str(out, STR("&gt;"));
            break;
        case '&':
            buf_put_str(out, STR("&amp;"));
            break;
        case '"':
            buf_put_str(out, STR("&#34;"));
            break;
        case '\'':
            buf_put_str(out, STR("&#39;"));
            break;
        case 0:
            buf_put_str(out, STR("\xef\xbf\xbd"));
            break;
        default:
            buf_put_c(out, s.p[i]);
            break;
        }
}
