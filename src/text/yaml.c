#include "text/yaml.h"

#include <string.h>
#include <yaml.h>

#include "base/map.h"
#include "base/vec.h"

#define TAG_PREFIX "tag:yaml.org,2002:"

/* A map or a sequence that is being read. */
struct frame {
    struct yaml_node *node;
    const struct yaml_node *key; /* of a map: its value is next */
    bool merging;                /* that key is `<<` */
    struct {
        struct yaml_member *v;
        size_t n, capacity;
    } members;
    struct {
        const struct yaml_node **v; /* maps whose members come last, nearest first */
        size_t n, capacity;
    } merges;
    struct map seen; /* text of a key -> its node */
    uint64_t nodes;  /* of the members so far */
    unsigned height; /* of the highest member */
};

struct reader {
    struct arena *arena;
    yaml_parser_t parser;
    struct map anchors; /* name -> node; height of one that is not finished: UNFINISHED */
    struct frame frames[YAML_DEPTH_MAX];
    size_t depth;
    uint64_t nodes; /* made so far */
    struct yaml_node *root;
    bool done;
    struct yaml_place place; /* of a fault */
    struct why *why;
};

static const uint32_t UNFINISHED = UINT32_MAX;

static struct yaml_place place_of(const yaml_mark_t *mark)
{
    return (struct yaml_place){(uint32_t)mark->line + 1, (uint32_t)mark->column + 1};
}

#define FAULT(r, where, code, ...) ((r)->place = (where), why_set((r)->why, code, __VA_ARGS__))

static struct str tag_text(struct reader *r, const yaml_char_t *tag)
{
    return tag ? arena_str(r->arena, str_c((const char *)tag)) : (struct str){0};
}

static bool is_merge(const struct yaml_node *key)
{
    return key->type == YAML_SCALAR && str_eq(key->text, STR("<<")) &&
           ((key->style == YAML_PLAIN && (key->tag.n == 0 || str_eq(key->tag, STR("!")))) ||
            str_eq(key->tag, STR(TAG_PREFIX "merge")));
}

static int add_key(struct reader *r, struct frame *f, const struct yaml_node *key)
{
    if (key->type != YAML_SCALAR)
        return FAULT(r, key->place, ERR_FORMAT, "the key of a map must be a scalar");
    bool fresh;
    union map_value *v = map_put(&f->seen, key->text, &fresh);
    if (!fresh) {
        const struct yaml_node *before = v->p;
        return FAULT(r, key->place, ERR_FORMAT,
                     "mapping key \"" STR_FMT "\" already defined at line %u", STR_ARG(key->text),
                     before->place.line);
    }
    v->p = (void *)(uintptr_t)key;
    f->key = key;
    f->merging = is_merge(key);
    return 0;
}

static int add_merge(struct reader *r, struct frame *f, const struct yaml_node *value)
{
    bool good = value->type != YAML_SCALAR;
    for (size_t i = 0; value->type == YAML_SEQUENCE && i < value->n; i++)
        good = good && value->members[i].value->type == YAML_MAP;
    if (!good)
        return FAULT(r, value->place, ERR_FORMAT,
                     "map merge requires map or sequence of maps as the value");
    if (value->type == YAML_MAP)
        vec_push(&f->merges, value);
    for (size_t i = 0; value->type == YAML_SEQUENCE && i < value->n; i++)
        vec_push(&f->merges, value->members[i].value);
    return 0;
}

/* A member becomes part of the innermost frame; it weighs what a walk over it costs. */
static int weigh(struct reader *r, struct frame *f, const struct yaml_node *node)
{
    f->nodes += node->nodes;
    f->height = MAX(f->height, node->height + 1);
    if (f->nodes > YAML_NODES_MAX)
        return FAULT(r, node->place, ERR_LIMIT, "document contains excessive aliasing");
    if (f->height + r->depth - 1 > YAML_DEPTH_MAX)
        return FAULT(r, node->place, ERR_LIMIT, "nested deeper than %d levels", YAML_DEPTH_MAX);
    return 0;
}

/* A finished node (or the alias of one) goes where it belongs. */
static int add_node(struct reader *r, const struct yaml_node *node)
{
    if (r->depth == 0) {
        r->root = (struct yaml_node *)(uintptr_t)node;
        return 0;
    }
    struct frame *f = &r->frames[r->depth - 1];
    if (f->node->type == YAML_MAP && !f->key)
        return add_key(r, f, node);
    const struct yaml_node *key = f->key;
    f->key = NULL;
    if (f->merging) {
        f->merging = false;
        return add_merge(r, f, node);
    }
    vec_push(&f->members, ((struct yaml_member){key, node}));
    f->nodes += key != NULL;
    return weigh(r, f, node);
}

static int set_anchor(struct reader *r, const yaml_char_t *anchor, struct yaml_node *node)
{
    if (anchor)
        map_put(&r->anchors, str_c((const char *)anchor), NULL)->p = node;
    if (++r->nodes > YAML_NODES_MAX)
        return FAULT(r, node->place, ERR_LIMIT, "more than %d values", YAML_NODES_MAX);
    return 0;
}

static int on_alias(struct reader *r, const yaml_event_t *e)
{
    const char *name = (const char *)e->data.alias.anchor;
    const union map_value *v = map_get(&r->anchors, str_c(name));
    if (!v)
        return FAULT(r, place_of(&e->start_mark), ERR_FORMAT, "unknown anchor '%s' referenced",
                     name);
    const struct yaml_node *node = v->p;
    if (node->height == UNFINISHED)
        return FAULT(r, place_of(&e->start_mark), ERR_FORMAT, "anchor '%s' value contains itself",
                     name);
    return add_node(r, node);
}

static enum yaml_style style_of(yaml_scalar_style_t style)
{
    switch (style) {
    case YAML_SINGLE_QUOTED_SCALAR_STYLE:
        return YAML_SINGLE;
    case YAML_DOUBLE_QUOTED_SCALAR_STYLE:
        return YAML_DOUBLE;
    case YAML_LITERAL_SCALAR_STYLE:
        return YAML_LITERAL;
    case YAML_FOLDED_SCALAR_STYLE:
        return YAML_FOLDED;
    default:
        return YAML_PLAIN;
    }
}

/* The value of a digit of base64; -1 for anything else. */
static int base64_digit(char c)
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(DIGITS, c) : NULL;
    return at ? (int)(at - DIGITS) : -1;
}

/* The bytes of a base64 text (with its padding; line ends are passed over). */
static bool decode(struct reader *r, struct str text, struct str *ret)
{
    char *out = arena_new(r->arena, text.n / 4 * 3 + 4);
    size_t digits = 0, pads = 0, n = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < text.n; i++) {
        int digit = base64_digit(text.p[i]);
        if (text.p[i] == '\n' || text.p[i] == '\r')
            continue;
        if (text.p[i] == '=')
            pads++;
        else if (digit < 0 || pads > 0)
            return false;
        bits = bits << 6 | (uint32_t)MAX(digit, 0);
        if (++digits % 4 != 0)
            continue;
        out[n++] = (char)(bits >> 16);
        out[n++] = (char)(bits >> 8);
        out[n++] = (char)bits;
    }
    if (digits % 4 != 0 || pads > 2)
        return false;
    n -= pads;
    out[n] = 0;
    *ret = str_of(out, n);
    return true;
}

static int on_scalar(struct reader *r, const yaml_event_t *e)
{
    struct yaml_node *node = arena_new(r->arena, sizeof *node);
    node->type = YAML_SCALAR;
    node->style = style_of(e->data.scalar.style);
    node->place = place_of(&e->start_mark);
    node->tag = tag_text(r, e->data.scalar.tag);
    node->text =
        arena_str(r->arena, str_of((const char *)e->data.scalar.value, e->data.scalar.length));
    node->nodes = 1;
    node->kind = yaml_scalar_kind(node);
    if (str_eq(node->tag, STR(TAG_PREFIX "binary"))) {
        node->kind = YAML_TEXT;
        if (!decode(r, node->text, &node->text))
            return FAULT(r, node->place, ERR_FORMAT, "!!binary value contains invalid base64 data");
    }
    int err = set_anchor(r, e->data.scalar.anchor, node);
    return err ? err : add_node(r, node);
}

static int on_begin(struct reader *r, const yaml_event_t *e, enum yaml_type type)
{
    struct yaml_place place = place_of(&e->start_mark);
    if (r->depth == YAML_DEPTH_MAX)
        return FAULT(r, place, ERR_LIMIT, "nested deeper than %d levels", YAML_DEPTH_MAX);
    struct yaml_node *node = arena_new(r->arena, sizeof *node);
    bool map = type == YAML_MAP;
    node->type = type;
    node->place = place;
    node->tag = tag_text(r, map ? e->data.mapping_start.tag : e->data.sequence_start.tag);
    node->height = UNFINISHED;
    struct frame *f = &r->frames[r->depth++];
    *f = (struct frame){.node = node, .nodes = 1};
    map_init(&f->seen, 0);
    return set_anchor(r, map ? e->data.mapping_start.anchor : e->data.sequence_start.anchor, node);
}

static void drop_frame(struct reader *r)
{
    struct frame *f = &r->frames[--r->depth];
    vec_free(&f->members);
    vec_free(&f->merges);
    map_done(&f->seen);
}

static int take_merges(struct reader *r, struct frame *f)
{
    for (size_t i = 0; i < f->merges.n; i++)
        for (size_t j = 0; j < f->merges.v[i]->n; j++) {
            struct yaml_member m = f->merges.v[i]->members[j];
            bool fresh;
            union map_value *v = map_put(&f->seen, m.key->text, &fresh);
            if (!fresh)
                continue;
            v->p = (void *)(uintptr_t)m.key;
            vec_push(&f->members, m);
            f->nodes++;
            int err = weigh(r, f, m.value);
            if (err)
                return err;
            /* Copies cost memory, unlike aliases. */
            if (++r->nodes > YAML_NODES_MAX)
                return FAULT(r, f->node->place, ERR_LIMIT, "more than %d values", YAML_NODES_MAX);
        }
    return 0;
}

static int on_end(struct reader *r)
{
    struct frame *f = &r->frames[r->depth - 1];
    int err = take_merges(r, f);
    if (err)
        return err;
    struct yaml_node *node = f->node;
    node->n = f->members.n;
    node->members = arena_array(r->arena, node->n, sizeof *node->members);
    if (node->n)
        memcpy(node->members, f->members.v, node->n * sizeof *node->members);
    node->nodes = (uint32_t)f->nodes;
    node->height = MAX(f->height, 1U);
    drop_frame(r);
    return add_node(r, node);
}

static int on_event(struct reader *r, const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        return on_scalar(r, e);
    case YAML_ALIAS_EVENT:
        return on_alias(r, e);
    case YAML_MAPPING_START_EVENT:
        return on_begin(r, e, YAML_MAP);
    case YAML_SEQUENCE_START_EVENT:
        return on_begin(r, e, YAML_SEQUENCE);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        return on_end(r);
    case YAML_DOCUMENT_END_EVENT:
    case YAML_STREAM_END_EVENT:
        r->done = true;
        return 0;
    default:
        return 0;
    }
}

static int parser_fault(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    const char *problem = p->problem ? p->problem : "not YAML";
    if (p->error == YAML_READER_ERROR)
        return FAULT(r, place_of(&p->mark), ERR_FORMAT, "%s", problem);
    if (p->context && p->context_mark.line != p->problem_mark.line)
        return FAULT(r, place_of(&p->problem_mark), ERR_FORMAT, "%s (%s at line %zu)", problem,
                     p->context, p->context_mark.line + 1);
    return FAULT(r, place_of(&p->problem_mark), ERR_FORMAT, "%s", problem);
}

static int read_events(struct reader *r)
{
    int err = 0;
    while (!err && !r->done) {
        yaml_event_t event;
        if (!yaml_parser_parse(&r->parser, &event))
            return parser_fault(r);
        err = on_event(r, &event);
        yaml_event_delete(&event);
    }
    return err;
}

int yaml_parse(struct str text, struct arena *a, const struct yaml_node **ret,
               struct yaml_place *ret_place, struct why *why)
{
    if (text.n > YAML_SIZE_MAX) {
        if (ret_place)
            *ret_place = (struct yaml_place){1, 1};
        return why_set(why, ERR_LIMIT, "%zu bytes, at most %d", text.n, YAML_SIZE_MAX);
    }
    struct reader *r = mem_new(sizeof *r);
    r->arena = a;
    r->why = why;
    map_init(&r->anchors, 0);
    int err = -ERR_LIMIT;
    if (yaml_parser_initialize(&r->parser)) {
        yaml_parser_set_input_string(&r->parser, (const unsigned char *)(text.n ? text.p : ""),
                                     text.n);
        err = read_events(r);
        yaml_parser_delete(&r->parser);
    }
    while (r->depth)
        drop_frame(r);
    map_done(&r->anchors);
    if (!err)
        *ret = r->root;
    else if (ret_place)
        *ret_place = r->place;
    else
        (void)why_prefix(why, "line %u, column %u", r->place.line, r->place.column);
    mem_free(r);
    return err;
}
