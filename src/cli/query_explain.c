#include "cli/query_explain.h"

#include "base/vec.h"
#include "cli/query_answer.h"
#include "cli/query_table.h"
#include "text/json.h"

enum { FIGURES = 4 };

static const char *const FIGURE_KEYS[FIGURES] = {"seconds", "samples", "series", "rows"};

struct node {
    unsigned depth;
    struct str expression, figures[FIGURES]; /* empty: not measured on its own */
    struct str used[FIGURES];
    size_t used_n;
};

struct explanation {
    struct json_reader reader;
    struct json_event e;
    struct arena arena;
    struct {
        struct node *v;
        size_t n, capacity;
    } nodes;
    struct why *why;
    int err;
};

static bool next(struct explanation *x)
{
    if (x->err)
        return false;
    int more = json_next(&x->reader, &x->e, x->why);
    if (more < 0)
        x->err = more;
    return more > 0;
}

static void read_used(struct explanation *x, size_t at)
{
    while (next(x) && x->e.type == JSON_TEXT) {
        struct node *n = &x->nodes.v[at];
        if (n->used_n < FIGURES)
            n->used[n->used_n++] = x->e.text;
    }
}

static void take(struct node *n, struct str key, const struct json_event *e)
{
    if (e->type == JSON_TEXT && str_eq(key, STR("expression")))
        n->expression = e->text;
    for (size_t i = 0; e->type == JSON_NUMBER && i < FIGURES; i++)
        if (str_eq(key, str_c(FIGURE_KEYS[i])))
            n->figures[i] = e->text;
}

/* A node whose "{" has been read; the reader bounds how deep they lie. */
static void read_node(struct explanation *x, unsigned depth)
{
    struct node fresh = {.depth = depth};
    struct str key = STR("");
    size_t at = x->nodes.n;
    vec_push(&x->nodes, fresh);
    while (next(x) && x->e.type != JSON_OBJECT_END) {
        if (x->e.type == JSON_KEY) {
            key = x->e.text;
        } else if (x->e.type == JSON_ARRAY && str_eq(key, STR("nodes"))) {
            while (next(x) && x->e.type == JSON_OBJECT)
                read_node(x, depth + 1);
        } else if (x->e.type == JSON_ARRAY && str_eq(key, STR("used"))) {
            read_used(x, at);
        } else {
            take(&x->nodes.v[at], key, &x->e);
            if (json_skip(&x->reader, &x->e, x->why))
                x->err = -ERR_FORMAT;
        }
    }
}

static void put_right(struct str s, size_t width, struct buf *out)
{
    for (size_t n = s.n; n < width; n++)
        buf_put_c(out, ' ');
    buf_put_str(out, s);
}

static void put_nodes(const struct explanation *x, struct buf *out)
{
    size_t width[FIGURES];
    for (size_t k = 0; k < FIGURES; k++) {
        width[k] = strlen(FIGURE_KEYS[k]);
        for (size_t i = 0; i < x->nodes.n; i++)
            width[k] = MAX(width[k], x->nodes.v[i].figures[k].n);
        buf_put_str(out, STR("  "));
        put_right(str_c(FIGURE_KEYS[k]), width[k], out);
    }
    buf_put_str(out, STR("  expression\n"));
    for (size_t i = 0; i < x->nodes.n; i++) {
        const struct node *n = &x->nodes.v[i];
        for (size_t k = 0; k < FIGURES; k++) {
            buf_put_str(out, STR("  "));
            put_right(n->figures[k], width[k], out);
        }
        for (unsigned d = 0; d <= n->depth; d++)
            buf_put_str(out, STR("  "));
        query_answer_visible(n->expression, out);
        for (size_t k = 0; k < n->used_n; k++) {
            buf_put_str(out, k ? STR(", ") : STR("  (by "));
            query_answer_visible(n->used[k], out);
        }
        buf_put_str(out, n->used_n ? STR(")\n") : STR("\n"));
    }
}

/* The figures of a member that is no tree. */
static void put_other(struct explanation *x, struct str key, struct buf *out)
{
    const char *from = x->reader.p - 1; /* behind its bracket */
    if (json_skip(&x->reader, &x->e, x->why)) {
        x->err = -ERR_FORMAT;
        return;
    }
    struct str title = arena_str(&x->arena, key); /* with a NUL behind it */
    x->err = query_table_figures(str_of(from, (size_t)(x->reader.p - from)), title.p, out, x->why);
}

int query_explain(struct str json, struct buf *out, struct why *why)
{
    struct explanation x = {.why = why};
    struct str key = STR("");
    arena_init(&x.arena);
    json_reader_init(&x.reader, json, &x.arena);
    buf_put_str(out, STR("\nexplanation\n"));
    if (next(&x) && x.e.type == JSON_OBJECT)
        while (next(&x) && x.e.type != JSON_OBJECT_END) {
            if (x.e.type == JSON_KEY)
                key = x.e.text;
            else if (x.e.type == JSON_OBJECT && str_eq(key, STR("tree")))
                read_node(&x, 0);
            else if (x.e.type == JSON_OBJECT || x.e.type == JSON_ARRAY)
                put_other(&x, key, out);
        }
    if (!x.err && x.nodes.n)
        put_nodes(&x, out);
    vec_free(&x.nodes);
    arena_done(&x.arena);
    return x.err;
}
