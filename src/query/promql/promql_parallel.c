#include "query/promql/promql_parallel.h"

#include <string.h>

#include "base/clock.h"
#include "base/vec.h"
#include "os/pool.h"
#include "query/promql/promql_explain.h"

/* What a series costs, roughly, and what a shard must be worth. */
enum { SERIES_NS = 700, STEP_NS = 4, SHARD_NS = 200 * 1000 };

static bool has_selector(const struct promql_expr *x)
{
    x = promql_bare(x);
    switch (x->kind) {
    case EXPR_NUMBER:
    case EXPR_STRING:
        return false;
    case EXPR_UNARY:
        return has_selector(x->left);
    case EXPR_BINARY:
        return has_selector(x->left) || has_selector(x->right);
    case EXPR_CALL:
        for (size_t i = 0; i < x->arguments_n; i++) {
            if (has_selector(x->arguments[i]))
                return true;
        }
        return false;
    default:
        return true;
    }
}

static bool row_by_row(const struct promql_expr *x);

static bool call_row_by_row(const struct promql_expr *x)
{
    const struct promql_expr *over = NULL;
    if (!promql_is_range_function(x->function) && !promql_is_map_function(x->function) &&
        x->function != PROMQL_FN_TIMESTAMP)
        return false;
    for (size_t i = 0; i < x->arguments_n; i++) {
        const struct promql_expr *a = x->arguments[i];
        if (a->type == PROMQL_VECTOR || a->type == PROMQL_MATRIX) {
            if (over)
                return false;
            over = a;
        } else if (has_selector(a)) {
            return false;
        }
    }
    return over && row_by_row(over) && !promql_names_may_meet(x);
}

/* Does every row of x come from one series of its one selector? */
static bool row_by_row(const struct promql_expr *x)
{
    x = promql_bare(x);
    switch (x->kind) {
    case EXPR_SELECTOR:
        return true;
    case EXPR_SUBQUERY:
        return row_by_row(x->left);
    case EXPR_UNARY:
        return row_by_row(x->left) && !promql_names_may_meet(x->left);
    case EXPR_BINARY: {
        bool left = x->left->type == PROMQL_SCALAR;
        const struct promql_expr *scalar = left ? x->left : x->right;
        const struct promql_expr *vector = left ? x->right : x->left;
        return scalar->type == PROMQL_SCALAR && vector->type == PROMQL_VECTOR &&
               !has_selector(scalar) && row_by_row(vector) && !promql_names_may_meet(vector);
    }
    case EXPR_CALL:
        return call_row_by_row(x);
    default:
        return false;
    }
}

struct shard {
    struct engine engine;
    struct arena arena;
    struct promql_failure failure;
    int err;
};

struct parallel {
    struct engine *e;
    const struct promql_expr *expr;
    const struct grid *grid;
    promql_consume_f *consume;
    const void *context;
    char *parts; /* [n] of part_size bytes */
    size_t part_size, n;
    struct stream *first;
    struct shard *shards; /* [n]; of the first only err is used */
    struct promql_shared shared;
    _Atomic size_t failed; /* the shard that failed first, n: none */
};

static void consume_shard(void *context, size_t i)
{
    struct parallel *p = context;
    struct shard *s = &p->shards[i];
    struct engine *e = i ? &s->engine : p->e;
    struct stream *stream = p->first;
    if (i)
        s->err = promql_stream(e, p->expr, p->grid, &stream);
    if (s->err == 0)
        s->err = p->consume(e, stream, p->context, p->parts + i * p->part_size);
    if (s->err < 0 && !atomic_exchange(&p->shared.stop, true))
        atomic_store(&p->failed, i);
}

static void shard_open(struct parallel *p, size_t i, struct series_cursor *given)
{
    struct shard *s = &p->shards[i];
    struct engine *e = &s->engine;
    arena_init(&s->arena);
    *e = *p->e;
    e->arena = &s->arena;
    e->failure = &s->failure;
    e->given = given;
    e->times_only = false;
    e->charged = 0;
    e->series = e->samples = e->told_series = e->told_samples = e->work = 0;
    memset(&e->cursors, 0, sizeof e->cursors);
    memset(&e->regexes, 0, sizeof e->regexes);
    memset(&e->warnings, 0, sizeof e->warnings);
    memset(&e->infos, 0, sizeof e->infos);
    memset(&e->mended, 0, sizeof e->mended);
}

/* What the shard's engine holds goes to the query's. */
static void shard_join(struct engine *e, struct shard *s)
{
    struct engine *from = &s->engine;
    promql_engine_join(e, from);
    arena_take(e->arena, &s->arena);
    e->charged += from->charged;
    e->series += from->series;
    e->samples += from->samples;
    e->told_series += from->told_series;
    e->told_samples += from->told_samples;
    e->alive_peak = MAX(e->alive_peak, from->alive_peak);
    for (size_t i = 0; i < from->regexes.n; i++)
        vec_push(&e->regexes, from->regexes.v[i]);
    vec_free(&from->regexes);
    vec_free(&from->cursors);
}

/* Into how many shards a cursor that has just been opened is cut. */
static size_t shards_of(const struct engine *e, const struct series_cursor *c, const struct grid *g)
{
    const struct promql_query *q = e->query;
    if (!c || e->step_samples || !q->pool || !q->store->ops->split || pool_threads(q->pool) < 2)
        return 1;
    if (q->shards)
        return MIN(q->shards, (size_t)PROMQL_SHARDS_MAX);
    uint64_t cost = q->store->ops->estimate(c) * (SERIES_NS + STEP_NS * (uint64_t)g->n);
    return MAX(MIN(cost / SHARD_NS, (uint64_t)PROMQL_SHARDS_MAX), (uint64_t)1);
}

static int run_shards(struct parallel *p, struct series_cursor *const *given)
{
    struct engine *e = p->e;
    atomic_init(&p->shared.alive, e->alive);
    atomic_init(&p->failed, p->n);
    p->shards = mem_array(p->n, sizeof *p->shards);
    e->shared = &p->shared;
    e->inside++;
    for (size_t i = 1; i < p->n; i++) {
        shard_open(p, i, given[i - 1]);
        vec_push(&e->cursors, given[i - 1]);
    }
    pool_split(e->query->pool, p->n, consume_shard, p);
    e->inside--;
    e->shared = NULL;
    e->alive = atomic_load(&p->shared.alive);
    for (size_t i = 1; i < p->n; i++)
        shard_join(e, &p->shards[i]);
    size_t failed = atomic_load(&p->failed);
    int err = failed < p->n ? p->shards[failed].err : 0;
    if (failed > 0 && failed < p->n)
        *e->failure = p->shards[failed].failure;
    mem_free(p->shards);
    return err;
}

int promql_parallel(struct engine *e, const struct promql_expr *x, const struct grid *g,
                    promql_consume_f *consume, const void *context, size_t part_size, void *ret,
                    size_t *ret_n)
{
    struct parallel p = {e, x, g, consume, context, .part_size = part_size, .n = 1};
    struct series_cursor *given[PROMQL_SHARDS_MAX];
    size_t before = e->cursors.n;
    bool able = !e->inside && row_by_row(x);
    e->inside += able;
    int err = promql_stream(e, x, g, &p.first);
    e->inside -= able;
    if (err < 0) {
        *ret_n = 0;
        return err;
    }
    if (!e->prepared_ns)
        e->prepared_ns = clock_monotonic_ns(&clock_real);
    if (able && e->cursors.n == before + 1) {
        struct series_cursor *c = e->cursors.v[before];
        size_t n = shards_of(e, c, g);
        if (n > 1)
            p.n = 1 + e->query->store->ops->split(c, n, given);
        if (p.n > 1 && e->profile)
            promql_profile_note(e, x, PROFILE_SHARDS);
    }
    p.parts = arena_array(e->arena, p.n, part_size);
    memcpy(ret, &p.parts, sizeof p.parts);
    *ret_n = p.n;
    return p.n > 1 ? run_shards(&p, given) : consume(e, p.first, context, p.parts);
}

struct rows_wanted {
    size_t steps;
};

static int consume_rows(struct engine *e, struct stream *s, const void *context, void *part)
{
    const struct rows_wanted *w = context;
    return promql_rows_gather(e, s, w->steps, part);
}

int promql_parallel_rows(struct engine *e, const struct promql_expr *x, const struct grid *g,
                         struct rows *ret)
{
    struct rows_wanted w = {g->n};
    struct rows *parts = NULL;
    size_t n = 0;
    int err = promql_parallel(e, x, g, consume_rows, &w, sizeof *parts, &parts, &n);
    for (size_t i = 0; i < n; i++) {
        if (i == 0) {
            *ret = parts[0];
            continue;
        }
        vec_reserve(ret, ret->n + parts[i].n);
        if (parts[i].n)
            memcpy(ret->v + ret->n, parts[i].v, parts[i].n * sizeof *ret->v);
        ret->n += parts[i].n;
        promql_rows_done(&parts[i]);
    }
    return err;
}
