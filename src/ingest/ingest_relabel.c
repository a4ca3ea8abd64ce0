#include "ingest/ingest_relabel.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/must.h"
#include "model/sink.h"
#include "relabel/relabel.h"

static const struct option ROWS[] = {RELABEL_ROW_OPTIONS(0)};

const struct option_table ingest_relabel_options = {
    "ingest.relabel",
    "Rules that rewrite the labels of what is written, or drop it, in the order in which they "
    "stand; as metric_relabel_configs of Prometheus, for every way in.",
    true,
    sizeof(struct relabel_row),
    ROWS,
    COUNTOF(ROWS),
};

struct lane {
    struct arena arena;
    struct ingest_relabelled out;
};

struct ingest_relabel {
    _Atomic bool any;
    pthread_rwlock_t lock; /* read while rules are used */
    struct relabel *rules;
    struct lane *lanes[SINK_LANES_MAX]; /* a lane's own thread makes it */
};

static int compile(const struct option_rows *rows, struct relabel **ret, struct why *why)
{
    const struct relabel_row *from = rows->v;
    struct arena a;
    arena_init(&a);
    struct relabel_rule *to = arena_array(&a, rows->n + 1, sizeof *to);
    for (size_t i = 0; i < rows->n; i++)
        to[i] = relabel_row_rule(&from[i], &a);
    int err = relabel_new(to, rows->n, ret, NULL, why);
    arena_done(&a);
    return err;
}

int ingest_relabel_check(const struct option_rows *rows, struct why *why)
{
    struct relabel *rules;
    int err = compile(rows, &rules, why);
    if (err)
        why_prefix(why, "[[ingest.relabel]]");
    else
        relabel_free(rules);
    return err;
}

struct ingest_relabel *ingest_relabel_new(void)
{
    struct ingest_relabel *r = mem_new(sizeof *r);
    must(pthread_rwlock_init(&r->lock, NULL) == 0);
    return r;
}

void ingest_relabel_free(struct ingest_relabel *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < SINK_LANES_MAX; i++) {
        if (r->lanes[i])
            arena_done(&r->lanes[i]->arena);
        mem_free(r->lanes[i]);
    }
    relabel_free(r->rules);
    pthread_rwlock_destroy(&r->lock);
    mem_free(r);
}

void ingest_relabel_set(struct ingest_relabel *r, const struct option_rows *rows)
{
    struct relabel *rules = NULL;
    if (rows->n) {
        int err = compile(rows, &rules, NULL);
        must(err == 0); /* ingest_relabel_check() has taken them */
    }
    pthread_rwlock_wrlock(&r->lock);
    struct relabel *old = r->rules;
    r->rules = rules;
    r->any = rules != NULL;
    pthread_rwlock_unlock(&r->lock);
    relabel_free(old);
}

bool ingest_relabel_any(const struct ingest_relabel *r)
{
    return atomic_load_explicit(&r->any, memory_order_relaxed);
}

static struct lane *lane_of(struct ingest_relabel *r, size_t lane)
{
    must(lane < SINK_LANES_MAX);
    if (!r->lanes[lane]) {
        r->lanes[lane] = mem_new(sizeof *r->lanes[lane]);
        arena_init(&r->lanes[lane]->arena);
    }
    arena_reset(&r->lanes[lane]->arena);
    return r->lanes[lane];
}

/* 1 where the rules went meanwhile: the key stays as it is. */
static int apply(struct ingest_relabel *r, struct lane *l, struct str key, struct str *ret,
                 struct why *why)
{
    if (r->rules)
        return relabel_apply(r->rules, key, &l->arena, ret, why);
    *ret = key;
    return 1;
}

struct ingest_relabelled *ingest_relabel_batch(struct ingest_relabel *r, size_t lane,
                                               struct batch *b)
{
    struct lane *l = lane_of(r, lane);
    struct ingest_relabelled *out = &l->out;
    out->batch.n = out->dropped = out->refused = 0;
    pthread_rwlock_rdlock(&r->lock);
    for (size_t i = 0; i < b->n; i++) {
        struct str key = STR("");
        int kept = apply(r, l, b->key[i], &key, out->refused ? NULL : &out->why);
        b->err[i] = (int8_t)MIN(kept, 0);
        out->refused += kept < 0;
        if (kept < 0)
            continue;
        if (kept == 0 || key.n == 0) {
            out->dropped++;
            continue;
        }
        size_t k = out->batch.n++;
        out->place[k] = (uint8_t)i;
        out->batch.key[k] = key;
        out->batch.ts_ms[k] = b->ts_ms[i];
        out->batch.value[k] = b->value[i];
        out->batch.histogram[k] = b->histogram[i];
        out->batch.start_ms[k] = b->start_ms[i];
    }
    pthread_rwlock_unlock(&r->lock);
    return out;
}

int ingest_relabel_key(struct ingest_relabel *r, size_t lane, struct str key, struct str *ret,
                       struct why *why)
{
    struct lane *l = lane_of(r, lane);
    struct str out = STR("");
    pthread_rwlock_rdlock(&r->lock);
    int kept = apply(r, l, key, &out, why);
    pthread_rwlock_unlock(&r->lock);
    if (kept <= 0 || out.n == 0)
        return MIN(kept, 0);
    *ret = out;
    return 1;
}
