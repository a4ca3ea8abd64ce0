#include "query/promql/promqltest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "model/labels.h"
#include "model/sample.h"
#include "os/pool.h"
#include "query/promql/promql_tree.h"
#include "text/regex.h"

static const int64_t TIMEOUT_NS = 10000000000; /* of one query */

enum { MINUTE_MS = 60000, LINES_MAX = 200000, SAMPLES_MAX = 10000, THREADS = 2 };

struct expectation {
    bool any; /* "expect warn" was written */
    struct {
        struct str *v;
        size_t n, capacity;
    } texts, patterns;
};

struct eval {
    struct str expr;
    size_t line;
    bool instant, ordered, has_scalar, has_string, ranged;
    int64_t start_ms, end_ms, step_ms;
    int64_t first_ms; /* the time of the first expected value */
    double scalar;
    struct str string;
    struct expectation fail, warn, info;
    bool no_warn, no_info;
    struct {
        struct promqltest_series *v;
        size_t n, capacity;
    } series;
};

struct runner {
    struct str *lines;
    size_t lines_n, at;
    struct promqltest_store *store;
    struct pool *pool;
    struct arena arena; /* of one case */
    struct promqltest_result *result;
    struct buf *report;
};

/* What the language says is on: everything but the label __type__. */
static struct promql_options options_of_cases(void)
{
    struct promql_options o = promql_options_all();
    o.type_and_unit = false;
    return o;
}

static bool is_duration(struct str s, int64_t *ret)
{
    struct why why;
    return promql_duration_read(s, ret, &why) == 0;
}

/* --- what an answer must look like ------------------------------------------------------------ */

static bool same_value(const struct promqltest_value *want, const struct promql_series *got,
                       size_t i)
{
    const struct histogram *h = got->histogram ? got->histogram[i] : NULL;
    if (want->histogram || h)
        return want->histogram && h && promqltest_same_histogram(want->histogram, h);
    return promqltest_same_float(want->value, got->value[i]);
}

static const char *describe(const struct promql_series *s, size_t i, struct arena *a)
{
    const struct histogram *h = s->histogram ? s->histogram[i] : NULL;
    struct buf b;
    buf_init(&b, 8192);
    labels_print(s->key, &b);
    if (h) {
        buf_printf(&b, " {{schema:%d count:%g sum:%g z:%g@%g", h->schema, h->count, h->sum,
                   h->zero_count, h->zero_threshold);
        for (uint32_t k = 0; k < h->positive_n && k < 40; k++)
            buf_printf(&b, " %g", h->positive[k]);
        buf_printf(&b, "}}");
    } else {
        buf_printf(&b, " %.17g", s->value[i]);
    }
    buf_printf(&b, " at %lld", (long long)s->ts_ms[i]);
    const char *text = arena_str(a, buf_str(&b)).p;
    buf_done(&b);
    return text;
}

/* --- annotations ------------------------------------------------------------------------------ */

static bool pattern_matches(struct str pattern, struct str text)
{
    struct regex *re;
    struct why why = {0};
    struct buf open;
    buf_init(&open, 65536);
    buf_printf(&open, ".*(?:" STR_FMT ").*", STR_ARG(pattern));
    bool good = regex_new(buf_str(&open), &re, &why) == 0;
    buf_done(&open);
    if (!good)
        return false;
    good = regex_match(re, text);
    regex_free(re);
    return good;
}

static bool text_matches(const struct expectation *x, struct str text)
{
    if (x->texts.n + x->patterns.n == 0)
        return true;
    for (size_t i = 0; i < x->texts.n; i++) {
        if (str_eq(x->texts.v[i], text))
            return true;
    }
    for (size_t i = 0; i < x->patterns.n; i++) {
        if (pattern_matches(x->patterns.v[i], text))
            return true;
    }
    return false;
}

typedef bool next_text_f(const struct promql_result *r, size_t *at, struct str *ret);

static bool check_texts(struct runner *t, const struct promql_result *r,
                        const struct expectation *x, bool none, next_text_f *next, const char **ret)
{
    size_t at = 0, n = 0;
    struct str text;
    while (next(r, &at, &text)) {
        n++;
        if (none || (x->any && !text_matches(x, text))) {
            *ret = arena_printf(&t->arena, "unexpected annotation: " STR_FMT, STR_ARG(text)).p;
            return false;
        }
    }
    if (x->any && n == 0) {
        *ret = "an annotation was expected";
        return false;
    }
    for (size_t i = 0; i < x->texts.n; i++) {
        bool found = false;
        for (at = 0; next(r, &at, &text);)
            found |= str_eq(text, x->texts.v[i]);
        if (!found) {
            *ret =
                arena_printf(&t->arena, "missing annotation: " STR_FMT, STR_ARG(x->texts.v[i])).p;
            return false;
        }
    }
    for (size_t i = 0; i < x->patterns.n; i++) {
        bool found = false;
        for (at = 0; next(r, &at, &text);)
            found |= pattern_matches(x->patterns.v[i], text);
        if (!found) {
            *ret = arena_printf(&t->arena, "missing annotation like " STR_FMT,
                                STR_ARG(x->patterns.v[i]))
                       .p;
            return false;
        }
    }
    return true;
}

/* --- one query -------------------------------------------------------------------------------- */

struct variant {
    const struct eval *eval;
    const struct promql_expr *expr;
    int64_t at_ms;
    bool middle; /* a range around at_ms, of which the middle counts */
};

static const struct promqltest_series *wanted(const struct eval *e, struct str key)
{
    for (size_t i = 0; i < e->series.n; i++) {
        if (str_eq(e->series.v[i].key, key))
            return &e->series.v[i];
    }
    return NULL;
}

static bool check_range_series(struct runner *t, const struct eval *e,
                               const struct promql_series *s, const char **ret)
{
    const struct promqltest_series *w = wanted(e, s->key);
    if (!w) {
        *ret = arena_printf(&t->arena, "unexpected series %s", describe(s, 0, &t->arena)).p;
        return false;
    }
    size_t k = 0;
    for (size_t i = 0; i < w->n; i++) {
        int64_t ms = e->first_ms + (int64_t)i * e->step_ms;
        if (!w->v[i].present)
            continue;
        if (k < s->n && s->ts_ms[k] == ms && same_value(&w->v[i], s, k)) {
            k++;
            continue;
        }
        *ret = arena_printf(&t->arena, "at %lld expected %g, got %s", (long long)ms, w->v[i].value,
                            k < s->n ? describe(s, k, &t->arena) : "nothing")
                   .p;
        return false;
    }
    if (k == s->n)
        return true;
    *ret = arena_printf(&t->arena, "unexpected point %s", describe(s, k, &t->arena)).p;
    return false;
}

static bool check_instant_series(struct runner *t, const struct variant *v, size_t place,
                                 const struct promql_series *s, size_t i, const char **ret)
{
    const struct eval *e = v->eval;
    const struct promqltest_series *w = wanted(e, s->key);
    if (!w) {
        *ret = arena_printf(&t->arena, "unexpected series %s", describe(s, i, &t->arena)).p;
        return false;
    }
    if (e->ordered && (place >= e->series.n || w != &e->series.v[place])) {
        *ret = arena_printf(&t->arena, "wrong place of %s", describe(s, i, &t->arena)).p;
        return false;
    }
    if (w->n == 1 && w->v[0].present && same_value(&w->v[0], s, i))
        return true;
    *ret = arena_printf(&t->arena, "expected %.17g, got %s", w->n ? w->v[0].value : 0,
                        describe(s, i, &t->arena))
               .p;
    return false;
}

static bool check_rows(struct runner *t, const struct variant *v, struct promql_result *r,
                       const char **ret)
{
    const struct eval *e = v->eval;
    struct promql_series s;
    size_t n = 0;
    bool whole = !e->instant || e->ranged, sorted = !e->instant || v->middle;
    struct str before = STR("");
    while (promql_result_next(r, &s)) {
        if (sorted && n && labels_cmp(before, s.key) >= 0) {
            *ret = "the series are not sorted by their labels";
            return false;
        }
        before = s.key;
        size_t i = 0;
        while (v->middle && i < s.n && s.ts_ms[i] != v->at_ms)
            i++;
        if (i == s.n)
            continue;
        if (whole ? !check_range_series(t, e, &s, ret) : !check_instant_series(t, v, n, &s, i, ret))
            return false;
        n++;
    }
    size_t want = 0;
    for (size_t i = 0; i < e->series.n; i++) {
        for (size_t k = 0; k < e->series.v[i].n; k++) {
            if (e->series.v[i].v[k].present) {
                want++;
                break;
            }
        }
    }
    if (n != want)
        *ret = arena_printf(&t->arena, "expected %zu series, got %zu", want, n).p;
    return n == want;
}

static bool check_result(struct runner *t, const struct variant *v, struct promql_result *r,
                         const char **ret)
{
    const struct eval *e = v->eval;
    int64_t ms;
    bool told = !v->middle; /* other ways to ask may have more to say */
    if (told && (!check_texts(t, r, &e->warn, e->no_warn, promql_result_warning, ret) ||
                 !check_texts(t, r, &e->info, e->no_info, promql_result_info, ret)))
        return false;
    if (e->has_string) {
        bool same = str_eq(promql_result_string(r, &ms), e->string);
        *ret = "another string";
        return same;
    }
    if (e->has_scalar && !v->middle) {
        if (promql_result_type(r) == PROMQL_SCALAR &&
            promqltest_same_float(e->scalar, promql_result_scalar(r, &ms)))
            return true;
        *ret =
            arena_printf(&t->arena, "expected %g, got %g", e->scalar, promql_result_scalar(r, &ms))
                .p;
        return false;
    }
    if (e->has_scalar) {
        struct promql_series s;
        bool same =
            promql_result_next(r, &s) && s.n > 1 && promqltest_same_float(e->scalar, s.value[1]);
        *ret = "another scalar in a range";
        return same;
    }
    return check_rows(t, v, r, ret);
}

static bool run_with(struct runner *t, const struct variant *v, int64_t blocks_from_ms,
                     struct pool *pool, const char **ret)
{
    const struct eval *e = v->eval;
    const struct promql_options options = options_of_cases();
    struct promql_query q = {.expr = v->expr,
                             .options = &options,
                             .store = promqltest_store_face(t->store),
                             .tenant = promqltest_store_tenant(t->store),
                             .start_ms = v->at_ms,
                             .end_ms = v->at_ms,
                             .step_ms = MINUTE_MS,
                             .instant = true,
                             .blocks_from_ms = blocks_from_ms,
                             .pool = pool,
                             .shards = 3,
                             .limits = {.samples_max = SAMPLES_MAX, .timeout_ns = TIMEOUT_NS}};
    if (v->middle) {
        q.start_ms -= MINUTE_MS;
        q.end_ms += MINUTE_MS;
        q.instant = false;
    } else if (!e->instant) {
        q.start_ms = e->start_ms;
        q.end_ms = e->end_ms;
        q.step_ms = e->step_ms;
        q.instant = false;
    }
    struct promql_result *r;
    struct promql_failure failure;
    int err = promql_run(&q, &r, &failure);
    bool good;
    if (err < 0) {
        good = e->fail.any && text_matches(&e->fail, str_c(failure.text));
        *ret = arena_printf(&t->arena, "failed: %s", failure.text).p;
        return good;
    }
    good = !e->fail.any && check_result(t, v, r, ret);
    if (e->fail.any)
        *ret = "a failure was expected";
    promql_result_free(r);
    return good;
}

/* From samples, from the aggregates of blocks, and on several threads. */
static bool run_variant(struct runner *t, const struct variant *v, const char **ret)
{
    return run_with(t, v, INT64_MAX, NULL, ret) && run_with(t, v, 1, NULL, ret) &&
           run_with(t, v, INT64_MAX, t->pool, ret);
}

/* --- variants of an instant query ------------------------------------------------------------- */

/* Puts @ t on what has none; a subquery with @ is left alone. */
static void pin(struct promql_expr *x, int64_t at_ms)
{
    if (!x)
        return;
    if (x->kind == EXPR_SUBQUERY && x->at != AT_NONE)
        return;
    if ((x->kind == EXPR_SELECTOR || x->kind == EXPR_SUBQUERY) && x->at == AT_NONE) {
        x->at = AT_TIME;
        x->at_ms = at_ms;
    }
    if (x->kind == EXPR_SELECTOR || x->kind == EXPR_SUBQUERY)
        return;
    if (x->kind == EXPR_CALL) {
        for (size_t i = 0; i < x->arguments_n; i++)
            pin(x->arguments[i], at_ms);
        return;
    }
    pin(x->left, at_ms);
    pin(x->right, at_ms);
}

/* Does it hold a call whose value depends on the time of the query? */
static bool is_unsafe(const struct promql_expr *x)
{
    if (!x)
        return false;
    if (x->kind == EXPR_CALL && (promql_function_row(x->function)->flags & FUNCTION_AT_UNSAFE))
        return true;
    for (size_t i = 0; x->kind == EXPR_CALL && i < x->arguments_n; i++) {
        if (is_unsafe(x->arguments[i]))
            return true;
    }
    return (x->kind != EXPR_SELECTOR && x->kind != EXPR_CALL) &&
           (is_unsafe(x->left) || is_unsafe(x->right));
}

static bool holds_word(struct str s)
{
    static const char *const texts[] = {"start()", "end()", "range()", "step()"};
    for (size_t i = 0; i < COUNTOF(texts); i++) {
        if (str_search(s, str_c(texts[i])) < s.n)
            return true;
    }
    return false;
}

static bool run_instant(struct runner *t, const struct eval *e, struct promql_expr *x,
                        struct promql_expr *pinned, const char **ret)
{
    bool middle = !e->ordered && !e->has_string && !e->ranged && !e->fail.any &&
                  !holds_word(e->expr) && x->type != PROMQL_MATRIX;
    struct variant v = {e, x, e->start_ms, false};
    if (!run_variant(t, &v, ret))
        return false;
    v.middle = true;
    if (middle && !run_variant(t, &v, ret))
        return false;
    if (!pinned || is_unsafe(x) || e->ranged)
        return true;
    pin(pinned, e->start_ms);
    int64_t at = e->start_ms;
    int64_t times[] = {-10 * at, 0, at / 5, at, 10 * at};
    if (at == 0) {
        times[0] = -1000;
        times[4] = 1000;
    }
    for (size_t i = 0; i < COUNTOF(times); i++) {
        struct variant p = {e, pinned, times[i], false};
        for (int k = 0; k < 1 + middle; k++) {
            p.middle = k;
            const char *why = "";
            if (!run_variant(t, &p, &why)) {
                *ret = arena_printf(&t->arena, "with @ at %lld: %s", (long long)times[i], why).p;
                return false;
            }
        }
    }
    return true;
}

static void run_eval(struct runner *t, const struct eval *e)
{
    const struct promql_options options = options_of_cases();
    struct promql_expr *x = NULL, *pinned = NULL;
    struct promql_failure failure;
    const char *why = "";
    bool good;
    if (promql_parse(e->expr, &options, &t->arena, &x, &failure) < 0) {
        good = e->fail.any;
        if (e->fail.texts.n + e->fail.patterns.n) {
            size_t skip = str_search(str_c(failure.text), STR("parse error: "));
            struct str text = str_c(failure.text);
            good = text_matches(&e->fail, text) ||
                   text_matches(&e->fail, str_sub(text, skip + 13, text.n));
        }
        why = failure.text;
    } else if (e->instant) {
        if (promql_parse(e->expr, &options, &t->arena, &pinned, &failure) < 0)
            pinned = NULL;
        good = run_instant(t, e, x, pinned, &why);
    } else {
        struct variant v = {e, x, e->start_ms, false};
        good = run_variant(t, &v, &why);
    }
    t->result->passed += good;
    t->result->failed += !good;
    if (!good)
        buf_printf(t->report, "line %zu: " STR_FMT ": %s\n", e->line, STR_ARG(e->expr), why);
}

/* --- reading the file ------------------------------------------------------------------------- */

static struct str next_line(struct runner *t)
{
    return t->at < t->lines_n ? t->lines[t->at++] : STR("");
}

static void broken(struct runner *t, size_t line, const char *text)
{
    t->result->failed++;
    buf_printf(t->report, "line %zu: %s\n", line, text);
}

/* Gives the samples of s the created times of the line before, which must be as many. */
static int take_starts(struct promqltest_series *starts, struct promqltest_series *s,
                       struct why *why)
{
    if (starts->n == 0)
        return 0;
    if (starts->n != s->n || !str_eq(starts->key, s->key))
        return why_set(why, ERR_FORMAT, "%zu created times for %zu samples, or of another series",
                       starts->n, s->n);
    for (size_t i = 0; i < s->n; i++) {
        s->v[i].started = starts->v[i].started;
        s->v[i].start_ms = starts->v[i].start_ms;
    }
    vec_free(starts);
    *starts = (struct promqltest_series){0};
    return 0;
}

/* Of two lines for one series the last one counts. */
static void take_series(struct promqltest_load *load, const struct promqltest_series *s)
{
    for (size_t i = 0; i < load->n; i++) {
        if (!str_eq(load->v[i].key, s->key))
            continue;
        vec_free(&load->v[i]);
        load->v[i] = *s;
        return;
    }
    vec_push(load, *s);
}

static void store_series(struct runner *t, const struct promqltest_series *s, int64_t step_ms)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct promqltest_value *v = &s->v[i];
        int64_t ms = (int64_t)i * step_ms;
        if (v->present)
            promqltest_store_put_from(t->store, s->key, v->started ? ms + v->start_ms : 0, ms,
                                      v->value, v->histogram);
    }
}

static void run_load(struct runner *t, struct str head)
{
    struct str word;
    int64_t step;
    size_t line = t->at;
    struct promqltest_load load = {0};
    struct promqltest_series pending = {0}; /* created times for the line after them */
    if (!str_word(&head, &word) || !is_duration(str_trim(head), &step)) {
        broken(t, line, "bad load line");
        return;
    }
    struct str text;
    while ((text = next_line(t)).n) {
        struct promqltest_series s = {0};
        struct why why = {0};
        bool starts = promqltest_is_starts(text);
        int err = starts ? promqltest_starts_read(text, &t->arena, &s, &why)
                         : promqltest_series_read(text, &t->arena, &s, &why);
        if (err == 0 && !starts)
            err = take_starts(&pending, &s, &why);
        if (err < 0) {
            broken(t, t->at, why.text);
            vec_free(&s);
        } else if (starts) {
            vec_free(&pending);
            pending = s;
        } else {
            take_series(&load, &s);
        }
    }
    vec_free(&pending);
    for (size_t i = 0; i < load.n; i++)
        store_series(t, &load.v[i], step);
    if (str_eq(word, STR("load_with_nhcb")))
        promqltest_convert(t->store, &load, step, &t->arena);
    for (size_t i = 0; i < load.n; i++)
        vec_free(&load.v[i]);
    vec_free(&load);
}

static void expect_text(struct expectation *x, struct str rest)
{
    x->any = true;
    rest = str_trim(rest);
    if (str_starts(rest, STR("msg:")))
        vec_push(&x->texts, str_trim(str_sub(rest, 4, rest.n)));
    else if (str_starts(rest, STR("regex:")))
        vec_push(&x->patterns, str_trim(str_sub(rest, 6, rest.n)));
}

static bool read_expect(struct runner *t, struct eval *e, struct str rest)
{
    struct str word;
    struct promql_failure failure;
    if (!str_word(&rest, &word))
        return false;
    if (str_eq(word, STR("fail")))
        expect_text(&e->fail, rest);
    else if (str_eq(word, STR("warn")))
        expect_text(&e->warn, rest);
    else if (str_eq(word, STR("info")))
        expect_text(&e->info, rest);
    else if (str_eq(word, STR("no_warn")))
        e->no_warn = true;
    else if (str_eq(word, STR("no_info")))
        e->no_info = true;
    else if (str_eq(word, STR("ordered")))
        e->ordered = true;
    else if (str_eq(word, STR("string"))) {
        e->has_string = true;
        return promql_unquote(str_trim(rest), &t->arena, &e->string, &failure) == 0;
    } else if (str_eq(word, STR("range"))) {
        struct str v[7];
        size_t n = 0;
        while (n < 7 && str_word(&rest, &v[n]))
            n++;
        e->ranged = true;
        return n == 7 && is_duration(v[2], &e->first_ms) && is_duration(v[6], &e->step_ms);
    } else {
        return false;
    }
    return true;
}

/* The scalar that a block ends with. */
static bool read_scalar(struct str line, double *ret)
{
    bool range, minus = line.p[0] == '-';
    struct str body = str_sub(line, minus || line.p[0] == '+', line.n);
    if (!promql_number_read(body, ret, &range))
        return false;
    *ret = minus ? -*ret : *ret;
    return true;
}

static bool read_block(struct runner *t, struct eval *e)
{
    struct str line;
    while ((line = next_line(t)).n) {
        struct promqltest_series s = {0};
        struct why why = {0};
        if (read_scalar(line, &e->scalar)) {
            e->has_scalar = true;
            return true;
        }
        if (str_starts(line, STR("expect "))) {
            if (!read_expect(t, e, str_sub(line, 7, line.n)))
                return false;
        } else if (str_starts(line, STR("expected_fail_message "))) {
            vec_push(&e->fail.texts, str_trim(str_sub(line, 22, line.n)));
            return true;
        } else if (str_starts(line, STR("expected_fail_regexp "))) {
            vec_push(&e->fail.patterns, str_trim(str_sub(line, 21, line.n)));
            return true;
        } else if (promqltest_series_read(line, &t->arena, &s, &why) < 0) {
            vec_free(&s);
            return false;
        } else {
            vec_push(&e->series, s);
        }
    }
    return true;
}

static bool read_head(struct eval *e, struct str line)
{
    struct str word, a, b, c, rest;
    str_word(&line, &word);
    e->fail.any = str_eq(word, STR("eval_fail"));
    e->warn.any = str_eq(word, STR("eval_warn"));
    e->info.any = str_eq(word, STR("eval_info"));
    e->ordered = str_eq(word, STR("eval_ordered"));
    if (!str_word(&line, &word))
        return false;
    e->instant = str_eq(word, STR("instant"));
    rest = line;
    if (e->instant) {
        if (str_word(&rest, &word) && str_eq(word, STR("at")) && str_word(&rest, &a)) {
            if (!is_duration(a, &e->start_ms))
                return false;
            line = rest;
        }
        e->end_ms = e->start_ms;
        e->expr = str_trim(line);
        return true;
    }
    struct str w[6];
    for (int i = 0; i < 6; i++) {
        if (!str_word(&line, &w[i]))
            return false;
    }
    a = w[1];
    b = w[3];
    c = w[5];
    e->expr = str_trim(line);
    bool good =
        is_duration(a, &e->start_ms) && is_duration(b, &e->end_ms) && is_duration(c, &e->step_ms);
    e->first_ms = e->start_ms;
    return good;
}

static void free_expectation(struct expectation *x)
{
    vec_free(&x->texts);
    vec_free(&x->patterns);
}

static void run_case(struct runner *t, struct str head)
{
    struct eval e = {.line = t->at};
    if (!read_head(&e, head) || !read_block(t, &e))
        broken(t, e.line, "bad eval block");
    else
        run_eval(t, &e);
    for (size_t i = 0; i < e.series.n; i++)
        vec_free(&e.series.v[i]);
    vec_free(&e.series);
    free_expectation(&e.fail);
    free_expectation(&e.warn);
    free_expectation(&e.info);
}

static void read_lines(struct runner *t, struct str text)
{
    t->lines = mem_array(LINES_MAX, sizeof *t->lines);
    struct str line;
    while (t->lines_n < LINES_MAX && str_split(&text, '\n', &line)) {
        line = str_trim(line);
        t->lines[t->lines_n++] = line.n && line.p[0] == '#' ? STR("") : line;
    }
}

static void run_lines(struct runner *t, struct str text)
{
    *t->result = (struct promqltest_result){0};
    read_lines(t, text);
    while (t->at < t->lines_n) {
        struct str line = next_line(t);
        if (line.n == 0)
            continue;
        arena_init(&t->arena);
        if (str_starts(line, STR("clear")))
            promqltest_store_clear(t->store);
        else if (str_starts(line, STR("load")))
            run_load(t, line);
        else if (str_starts(line, STR("eval")))
            run_case(t, line);
        else
            broken(t, t->at, "neither clear nor load nor eval");
        arena_done(&t->arena);
    }
    mem_free(t->lines);
}

void promqltest_run(struct str text, struct promqltest_result *ret, struct buf *report)
{
    struct runner t = {.result = ret, .report = report, .store = promqltest_store_new()};
    t.pool = pool_new("query", THREADS, THREADS);
    run_lines(&t, text);
    pool_free(t.pool);
    promqltest_store_free(t.store);
}

int promqltest_load(struct promqltest_store *s, struct str text, struct why *why)
{
    struct promqltest_result result;
    struct buf report;
    buf_init(&report, 4096);
    struct runner t = {.result = &result, .report = &report, .store = s};
    run_lines(&t, text);
    int err = result.failed ? why_set(why, ERR_FORMAT, STR_FMT, STR_ARG(buf_str(&report))) : 0;
    buf_done(&report);
    return err;
}
