#include "text/letter.h"
#include "text/template_tree.h"

#include <inttypes.h>

#define ARGUMENTS                                                                                  \
    struct template_call *c, const struct template_value *args, size_t n,                          \
        struct template_value *ret, struct why *why

/* The text in b becomes the answer; b is done. */
static int give_text(struct template_call *c, struct buf *b, struct template_value *ret,
                     struct why *why)
{
    bool failed = buf_failed(b);
    if (!failed)
        *ret = template_text(arena_str(c->arena, buf_str(b)));
    buf_done(b);
    return failed ? why_set(why, ERR_LIMIT, "a text of more than %d bytes", TEMPLATE_TEXT_MAX) : 0;
}

/* ---- texts */

static int call_print(ARGUMENTS)
{
    struct buf b;
    buf_init(&b, TEMPLATE_TEXT_MAX);
    template_sprint(args, n, false, &b);
    return give_text(c, &b, ret, why);
}

static int call_println(ARGUMENTS)
{
    struct buf b;
    buf_init(&b, TEMPLATE_TEXT_MAX);
    template_sprint(args, n, true, &b);
    return give_text(c, &b, ret, why);
}

static int call_printf(ARGUMENTS)
{
    struct buf b;
    buf_init(&b, TEMPLATE_TEXT_MAX);
    template_format(args[0].text, args + 1, n - 1, &b);
    return give_text(c, &b, ret, why);
}

static int escape(struct template_call *c, const struct template_value *args, size_t n,
                  void (*put)(struct str s, struct buf *out), struct template_value *ret,
                  struct why *why)
{
    struct buf plain, b;
    struct template_value *shown = arena_array(c->arena, n, sizeof *shown);
    buf_init(&plain, TEMPLATE_TEXT_MAX);
    buf_init(&b, TEMPLATE_TEXT_MAX);
    for (size_t i = 0; i < n; i++) {
        bool none = args[i].type == TEMPLATE_NONE || args[i].type == TEMPLATE_NIL;
        shown[i] = none ? template_text(STR("<no value>")) : args[i];
    }
    template_sprint(shown, n, false, &plain);
    put(buf_str(&plain), &b);
    b.failed = b.failed || buf_failed(&plain);
    buf_done(&plain);
    return give_text(c, &b, ret, why);
}

static int call_html(ARGUMENTS)
{
    return escape(c, args, n, template_escape_html, ret, why);
}

static void escape_js(struct str s, struct buf *out)
{
    for (size_t i = 0, width; i < s.n; i += width) {
        uint32_t rune = letter_next(str_sub(s, i, s.n), &width);
        if (rune == '\\' || rune == '\'' || rune == '"')
            buf_printf(out, "\\%c", (char)rune);
        else if (rune < ' ' || rune == 0x7f || rune == 0x2028 || rune == 0x2029 ||
                 (rune < 0x80 && strchr("<>&=", (int)rune)))
            buf_printf(out, "\\u%04X", rune);
        else
            letter_put(rune, out);
    }
}

static int call_js(ARGUMENTS)
{
    return escape(c, args, n, escape_js, ret, why);
}

void template_escape_query(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char b = (unsigned char)s.p[i];
        bool plain = (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') ||
                     b == '-' || b == '_' || b == '.' || b == '~';
        if (plain || b == ' ')
            buf_put_c(out, plain ? (char)b : '+');
        else
            buf_printf(out, "%%%02X", b);
    }
}

static int call_urlquery(ARGUMENTS)
{
    return escape(c, args, n, template_escape_query, ret, why);
}

/* ---- lists, maps and texts by place */

static int call_len(ARGUMENTS)
{
    const struct template_value *v = &args[0];
    if (v->type == TEMPLATE_TEXT)
        *ret = template_int((int64_t)v->text.n);
    else if (v->type == TEMPLATE_LIST || v->type == TEMPLATE_MAP)
        *ret = template_int((int64_t)v->n);
    else if (v->type == TEMPLATE_NONE || v->type == TEMPLATE_NIL)
        return why_set(why, ERR_FORMAT, "reflect: call of reflect.Value.Type on zero Value");
    else
        return why_set(why, ERR_FORMAT, "len of type %s", template_type_text(v));
    return 0;
}

/* The whole number that a place is given by; at most max. */
static int place_of(const struct template_value *v, size_t max, size_t *ret, struct why *why)
{
    if (v->type == TEMPLATE_NONE || v->type == TEMPLATE_NIL)
        return why_set(why, ERR_FORMAT, "cannot index slice/array with nil");
    if (v->type != TEMPLATE_INT)
        return why_set(why, ERR_FORMAT, "cannot index slice/array with type %s",
                       template_type_text(v));
    if (v->integer < 0 || (uint64_t)v->integer > max)
        return why_set(why, ERR_FORMAT, "index out of range: %" PRId64, v->integer);
    *ret = (size_t)v->integer;
    return 0;
}

static int index_list(const struct template_value *item, const struct template_value *index,
                      struct template_value *ret, struct why *why)
{
    bool text = item->type == TEMPLATE_TEXT;
    size_t n = text ? item->text.n : item->n, i = 0;
    int err = place_of(index, n, &i, why);
    if (err)
        return err;
    if (i == n)
        return why_set(why, ERR_FORMAT, "reflect: %s index out of range",
                       text ? "string" : "slice");
    *ret = text ? template_int((unsigned char)item->text.p[i]) : item->items[i];
    return 0;
}

static int index_map(const struct template_value *item, const struct template_value *index,
                     struct template_value *ret, struct why *why)
{
    if (index->type == TEMPLATE_NONE || index->type == TEMPLATE_NIL)
        return why_set(why, ERR_FORMAT, "value is nil; should be of type string");
    if (index->type != TEMPLATE_TEXT)
        return why_set(why, ERR_FORMAT, "value has type %s; should be string",
                       template_type_text(index));
    const struct template_value *found = template_map_get(item, index->text);
    *ret = found         ? *found
           : item->texts ? template_text(STR(""))
                         : (struct template_value){.type = TEMPLATE_NIL};
    return 0;
}

static int call_index(ARGUMENTS)
{
    struct template_value item = args[0];
    for (size_t i = 1; i < n; i++) {
        struct template_value next;
        int err;
        if (item.type == TEMPLATE_NONE || item.type == TEMPLATE_NIL)
            return why_set(why, ERR_FORMAT, "index of %s", i == 1 ? "untyped nil" : "nil pointer");
        if (item.type == TEMPLATE_LIST || item.type == TEMPLATE_TEXT)
            err = index_list(&item, &args[i], &next, why);
        else if (item.type == TEMPLATE_MAP)
            err = index_map(&item, &args[i], &next, why);
        else
            err =
                why_set(why, ERR_FORMAT, "can't index item of type %s", template_type_text(&item));
        if (err)
            return err;
        item = next;
    }
    if (item.type == TEMPLATE_NONE)
        return why_set(why, ERR_FORMAT, "index of untyped nil");
    *ret = item;
    return 0;
}

static int call_slice(ARGUMENTS)
{
    const struct template_value *item = &args[0];
    bool text = item->type == TEMPLATE_TEXT;
    if (item->type == TEMPLATE_NONE || item->type == TEMPLATE_NIL)
        return why_set(why, ERR_FORMAT, "slice of untyped nil");
    if (n > 4)
        return why_set(why, ERR_FORMAT, "too many slice indexes: %zu", n - 1);
    if (!text && item->type != TEMPLATE_LIST)
        return why_set(why, ERR_FORMAT, "can't slice item of type %s", template_type_text(item));
    if (text && n == 4)
        return why_set(why, ERR_FORMAT, "cannot 3-index slice a string");
    size_t length = text ? item->text.n : item->n, at[3] = {0, length, length};
    for (size_t i = 1; i < n; i++) {
        int err = place_of(&args[i], length, &at[i - 1], why);
        if (err)
            return err;
    }
    for (size_t i = 0; i < 2; i++)
        if (at[i] > at[i + 1] && (i == 0 || n == 4))
            return why_set(why, ERR_FORMAT, "invalid slice index: %zu > %zu", at[i], at[i + 1]);
    *ret = *item;
    if (text) {
        ret->text = str_sub(item->text, at[0], at[1]);
    } else {
        ret->items = item->n ? item->items + at[0] : item->items;
        ret->n = at[1] - at[0];
    }
    return 0;
}

/* ---- comparisons */

enum kind { KIND_NONE, KIND_BOOL, KIND_INT, KIND_FLOAT, KIND_TEXT, KIND_OTHER };

static enum kind kind_of(const struct template_value *v)
{
    switch (v->type) {
    case TEMPLATE_NONE:
    case TEMPLATE_NIL:
        return KIND_NONE;
    case TEMPLATE_BOOL:
        return KIND_BOOL;
    case TEMPLATE_INT:
        return KIND_INT;
    case TEMPLATE_FLOAT:
        return KIND_FLOAT;
    case TEMPLATE_TEXT:
        return KIND_TEXT;
    default:
        return KIND_OTHER;
    }
}

static int not_comparable(const struct template_value *v, struct why *why)
{
    struct buf b;
    buf_init(&b, WHY_MAX);
    template_print(v, &b);
    int err = why_set(why, ERR_FORMAT, "non-comparable type " STR_FMT ": %s", STR_ARG(buf_str(&b)),
                      template_type_text(v));
    buf_done(&b);
    return err;
}

static int equal(const struct template_value *a, const struct template_value *b, bool *ret,
                 struct why *why)
{
    enum kind kind = kind_of(a);
    *ret = false;
    if (kind != kind_of(b)) {
        if (kind == KIND_NONE || kind_of(b) == KIND_NONE)
            return 0;
        return why_set(why, ERR_FORMAT, "incompatible types for comparison");
    }
    if (kind == KIND_NONE)
        *ret = true;
    else if (kind == KIND_BOOL)
        *ret = a->boolean == b->boolean;
    else if (kind == KIND_INT)
        *ret = a->integer == b->integer;
    else if (kind == KIND_FLOAT)
        *ret = a->number == b->number;
    else if (kind == KIND_TEXT)
        *ret = str_eq(a->text, b->text);
    else if (a->type == TEMPLATE_OBJECT && b->type == TEMPLATE_OBJECT)
        *ret = a->object.type == b->object.type && a->object.p == b->object.p;
    else
        return not_comparable(a, why);
    return 0;
}

static int call_eq(ARGUMENTS)
{
    bool same = false;
    if (n < 2)
        return why_set(why, ERR_FORMAT, "missing argument for comparison");
    for (size_t i = 1; i < n && !same; i++) {
        int err = equal(&args[0], &args[i], &same, why);
        if (err)
            return err;
    }
    *ret = template_bool(same);
    return 0;
}

static int call_ne(ARGUMENTS)
{
    bool same;
    int err = equal(&args[0], &args[1], &same, why);
    if (!err)
        *ret = template_bool(!same);
    return err;
}

static int less(const struct template_value *args, bool or_equal, bool *ret, struct why *why)
{
    const struct template_value *a = &args[0], *b = &args[1];
    enum kind kind = kind_of(a);
    bool known = kind == KIND_BOOL || kind == KIND_INT || kind == KIND_FLOAT || kind == KIND_TEXT;
    if (!known || kind_of(b) == KIND_NONE || kind_of(b) == KIND_OTHER)
        return why_set(why, ERR_FORMAT, "invalid type for comparison");
    if (kind != kind_of(b))
        return why_set(why, ERR_FORMAT, "incompatible types for comparison");
    if (kind == KIND_BOOL)
        return why_set(why, ERR_FORMAT, "invalid type for comparison");
    if (kind == KIND_INT)
        *ret = or_equal ? a->integer <= b->integer : a->integer < b->integer;
    else if (kind == KIND_FLOAT)
        *ret = or_equal ? a->number <= b->number : a->number < b->number;
    else
        *ret = str_cmp(a->text, b->text) < (or_equal ? 1 : 0);
    return 0;
}

static int compare(const struct template_value *args, bool or_equal, bool inverted,
                   struct template_value *ret, struct why *why)
{
    bool truth = false;
    int err = less(args, or_equal, &truth, why);
    if (!err)
        *ret = template_bool(truth != inverted);
    return err;
}

static int call_lt(ARGUMENTS)
{
    return compare(args, false, false, ret, why);
}

static int call_le(ARGUMENTS)
{
    return compare(args, true, false, ret, why);
}

static int call_gt(ARGUMENTS)
{
    return compare(args, true, true, ret, why);
}

static int call_ge(ARGUMENTS)
{
    return compare(args, false, true, ret, why);
}

/* ---- the rest */

static int call_not(ARGUMENTS)
{
    *ret = template_bool(!template_truth(&args[0]));
    return 0;
}

/* No value is a function here. */
static int call_call(ARGUMENTS)
{
    struct buf b;
    buf_init(&b, WHY_MAX);
    template_print(&args[0], &b);
    int err = args[0].type == TEMPLATE_NONE || args[0].type == TEMPLATE_NIL
                  ? why_set(why, ERR_FORMAT, "call of nil")
                  : why_set(why, ERR_FORMAT, "non-function " STR_FMT " of type %s",
                            STR_ARG(buf_str(&b)), template_type_text(&args[0]));
    buf_done(&b);
    return err;
}

static const struct template_function FUNCTIONS[] = {
    {"and", "aa.", NULL, NULL}, /* these two look at no more than they need */
    {"or", "aa.", NULL, NULL},
    {"not", "a", call_not, NULL},
    {"call", "aa.", call_call, NULL},
    {"html", "a.", call_html, NULL},
    {"index", "aa.", call_index, NULL},
    {"js", "a.", call_js, NULL},
    {"len", "a", call_len, NULL},
    {"print", "a.", call_print, NULL},
    {"printf", "sa.", call_printf, NULL},
    {"println", "a.", call_println, NULL},
    {"slice", "aa.", call_slice, NULL},
    {"urlquery", "a.", call_urlquery, NULL},
    {"eq", "aa.", call_eq, NULL},
    {"ge", "aa", call_ge, NULL},
    {"gt", "aa", call_gt, NULL},
    {"le", "aa", call_le, NULL},
    {"lt", "aa", call_lt, NULL},
    {"ne", "aa", call_ne, NULL},
};

const struct template_functions template_builtins = {FUNCTIONS, COUNTOF(FUNCTIONS)};
