/* Published tables that need a store: the notation of series, annotations of rate, queries whose
 * answer must be the same whichever way they are asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cases_test.h"
#include "base/mem.h"
#include "base/vec.h"
#include "model/labels.h"
#include "query/promql/promql.h"
#include "query/promql/promqltest.h"
#include "text/json.h"

enum { ANSWER_MAX = 1 << 20, LOOKBACKS = 5 };

/* How many rows there are at least: they may grow and must not fall. */
enum { NOTATION_ROWS = 24, ANNOTATION_ROWS = 10, QUERY_ROWS = 217 };

struct texts {
    struct str *v;
    size_t n, capacity;
};

struct row {
    struct str input, load, query, data, expr;
    struct texts infos, warnings;
    double start, end, step, time;
    bool ok, ranged, type_and_unit;
};

static void read_text(struct row *r, struct str key, struct str text)
{
    struct {
        const char *name;
        struct str *at;
    } members[] = {{"input", &r->input},
                   {"load", &r->load},
                   {"query", &r->query},
                   {"data", &r->data},
                   {"expr", &r->expr}};
    for (size_t i = 0; i < COUNTOF(members); i++) {
        if (str_eq(key, str_c(members[i].name)))
            *members[i].at = text;
    }
    if (str_eq(key, STR("type")))
        r->ranged = str_eq(text, STR("range"));
    else if (str_eq(key, STR("expectedInfoAnnotations")))
        vec_push(&r->infos, text);
    else if (str_eq(key, STR("expectedWarningAnnotations")))
        vec_push(&r->warnings, text);
}

static void read_number(struct row *r, struct str key, double v)
{
    struct {
        const char *name;
        double *at;
    } members[] = {{"start", &r->start}, {"end", &r->end}, {"step", &r->step}, {"time", &r->time}};
    for (size_t i = 0; i < COUNTOF(members); i++) {
        if (str_eq(key, str_c(members[i].name)))
            *members[i].at = v;
    }
}

static void read_row(struct str line, struct arena *a, struct row *ret)
{
    struct json_reader r;
    struct json_event e;
    struct why why;
    struct str key = STR("");
    *ret = (struct row){0};
    json_reader_init(&r, line, a);
    while (json_next(&r, &e, &why) > 0) {
        if (e.type == JSON_KEY)
            key = arena_str(a, e.text);
        else if (e.type == JSON_TEXT)
            read_text(ret, key, arena_str(a, e.text));
        else if (e.type == JSON_NUMBER)
            read_number(ret, key, e.number);
        else if (e.type == JSON_TRUE && str_eq(key, STR("ok")))
            ret->ok = true;
        else if (e.type == JSON_TRUE && str_eq(key, STR("typeAndUnitLabelsEnabled")))
            ret->type_and_unit = true;
    }
}

/* Every row must hold. */
static void each_row(const char *name, bool (*check)(const struct row *, struct arena *),
                     size_t rows_min)
{
    struct cases c;
    cases_begin(&c, name);
    while (cases_next(&c)) {
        struct row r;
        read_row(c.line, &c.arena, &r);
        cases_count(&c, check(&r, &c.arena));
        vec_free(&r.infos);
        vec_free(&r.warnings);
    }
    cases_end(&c, rows_min);
}

/* --- the notation of series ------------------------------------------------------------------- */

static bool series_as_said(const struct row *r, struct arena *a)
{
    struct promqltest_series s = {0};
    struct why why = {0};
    bool ok = promqltest_series_read(r->input, a, &s, &why) == 0;
    vec_free(&s);
    return ok == r->ok;
}

static void series_are_read_or_refused_as_published(void **state)
{
    (void)state;
    each_row("vectors/series_notation.jsonl", series_as_said, NOTATION_ROWS);
}

/* --- annotations ------------------------------------------------------------------------------ */

typedef bool next_text_f(const struct promql_result *r, size_t *at, struct str *ret);

static bool same_texts(const struct promql_result *r, next_text_f *next, const struct texts *want)
{
    size_t at = 0, n = 0;
    struct str text;
    while (next(r, &at, &text)) {
        if (n == want->n || !str_eq(text, want->v[n++]))
            return false;
    }
    return n == want->n;
}

static bool annotated_as_said(const struct row *r, struct arena *a)
{
    struct promqltest_store *store = promqltest_store_new();
    struct promql_options options = {.type_and_unit = r->type_and_unit};
    struct promql_failure failure;
    struct promql_expr *x;
    struct promql_result *result;
    struct why why = {0};
    struct str load = arena_printf(a, "load 1m\n" STR_FMT "\n", STR_ARG(str_trim(r->data)));
    bool good = promqltest_load(store, load, &why) == 0 &&
                promql_parse(r->expr, &options, a, &x, &failure) == 0;
    if (good) {
        struct promql_query q = {.expr = x,
                                 .options = &options,
                                 .store = promqltest_store_face(store),
                                 .tenant = promqltest_store_tenant(store),
                                 .start_ms = 60000,
                                 .end_ms = 60000,
                                 .instant = true};
        good = promql_run(&q, &result, &failure) == 0;
    }
    if (good) {
        good = same_texts(result, promql_result_info, &r->infos) &&
               same_texts(result, promql_result_warning, &r->warnings);
        promql_result_free(result);
    }
    promqltest_store_free(store);
    return good;
}

static void rates_are_annotated_as_published(void **state)
{
    (void)state;
    each_row("vectors/rate_annotations.jsonl", annotated_as_said, ANNOTATION_ROWS);
}

/* --- queries asked in several ways ------------------------------------------------------------ */

/* An answer as sorted lines of text: labels, time and the value to nine digits; or the error. */
static int line_cmp(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void put_value(const struct promql_series *s, size_t i, struct buf *out)
{
    if (s->histogram && s->histogram[i]) {
        const struct histogram *h = s->histogram[i];
        buf_printf(out, "{%d %.9g %.9g %.9g", h->schema, h->count, h->sum, h->zero_count);
        for (uint32_t k = 0; k < h->positive_n; k++)
            buf_printf(out, " %.9g", h->positive[k]);
        buf_put_str(out, STR("}"));
    } else {
        buf_printf(out, "%.9g", s->value[i] == 0 ? 0 : s->value[i]);
    }
}

/* Adds the lines of an answer to lines; false with *ret_failed where it is an error. */
static bool answer(const struct promql_query *q, struct arena *a, struct texts *lines,
                   struct str *ret_failed)
{
    struct promql_result *r;
    struct promql_failure failure;
    if (promql_run(q, &r, &failure) < 0) {
        *ret_failed = arena_str(a, str_c(failure.text));
        return false;
    }
    struct promql_series s;
    struct buf b;
    buf_init(&b, ANSWER_MAX);
    int64_t ms;
    if (promql_result_type(r) == PROMQL_SCALAR) {
        double v = promql_result_scalar(r, &ms);
        s = (struct promql_series){.key = STR(""), .ts_ms = &ms, .value = &v, .n = 1};
        buf_printf(&b, "{} %lld ", (long long)ms);
        put_value(&s, 0, &b);
        vec_push(lines, arena_str(a, buf_str(&b)));
    }
    while (promql_result_next(r, &s)) {
        for (size_t i = 0; i < s.n; i++) {
            buf_clear(&b);
            labels_print(s.key, &b);
            if (b.n == 0)
                buf_put_str(&b, STR("{}"));
            buf_printf(&b, " %lld ", (long long)s.ts_ms[i]);
            put_value(&s, i, &b);
            vec_push(lines, arena_str(a, buf_str(&b)));
        }
    }
    buf_done(&b);
    promql_result_free(r);
    return true;
}

static bool same_lines(struct texts *a, struct texts *b)
{
    if (a->n)
        qsort(a->v, a->n, sizeof *a->v, line_cmp);
    if (b->n)
        qsort(b->v, b->n, sizeof *b->v, line_cmp);
    for (size_t i = 0; i < MAX(a->n, b->n); i++) {
        struct str x = i < a->n ? a->v[i] : STR("nothing"), y = i < b->n ? b->v[i] : STR("nothing");
        if (str_eq(x, y))
            continue;
        printf("  " STR_FMT " | " STR_FMT "\n", STR_ARG(x), STR_ARG(y));
        return false;
    }
    return true;
}

/* Does its answer depend on the range that is asked for, or on a choice among equals? */
static bool is_of_its_range(struct str query)
{
    static const char *const words[] = {"start()", "end()", "range()", "step()"};
    for (size_t i = 0; i < COUNTOF(words); i++) {
        if (str_search(query, str_c(words[i])) < query.n)
            return true;
    }
    return false;
}

/* A range against its steps one by one, or an instant against the middle of a range; and from
 * samples against from the aggregates of blocks. */
static bool same_both_ways(struct promql_query *q, const struct row *r, struct arena *a)
{
    struct texts whole = {0}, single = {0}, blocks = {0};
    struct str failed = STR(""), failed_blocks = STR(""), failed_single = STR("");
    bool good = true;
    q->blocks_from_ms = INT64_MAX;
    bool ran = answer(q, a, &whole, &failed);
    q->blocks_from_ms = 1;
    good &= answer(q, a, &blocks, &failed_blocks) == ran && str_eq(failed, failed_blocks);
    if (good && ran)
        good = same_lines(&whole, &blocks);
    struct promql_query step = *q;
    step.instant = true;
    bool ran_single = true;
    if (!q->instant && !is_of_its_range(r->query)) {
        for (int64_t ms = q->start_ms; ran_single && ms <= q->end_ms; ms += q->step_ms) {
            step.start_ms = step.end_ms = ms;
            ran_single = answer(&step, a, &single, &failed_single);
        }
        good &= ran_single == ran;
        if (good && ran)
            good = same_lines(&whole, &single);
    }
    vec_free(&whole);
    vec_free(&single);
    vec_free(&blocks);
    return good;
}

static bool answers_hold(const struct row *r, struct arena *a)
{
    static const int64_t lookbacks_ms[LOOKBACKS] = {0, 30000, 60000, 300000, 600000};
    struct promqltest_store *store = promqltest_store_new();
    struct promql_options options = promql_options_all();
    struct promql_failure failure;
    struct promql_expr *x;
    struct why why = {0};
    options.delayed_names = false;
    bool good = promqltest_load(store, r->load, &why) == 0 &&
                promql_parse(r->query, &options, a, &x, &failure) == 0;
    for (size_t i = 0; good && i < LOOKBACKS; i++) {
        struct promql_query q = {.expr = x,
                                 .options = &options,
                                 .store = promqltest_store_face(store),
                                 .tenant = promqltest_store_tenant(store),
                                 .start_ms = (int64_t)((r->ranged ? r->start : r->time) * 1000),
                                 .end_ms = (int64_t)((r->ranged ? r->end : r->time) * 1000),
                                 .step_ms = (int64_t)(r->step * 1000),
                                 .instant = !r->ranged,
                                 .lookback_ms = lookbacks_ms[i]};
        good = same_both_ways(&q, r, a);
    }
    promqltest_store_free(store);
    return good;
}

static void an_answer_is_the_same_step_by_step_and_from_blocks(void **state)
{
    (void)state;
    each_row("vectors/promql_engine_queries.jsonl", answers_hold, QUERY_ROWS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(series_are_read_or_refused_as_published),
        cmocka_unit_test(rates_are_annotated_as_published),
        cmocka_unit_test(an_answer_is_the_same_step_by_step_and_from_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
