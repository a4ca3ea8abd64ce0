#include "cli/query_explain.h"

#include "base/vec.h"
#include "cli/query_answer.h"
#include "cli/query_table.h"

enum { FIGURES = 4, DEPTH_MAX = 2000 /* more than the language allows */ };

static const char *const FIGURE_KEYS[FIGURES] = {"seconds", "samples", "series", "rows"};

struct node {
    unsigned depth;
    struct str expression, figures[FIGURES]; /* empty: not measured on its own */
    struct str used[FIGURES];
    size_t used_n;
};

struct explanation {
    struct arena arena;
    struct {
        struct node *v;
        size_t n, capacity;
    } nodes;
    struct why *why;
    int err;
};

static bool next(struct explanation *x, struct json_reader *r, struct json_event *ret)
{
    if (x->err)
        return false;
    int more = json_next(r, ret, x->why);
    if (more < 0)
        x->err = more;
    return more > 0;
}

/* The object or array that begins. */
static struct str raw(struct explanation *x, struct json_reader *r)
{
    struct str text = query_answer_raw(r);
    if (text.n == 0)
        x->err = why_set(x->why, ERR_FORMAT, "the explanation ends early");
    return text;
}

static void read_used(struct explanation *x, struct str json, struct node *n)
{
    struct json_reader r;
    struct json_event e;
    json_reader_init(&r, json, &x->arena);
    while (next(x, &r, &e))
        if (e.type == JSON_TEXT && n->used_n < FIGURES)
            n->used[n->used_n++] = e.text;
}

static void take(struct node *n, struct str key, const struct json_event *e)
{
    if (e->type == JSON_TEXT && str_eq(key, STR("expression")))
        n->expression = e->text;
    for (size_t i = 0; e->type == JSON_NUMBER && i < FIGURES; i++)
        if (str_eq(key, str_c(FIGURE_KEYS[i])))
            n->figures[i] = e->text;
}

static void read_nodes(struct explanation *x, struct str json, unsigned depth);

/* A node and those below it. Each is read by a reader of its own: an expression may be deeper than
 * one goes. */
static void read_node(struct explanation *x, struct str json, unsigned depth)
{
    struct json_reader r;
    struct json_event e;
    struct node n = {.depth = depth};
    struct str key = STR(""), below = STR("");
    json_reader_init(&r, json, &x->arena);
    if (!next(x, &r, &e))
        return;
    while (next(x, &r, &e) && e.type != JSON_OBJECT_END) {
        if (e.type == JSON_KEY)
            key = e.text;
        else if (e.type == JSON_ARRAY && str_eq(key, STR("nodes")))
            below = raw(x, &r);
        else if (e.type == JSON_ARRAY && str_eq(key, STR("used")))
            read_used(x, raw(x, &r), &n);
        else if (e.type == JSON_ARRAY || e.type == JSON_OBJECT)
            (void)raw(x, &r); /* nothing of ours; what is wrong with it is in x */
        else
            take(&n, key, &e);
    }
    if (x->err)
        return;
    vec_push(&x->nodes, n);
    if (below.n && depth < DEPTH_MAX)
        read_nodes(x, below, depth + 1);
}

static void read_nodes(struct explanation *x, struct str json, unsigned depth)
{
    struct json_reader r;
    struct json_event e;
    json_reader_init(&r, json, &x->arena);
    if (!next(x, &r, &e))
        return;
    while (next(x, &r, &e) && e.type == JSON_OBJECT)
        read_node(x, raw(x, &r), depth);
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

int query_explain(struct str json, struct buf *out, struct why *why)
{
    struct explanation x = {.why = why};
    struct json_reader r;
    struct json_event e;
    struct str key = STR("");
    arena_init(&x.arena);
    json_reader_init(&r, json, &x.arena);
    buf_put_str(out, STR("\nexplanation\n"));
    if (next(&x, &r, &e) && e.type == JSON_OBJECT)
        while (next(&x, &r, &e) && e.type != JSON_OBJECT_END) {
            if (e.type == JSON_KEY) {
                key = arena_str(&x.arena, e.text); /* with a NUL behind it */
            } else if (e.type == JSON_OBJECT) {
                struct str value = raw(&x, &r);
                if (str_eq(key, STR("tree")))
                    read_node(&x, value, 0);
                else if (!x.err)
                    x.err = query_table_figures(value, key.p, out, why);
            }
        }
    if (!x.err && x.nodes.n)
        put_nodes(&x, out);
    vec_free(&x.nodes);
    arena_done(&x.arena);
    return x.err;
}
