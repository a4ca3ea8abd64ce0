#include "threshold/backtest.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"
#include "model/labels.h"

enum { PIECE_STEPS = 5000, AGAIN_MS = 3600 * 1000, SERIES_MAX = 100000 };

#define NEVER INT64_MIN

/* A series that the expression gave at some time. */
struct track {
    struct str labels;
    int64_t active_ms, fired_ms, keep_ms, ended_ms; /* NEVER */
    double peak;
    unsigned char *met; /* [steps of a piece] bits: 1 expr, 2 hold */
    double *value;      /* [steps of a piece] */
};

struct run {
    const struct backtest *b;
    struct arena *arena;
    struct map tracks; /* labels -> struct track * */
    struct {
        struct backtest_firing *v;
        size_t n, capacity;
    } firings;
    struct {
        int64_t *v;
        size_t n, capacity;
    } lengths;
    struct backtest_result *ret;
    unsigned firing;  /* series that fire now */
    int64_t until_ns; /* the end of its time; 0: none */
};

/* ---- states */

static void begin_firing(struct run *r, struct track *t, int64_t at)
{
    t->fired_ms = at;
    t->keep_ms = NEVER;
    r->firing++;
    r->ret->fired++;
    r->ret->again += t->ended_ms != NEVER && at - t->ended_ms <= AGAIN_MS;
}

static void end_firing(struct run *r, struct track *t, int64_t at, bool open)
{
    struct backtest_firing f = {t->labels, t->fired_ms, at, open, t->peak};
    int64_t length = at - t->fired_ms;
    if (r->firings.n < BACKTEST_FIRINGS_MAX)
        vec_push(&r->firings, f);
    if (!open) {
        vec_push(&r->lengths, length);
        r->ret->brief += length < BACKTEST_SHORT_MS;
    }
    r->ret->longest_ms = MAX(r->ret->longest_ms, length);
    t->active_ms = t->fired_ms = t->keep_ms = NEVER;
    t->ended_ms = at;
    t->peak = 0;
    r->firing--;
}

static void meet(struct run *r, struct track *t, int64_t at, double value)
{
    t->keep_ms = NEVER;
    if (t->active_ms == NEVER) {
        t->active_ms = at;
        t->peak = value;
    }
    if (fabs(value) > fabs(t->peak) || isnan(t->peak))
        t->peak = value;
    if (t->fired_ms == NEVER && at - t->active_ms >= r->b->for_ms)
        begin_firing(r, t, at);
}

static void miss(struct run *r, struct track *t, int64_t at)
{
    if (t->active_ms == NEVER)
        return;
    if (t->fired_ms == NEVER) {
        r->ret->pended++;
        t->active_ms = NEVER;
        return;
    }
    if (r->b->keep_firing_for_ms > 0) {
        if (t->keep_ms == NEVER)
            t->keep_ms = at;
        if (at - t->keep_ms < r->b->keep_firing_for_ms)
            return;
    }
    end_firing(r, t, at, false);
}

/* ---- a piece of the range */

static struct str bare(struct run *r, struct str key)
{
    struct label one;
    struct buf out;
    buf_init(&out, LABELS_KEY_MAX);
    for (const char *at = key.p; key.n > 0 && labels_next(key, &at, &one, NULL);)
        if (!str_eq(one.name, STR("__name__")))
            labels_put(&out, one.name, one.value);
    struct str text = arena_str(r->arena, buf_str(&out));
    buf_done(&out);
    return text;
}

static struct track *track_of(struct run *r, struct str key)
{
    struct str labels = bare(r, key);
    bool fresh;
    union map_value *at = map_put(&r->tracks, labels, &fresh);
    if (fresh) {
        struct track *t = arena_new(r->arena, sizeof *t);
        *t = (struct track){.labels = labels,
                            .active_ms = NEVER,
                            .fired_ms = NEVER,
                            .keep_ms = NEVER,
                            .ended_ms = NEVER};
        at->p = t;
    }
    return at->p;
}

static void mark(struct run *r, const struct promql_series *s, int64_t from_ms, unsigned char bit)
{
    struct track *t = track_of(r, s->key);
    if (t->met == NULL) {
        t->met = mem_array(PIECE_STEPS, 1);
        t->value = mem_array(PIECE_STEPS, sizeof *t->value);
    }
    for (size_t i = 0; i < s->n; i++) {
        size_t step = (size_t)((s->ts_ms[i] - from_ms) / r->b->interval_ms);
        t->met[step] |= bit;
        if (bit == 1 || !(t->met[step] & 1))
            t->value[step] = s->value != NULL ? s->value[i] : 0;
    }
}

static int ask(struct run *r, const struct promql_expr *expr, int64_t from_ms, int64_t to_ms,
               unsigned char bit, struct promql_failure *failure)
{
    struct promql_query q = r->b->query;
    struct promql_result *result;
    struct promql_series s;
    q.expr = expr;
    q.start_ms = from_ms;
    q.end_ms = to_ms;
    q.step_ms = r->b->interval_ms;
    q.instant = false;
    if (r->until_ns != 0) {
        int64_t left = r->until_ns - clock_monotonic_ns(&clock_real);
        q.limits.timeout_ns = MAX(left, 1); /* what is over fails at once, in the query's words */
    }
    int err = promql_run(&q, &result, failure);
    if (err != 0)
        return err;
    while (promql_result_next(result, &s) && r->tracks.n <= SERIES_MAX)
        mark(r, &s, from_ms, bit);
    promql_result_free(result);
    if (r->tracks.n <= SERIES_MAX)
        return 0;
    *failure = (struct promql_failure){.kind = PROMQL_EXECUTION};
    snprintf(failure->text, sizeof failure->text, "the rule gives more than %d series", SERIES_MAX);
    return -ERR_LIMIT;
}

static void step_all(struct run *r, int64_t from_ms, int64_t to_ms)
{
    size_t step = 0;
    for (int64_t at = from_ms; at <= to_ms; at += r->b->interval_ms, step++) {
        size_t slot = 0;
        for (struct map_slot *m; (m = map_next(&r->tracks, &slot)) != NULL;) {
            struct track *t = m->value.p;
            unsigned char met = t->met != NULL ? t->met[step] : 0;
            /* Only what fires already is held. */
            if (met & 1 || (met & 2 && t->fired_ms != NEVER))
                meet(r, t, at, t->value[step]);
            else
                miss(r, t, at);
        }
        r->ret->firing_ms += r->firing > 0 ? r->b->interval_ms : 0;
        r->ret->steps++;
    }
    size_t slot = 0;
    for (struct map_slot *m; (m = map_next(&r->tracks, &slot)) != NULL;) {
        struct track *t = m->value.p;
        mem_free(t->met);
        mem_free(t->value);
        t->met = NULL;
        t->value = NULL;
    }
}

static int run_piece(struct run *r, int64_t from_ms, int64_t to_ms, struct promql_failure *failure)
{
    int err = ask(r, r->b->expr, from_ms, to_ms, 1, failure);
    if (err == 0 && r->b->hold != NULL)
        err = ask(r, r->b->hold, from_ms, to_ms, 2, failure);
    step_all(r, from_ms, err == 0 ? to_ms : from_ms - 1);
    return err;
}

/* ---- figures */

static int by_start(const void *a, const void *b)
{
    const struct backtest_firing *x = a, *y = b;
    int order = (x->start_ms > y->start_ms) - (x->start_ms < y->start_ms);
    return order != 0 ? order : labels_cmp(x->labels, y->labels);
}

static int by_length(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void sum_up(struct run *r)
{
    size_t slot = 0;
    for (struct map_slot *m; (m = map_next(&r->tracks, &slot)) != NULL;) {
        struct track *t = m->value.p;
        if (t->fired_ms != NEVER)
            end_firing(r, t, r->b->end_ms, true);
    }
    r->ret->series = r->tracks.n;
    if (r->firings.n > 1)
        qsort(r->firings.v, r->firings.n, sizeof *r->firings.v, by_start);
    if (r->lengths.n > 1)
        qsort(r->lengths.v, r->lengths.n, sizeof *r->lengths.v, by_length);
    r->ret->median_ms = r->lengths.n > 0 ? r->lengths.v[r->lengths.n / 2] : 0;
    r->ret->n = r->firings.n;
    r->ret->firings = arena_array(r->arena, r->firings.n + 1, sizeof *r->ret->firings);
    for (size_t i = 0; i < r->firings.n; i++)
        r->ret->firings[i] = r->firings.v[i];
}

int backtest_run(const struct backtest *b, struct arena *a, struct backtest_result *ret,
                 struct promql_failure *failure)
{
    struct run r = {.b = b, .arena = a, .ret = ret};
    int64_t piece_ms = (PIECE_STEPS - 1) * b->interval_ms;
    int err = 0;
    if (b->query.limits.timeout_ns > 0)
        r.until_ns = clock_monotonic_ns(&clock_real) + b->query.limits.timeout_ns;
    *ret = (struct backtest_result){0};
    if (b->interval_ms <= 0 || b->end_ms < b->start_ms ||
        (b->end_ms - b->start_ms) / b->interval_ms >= BACKTEST_STEPS_MAX) {
        *failure = (struct promql_failure){.kind = PROMQL_BAD_DATA};
        snprintf(failure->text, sizeof failure->text,
                 "the range has to end after it starts and to have at most %d intervals",
                 BACKTEST_STEPS_MAX);
        return -ERR_RANGE;
    }
    map_init(&r.tracks, 0);
    for (int64_t from = b->start_ms; err == 0 && from <= b->end_ms;
         from += piece_ms + b->interval_ms)
        err = run_piece(&r, from, MIN(from + piece_ms, b->end_ms), failure);
    if (err == 0)
        sum_up(&r);
    vec_free(&r.firings);
    vec_free(&r.lengths);
    map_done(&r.tracks);
    return err;
}
