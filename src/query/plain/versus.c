#include "query/plain/versus.h"

#include <math.h>
#include <string.h>

#include "base/must.h"
#include "model/labels.h"
#include "model/sample.h"

enum { NOISES = 4, TOLD_MAX = 6 };

struct contest {
    struct versus *versus;
    const struct versus_query *query;
    const struct promql_expr *expr;
    struct arena arena;
    struct plain_answer engine, plain, noisy[NOISES];
    bool noise_asked;
};

/* --- the engine's answer in the form of the plain one -------------------------------------------
 */

static void keep_series(struct contest *c, const struct promql_series *from,
                        struct plain_series *to)
{
    to->key = arena_str(&c->arena, from->key);
    to->v = arena_array(&c->arena, from->n, sizeof *to->v);
    to->n = from->n;
    for (size_t i = 0; i < from->n; i++) {
        const struct histogram *h = from->histogram ? from->histogram[i] : NULL;
        to->v[i] = (struct plain_sample){from->ts_ms[i], h ? 0 : from->value[i],
                                         h ? histogram_clone(h, &c->arena) : NULL};
    }
}

static void keep_note(struct contest *c, struct plain_notes *to, struct str text)
{
    /* The plain evaluator keeps no hints of counter resets. */
    if (str_search(text, STR("conflicting counter resets")) < text.n)
        return;
    if (to->n < PLAIN_NOTES_MAX)
        to->v[to->n++] = arena_str(&c->arena, text).p;
}

static void keep_result(struct contest *c, struct promql_result *r)
{
    struct plain_answer *a = &c->engine;
    struct promql_series s;
    struct str text;
    int64_t ts;
    size_t at = 0;
    a->type = promql_result_type(r);
    if (a->type == PROMQL_SCALAR)
        a->scalar = promql_result_scalar(r, &ts);
    if (a->type == PROMQL_STRING)
        a->string = arena_str(&c->arena, promql_result_string(r, &ts));
    a->series = arena_array(&c->arena, promql_result_count(r) + 1, sizeof *a->series);
    while (promql_result_next(r, &s))
        keep_series(c, &s, &a->series[a->n++]);
    while (promql_result_warning(r, &at, &text))
        keep_note(c, &a->warnings, text);
    at = 0;
    while (promql_result_info(r, &at, &text))
        keep_note(c, &a->infos, text);
    promql_result_free(r);
}

static void ask_engine(struct contest *c)
{
    const struct versus_query *q = c->query;
    struct promql_query query = {.expr = c->expr,
                                 .options = &q->options,
                                 .store = c->versus->store,
                                 .tenant = c->versus->tenant,
                                 .start_ms = q->start_ms,
                                 .end_ms = q->instant ? q->start_ms : q->end_ms,
                                 .step_ms = q->instant ? 0 : q->step_ms,
                                 .instant = q->instant,
                                 .blocks_from_ms = q->blocks_from_ms,
                                 .pool = c->versus->pool,
                                 .shards = c->versus->pool ? (uint32_t)(1 + q->text.n % 5) : 0};
    struct promql_failure failure = {0};
    struct promql_result *r;
    if (promql_run(&query, &r, &failure) < 0) {
        c->engine.error = failure.kind;
        c->engine.error_text = arena_str(&c->arena, str_c(failure.text)).p;
        return;
    }
    keep_result(c, r);
}

static void ask_plain(struct contest *c, uint64_t noise, struct plain_answer *ret)
{
    const struct versus_query *q = c->query;
    struct plain_query query = {.expr = c->expr,
                                .options = &q->options,
                                .data = c->versus->data,
                                .start_ms = q->start_ms,
                                .end_ms = q->instant ? q->start_ms : q->end_ms,
                                .step_ms = q->step_ms,
                                .instant = q->instant,
                                .noise = noise};
    plain_evaluate(&query, &c->arena, ret);
}

/* --- comparing ----------------------------------------------------------------------------------
 */

static bool same_value(double a, double b)
{
    if (a == b || (isnan(a) && isnan(b)))
        return true;
    if (!isfinite(a) || !isfinite(b))
        return false;
    return fabs(a - b) <= 1e-9 * fmax(fabs(a), fabs(b)) || fabs(a - b) < 1e-11;
}

/* The count of the bucket with an index; spans may be split in any way. */
static double count_at(const struct histogram *h, bool negative, int32_t wanted)
{
    const struct histogram_span *spans = negative ? h->negative_spans : h->positive_spans;
    uint32_t n = negative ? h->negative_spans_n : h->positive_spans_n;
    const double *counts = negative ? h->negative : h->positive;
    int32_t index = 0;
    for (uint32_t i = 0; i < n; i++) {
        index += spans[i].offset;
        if (wanted >= index && wanted < index + (int32_t)spans[i].length)
            return counts[wanted - index];
        counts += spans[i].length;
        index += (int32_t)spans[i].length;
    }
    return 0;
}

static bool same_buckets(const struct histogram *a, const struct histogram *b)
{
    for (int32_t i = -64; i < 64; i++) {
        if (!same_value(count_at(a, false, i), count_at(b, false, i)) ||
            !same_value(count_at(a, true, i), count_at(b, true, i)))
            return false;
    }
    return true;
}

static bool same_sample(const struct plain_sample *a, const struct plain_sample *b)
{
    if (!a || !b)
        return a == b;
    if (!a->histogram != !b->histogram)
        return false;
    if (!a->histogram)
        return same_value(a->value, b->value);
    return a->histogram->schema == b->histogram->schema &&
           same_value(a->histogram->count, b->histogram->count) &&
           same_value(a->histogram->sum, b->histogram->sum) &&
           same_value(a->histogram->zero_count, b->histogram->zero_count) &&
           (!isfinite(a->histogram->count) || same_buckets(a->histogram, b->histogram));
}

static const struct plain_sample *sample_of(const struct plain_answer *a, struct str key,
                                            int64_t ts_ms)
{
    for (size_t i = 0; i < a->n; i++) {
        if (!str_eq(a->series[i].key, key))
            continue;
        for (size_t k = 0; k < a->series[i].n; k++) {
            if (a->series[i].v[k].ts_ms == ts_ms)
                return &a->series[i].v[k];
        }
    }
    return NULL;
}

static void ask_noisy(struct contest *c)
{
    for (uint64_t i = 0; i < NOISES && !c->noise_asked; i++)
        ask_plain(c, i + 1, &c->noisy[i]);
    c->noise_asked = true;
}

/* Values can become labels: has each series of a its like in b? */
static bool same_keys(const struct plain_answer *a, const struct plain_answer *b)
{
    for (size_t i = 0; i < a->n; i++) {
        bool found = false;
        for (size_t k = 0; k < b->n && !found; k++)
            found = str_eq(a->series[i].key, b->series[k].key);
        if (!found)
            return false;
    }
    return true;
}

/* Does the plain evaluator always say the same of this point? */
static bool is_firm(struct contest *c, struct str key, int64_t ts_ms)
{
    ask_noisy(c);
    const struct plain_sample *s = sample_of(&c->plain, key, ts_ms);
    for (size_t i = 0; i < NOISES; i++) {
        if (c->noisy[i].error || !same_sample(s, sample_of(&c->noisy[i], key, ts_ms)))
            return false;
        if (!s && !same_keys(&c->noisy[i], &c->plain))
            return false;
    }
    return true;
}

struct verdict {
    size_t differences, firm;
};

static void put_sample(struct buf *out, const struct plain_sample *s)
{
    if (!s)
        buf_put_str(out, STR("nothing"));
    else if (s->histogram)
        buf_printf(out, "histogram(schema %d count %.17g sum %.17g)", (int)s->histogram->schema,
                   s->histogram->count, s->histogram->sum);
    else
        buf_printf(out, "%.17g", s->value);
}

static void judge(struct contest *c, struct str key, int64_t ts_ms, struct buf *told,
                  struct verdict *v)
{
    const struct plain_sample *a = sample_of(&c->engine, key, ts_ms);
    const struct plain_sample *b = sample_of(&c->plain, key, ts_ms);
    if (same_sample(a, b))
        return;
    v->differences++;
    if (!is_firm(c, key, ts_ms))
        return;
    if (v->firm++ >= TOLD_MAX)
        return;
    buf_put_str(told, STR("    "));
    labels_print(key, told);
    buf_printf(told, " @%lld: engine ", (long long)ts_ms);
    put_sample(told, a);
    buf_put_str(told, STR(", plain "));
    put_sample(told, b);
    buf_put_c(told, '\n');
}

static void compare_series(struct contest *c, struct buf *told, struct verdict *v)
{
    const struct plain_answer *sides[] = {&c->engine, &c->plain};
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < sides[side]->n; i++) {
            const struct plain_series *s = &sides[side]->series[i];
            for (size_t k = 0; k < s->n; k++) {
                if (side == 0 || !sample_of(&c->engine, s->key, s->v[k].ts_ms))
                    judge(c, s->key, s->v[k].ts_ms, told, v);
            }
        }
    }
}

/* Is each of a's texts a part of one of b's (or the other way round)? */
static bool covers(const struct plain_notes *a, const struct plain_notes *b, bool turned)
{
    for (size_t i = 0; i < a->n; i++) {
        bool found = false;
        for (size_t k = 0; k < b->n; k++)
            found |= strstr(turned ? a->v[i] : b->v[k], turned ? b->v[k] : a->v[i]) != NULL;
        if (!found)
            return false;
    }
    return true;
}

static bool same_notes(const struct plain_notes *engine, const struct plain_notes *plain)
{
    return covers(plain, engine, false) && covers(engine, plain, true);
}

static void compare_notes(struct contest *c, struct buf *told, struct verdict *v)
{
    const struct plain_notes *engine[] = {&c->engine.warnings, &c->engine.infos};
    const struct plain_notes *plain[] = {&c->plain.warnings, &c->plain.infos};
    if (same_notes(engine[0], plain[0]) && same_notes(engine[1], plain[1]))
        return;
    v->differences++;
    ask_noisy(c);
    for (size_t i = 0; i < NOISES; i++) {
        if (same_notes(engine[0], &c->noisy[i].warnings) &&
            same_notes(engine[1], &c->noisy[i].infos))
            return;
    }
    v->firm++;
    for (int i = 0; i < 2; i++) {
        const char *kind = i ? "info" : "warning";
        for (size_t k = 0; k < engine[i]->n; k++)
            buf_printf(told, "    engine %s: %s\n", kind, engine[i]->v[k]);
        for (size_t k = 0; k < plain[i]->n; k++)
            buf_printf(told, "    plain %s: %s\n", kind, plain[i]->v[k]);
    }
}

static void compare_errors(struct contest *c, struct buf *told, struct verdict *v)
{
    if (c->engine.error == c->plain.error)
        return;
    v->differences++;
    ask_noisy(c);
    for (size_t i = 0; i < NOISES; i++) {
        if (c->noisy[i].error == c->engine.error)
            return;
    }
    v->firm++;
    buf_printf(told, "    engine: %s, plain: %s\n",
               c->engine.error ? c->engine.error_text : "no error",
               c->plain.error ? c->plain.error_text : "no error");
}

/* Matrices are sorted by labels; sort() and sort_desc() sort vectors by value. */
static void compare_order(struct contest *c, struct buf *told, struct verdict *v)
{
    const struct promql_expr *x = c->expr;
    const struct plain_answer *a = &c->engine, *b = &c->plain;
    bool sorted = a->type == PROMQL_VECTOR && x->kind == EXPR_CALL &&
                  (x->function == PROMQL_FN_SORT || x->function == PROMQL_FN_SORT_DESC);
    bool good = true;
    for (size_t i = 1; i < a->n && a->type == PROMQL_MATRIX; i++)
        good &= labels_cmp(a->series[i - 1].key, a->series[i].key) < 0;
    for (size_t i = 0; i < a->n && a->n == b->n && sorted && v->differences == 0; i++)
        good &= same_value(a->series[i].v[0].value, b->series[i].v[0].value);
    if (good)
        return;
    v->differences++;
    v->firm++;
    buf_put_str(told, STR("    the order of the series\n"));
}

static void compare_scalar(struct contest *c, struct buf *told, struct verdict *v)
{
    if (c->engine.type != PROMQL_SCALAR || same_value(c->engine.scalar, c->plain.scalar))
        return;
    v->differences++;
    ask_noisy(c);
    for (size_t i = 0; i < NOISES; i++) {
        if (!same_value(c->noisy[i].scalar, c->plain.scalar))
            return;
    }
    v->firm++;
    buf_printf(told, "    scalar: engine %.17g, plain %.17g\n", c->engine.scalar, c->plain.scalar);
}

static bool compare(struct contest *c, struct buf *told)
{
    struct verdict v = {0};
    compare_errors(c, told, &v);
    if (!c->engine.error && !c->plain.error) {
        compare_scalar(c, told, &v);
        compare_series(c, told, &v);
        compare_order(c, told, &v);
        compare_notes(c, told, &v);
    }
    c->versus->unstable += v.differences && !v.firm;
    return v.firm == 0;
}

static void tell(struct contest *c, struct buf *told)
{
    const struct versus_query *q = c->query;
    struct buf *out = c->versus->report;
    if (!out)
        return;
    buf_printf(out, "%s%s, %s, names %s, blocks from %lld: ", c->versus->name,
               c->versus->pool ? " with a pool" : "", q->instant ? "instant" : "range",
               q->options.delayed_names ? "late" : "at once", (long long)q->blocks_from_ms);
    buf_printf(out, "%lld..%lld step %lld\n  ", (long long)q->start_ms, (long long)q->end_ms,
               (long long)q->step_ms);
    buf_put_str(out, q->text);
    buf_put_c(out, '\n');
    buf_put_str(out, buf_str(told));
}

bool versus_ask(struct versus *v, const struct versus_query *q)
{
    struct contest c = {.versus = v, .query = q};
    struct promql_failure failure = {0};
    struct promql_expr *x;
    struct buf told;
    buf_init(&told, 1 << 16);
    arena_init(&c.arena);
    v->asked++;
    bool same = false;
    if (promql_parse(q->text, &q->options, &c.arena, &x, &failure) < 0) {
        buf_printf(&told, "    %s\n", failure.text);
    } else if (plain_knows(x)) {
        c.expr = x;
        ask_engine(&c);
        ask_plain(&c, 0, &c.plain);
        same = compare(&c, &told);
        v->failed += c.engine.error != PROMQL_NONE;
        v->filled += c.engine.n > 0;
    } else {
        buf_put_str(&told, STR("    the plain evaluator does not know this\n"));
    }
    v->different += !same;
    if (!same)
        tell(&c, &told);
    arena_done(&c.arena);
    buf_done(&told);
    return same;
}
