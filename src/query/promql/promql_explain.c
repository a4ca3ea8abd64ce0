#include "query/promql/promql_explain.h"

#include "base/clock.h"
#include "text/json.h"
#include "text/number.h"

enum { NODES_MAX = 4096, TEXT_MAX = 400 /* bytes of a node's text that are shown */ };

struct node {
    const struct promql_expr *expr;
    atomic_ullong series, samples, rows, ns, bytes;
    atomic_uint flags;
    atomic_bool seen;
};

struct promql_profile {
    const struct promql_expr *root;
    struct node *v; /* [n] in the order of the text's tree */
    size_t n;
};

typedef void child_f(void *context, const struct promql_expr *x);

static void each_child(const struct promql_expr *x, child_f *f, void *context)
{
    if (x->left)
        f(context, x->left);
    if (x->right)
        f(context, x->right);
    for (size_t i = 0; i < x->arguments_n; i++)
        f(context, x->arguments[i]);
}

static void add_node(void *context, const struct promql_expr *x)
{
    struct promql_profile *p = context;
    x = promql_bare(x);
    if (p->n < NODES_MAX)
        p->v[p->n++].expr = x;
    each_child(x, add_node, p);
}

struct promql_profile *promql_profile_new(const struct promql_expr *x)
{
    struct promql_profile *p = mem_new(sizeof *p);
    p->root = x;
    p->v = mem_array(NODES_MAX, sizeof *p->v);
    add_node(p, x);
    return p;
}

void promql_profile_free(struct promql_profile *p)
{
    if (!p)
        return;
    mem_free(p->v);
    mem_free(p);
}

static struct node *find(const struct promql_profile *p, const struct promql_expr *x)
{
    x = promql_bare(x);
    for (size_t i = 0; i < p->n; i++) {
        if (p->v[i].expr == x)
            return &p->v[i];
    }
    return NULL;
}

/* ---- counting */

static void count(atomic_ullong *to, uint64_t n)
{
    atomic_fetch_add_explicit(to, n, memory_order_relaxed);
}

/* What the engine stood at before a call. */
struct before {
    uint64_t series, samples;
    size_t bytes;
    int64_t ns;
};

static struct before begin(const struct engine *e)
{
    return (struct before){e->series, e->samples, e->arena->total, clock_monotonic_ns(&clock_real)};
}

static void finish(const struct engine *e, struct node *n, const struct before *b, int got)
{
    count(&n->series, e->series - b->series);
    count(&n->samples, e->samples - b->samples);
    count(&n->bytes, e->arena->total - b->bytes);
    count(&n->ns, (uint64_t)(clock_monotonic_ns(&clock_real) - b->ns));
    count(&n->rows, got > 0);
}

struct counted_stream {
    struct stream stream;
    struct stream *from;
    struct node *node;
};

static int counted_next(struct engine *e, struct stream *stream, struct row *ret)
{
    struct counted_stream *s = (struct counted_stream *)stream;
    struct before b = begin(e);
    int got = s->from->next(e, s->from, ret);
    finish(e, s->node, &b, got);
    return got;
}

struct stream *promql_profile_stream(struct engine *e, const struct promql_expr *x,
                                     struct stream *s)
{
    struct node *n = e->profile ? find(e->profile, x) : NULL;
    if (!n)
        return s;
    struct counted_stream *c = arena_new(e->arena, sizeof *c);
    c->stream.next = counted_next;
    c->from = s;
    c->node = n;
    atomic_store_explicit(&n->seen, true, memory_order_relaxed);
    return &c->stream;
}

/* A copy of the source that it hides, whose next counts. */
struct counted_source {
    struct source source;
    struct source *from;
    struct node *node;
};

static int counted_source_next(struct engine *e, struct source *source, struct samples *ret)
{
    struct counted_source *s = (struct counted_source *)source;
    struct before b = begin(e);
    int got = s->from->next(e, s->from, ret);
    finish(e, s->node, &b, got);
    for (size_t i = 0; got > 0 && i < ret->blocks_n; i++)
        atomic_fetch_or_explicit(&s->node->flags,
                                 PROFILE_BLOCKS | (ret->blocks[i].tier ? PROFILE_TIERS : 0),
                                 memory_order_relaxed);
    return got;
}

struct source *promql_profile_source(struct engine *e, const struct promql_expr *x,
                                     struct source *s)
{
    struct node *n = e->profile ? find(e->profile, x) : NULL;
    if (!n)
        return s;
    struct counted_source *c = arena_new(e->arena, sizeof *c);
    c->source = *s;
    c->source.next = counted_source_next;
    c->from = s;
    c->node = n;
    atomic_store_explicit(&n->seen, true, memory_order_relaxed);
    return &c->source;
}

void promql_profile_note(struct engine *e, const struct promql_expr *x,
                         enum promql_profile_flag flag)
{
    struct node *n = e->profile ? find(e->profile, x) : NULL;
    if (n)
        atomic_fetch_or_explicit(&n->flags, flag, memory_order_relaxed);
}

/* ---- printing */

static void put_figures(const struct node *n, struct buf *out)
{
    static const char *const names[] = {"blocks", "tiers", "shards"};
    buf_put_str(out, STR(",\"series\":"));
    buf_put_u64(out, atomic_load(&n->series));
    buf_put_str(out, STR(",\"samples\":"));
    buf_put_u64(out, atomic_load(&n->samples));
    buf_put_str(out, STR(",\"rows\":"));
    buf_put_u64(out, atomic_load(&n->rows));
    buf_put_str(out, STR(",\"seconds\":"));
    number_put(out, (double)atomic_load(&n->ns) / 1e9);
    buf_put_str(out, STR(",\"bytes\":"));
    buf_put_u64(out, atomic_load(&n->bytes));
    buf_put_str(out, STR(",\"used\":["));
    unsigned flags = atomic_load(&n->flags);
    for (size_t i = 0, any = 0; i < COUNTOF(names); i++) {
        if (flags & (1u << i))
            buf_printf(out, "%s\"%s\"", any++ ? "," : "", names[i]);
    }
    buf_put_c(out, ']');
}

struct printer {
    const struct promql_profile *profile;
    struct buf *out;
    bool any; /* a node has been put into the present list */
};

static void put_node(void *context, const struct promql_expr *x)
{
    static const char *const kinds[] = {"number", "string",      "parentheses", "unary",   "binary",
                                        "call",   "aggregation", "selector",    "subquery"};
    struct printer *p = context;
    struct buf text;
    x = promql_bare(x);
    const struct node *n = find(p->profile, x);
    if (!n)
        return;
    buf_put_str(p->out, p->any ? STR(",{\"expression\":") : STR("{\"expression\":"));
    buf_init(&text, PROMQL_TEXT_MAX * 4);
    promql_print(x, &text);
    json_put_text(p->out, str_sub(buf_str(&text), 0, TEXT_MAX));
    buf_done(&text);
    buf_printf(p->out, ",\"kind\":\"%s\"", kinds[x->kind]);
    if (atomic_load(&n->seen))
        put_figures(n, p->out);
    buf_put_str(p->out, STR(",\"nodes\":["));
    p->any = false;
    each_child(x, put_node, p);
    buf_put_str(p->out, STR("]}"));
    p->any = true;
}

void promql_profile_put(const struct promql_profile *p, struct buf *out)
{
    struct printer printer = {.profile = p, .out = out};
    put_node(&printer, p->root);
}
