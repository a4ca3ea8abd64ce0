/* Queries of dashboards and rules in the wild, over data that has what each of them asks for: the
 * engine must say what the plain evaluator says, and must not fall over native histograms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cases_test.h"
#include "base/hash.h"
#include "base/vec.h"
#include "query/plain/versus.h"
#include "query/plain/world.h"
#include "query/promql/promqltest.h"

enum {
    SERIES_MAX = 40, /* of one query */
    SAMPLES = 90,
    MINUTE_MS = 60000,
    UNSTABLE_MAX = 60, /* of some eleven thousand */
};

static const int64_t START_MS = 1800000000000;

struct stage {
    struct arena arena;
    struct plain_data data;
    struct promqltest_store *store;
    bool histograms;
};

/* What a pattern may mean: its first alternative, without signs. */
static struct str some_match(struct arena *a, struct str pattern)
{
    struct buf b;
    buf_init(&b, 4096);
    for (size_t i = 0; i < pattern.n && pattern.p[i] != '|'; i++) {
        if (isalnum((unsigned char)pattern.p[i]) || pattern.p[i] == '_' || pattern.p[i] == '-')
            buf_put_c(&b, pattern.p[i]);
    }
    struct str text = arena_str(a, buf_str(&b));
    buf_done(&b);
    return text;
}

/* Labels that the selector lets through, as far as that can be guessed; nr tells them apart. */
static bool key_of(struct stage *s, const struct promql_selector *selector, int nr, struct buf *key)
{
    static const char *const bounds[] = {"0.1", "1", "+Inf"};
    struct label labels[64];
    size_t n = 0;
    struct why why;
    bool has_le = false, has_instance = false, has_name = false;
    for (size_t i = 0; i < selector->n && n < 60; i++) {
        const struct matcher *m = &selector->matchers[i];
        if (m->type == MATCH_NOT_EQUAL || m->type == MATCH_NOT_REGEX)
            continue;
        struct str value = m->value;
        if (m->type == MATCH_REGEX)
            value = some_match(&s->arena, value);
        bool again = false;
        for (size_t k = 0; k < n; k++)
            again |= str_eq(labels[k].name, m->name);
        if (again || value.n == 0)
            continue;
        has_le |= str_eq(m->name, STR("le"));
        has_instance |= str_eq(m->name, STR("instance"));
        has_name |= str_eq(m->name, LABEL_METRIC);
        labels[n++] = (struct label){m->name, value};
    }
    if (!has_instance)
        labels[n++] = (struct label){STR("instance"), nr & 1 ? STR("b") : STR("a")};
    if (!has_le)
        labels[n++] = (struct label){STR("le"), str_c(bounds[nr / 2 % 3])};
    return has_name && labels_encode(labels, n, key, &why) == 0;
}

/* A native histogram that has grown for i samples; every other kind has bounds of its own. */
static const struct histogram *native(struct stage *s, bool custom, int i)
{
    struct histogram *h = arena_new(&s->arena, sizeof *h);
    struct histogram_span *span = arena_new(&s->arena, sizeof *span);
    double *counts = arena_array(&s->arena, 6, sizeof *counts);
    *span = (struct histogram_span){0, 3};
    counts[0] = i;
    counts[1] = 2 * i;
    counts[2] = 3 * i;
    counts[3] = 0.5;
    counts[4] = 2;
    counts[5] = 8;
    h->schema = custom ? HISTOGRAM_SCHEMA_CUSTOM : 1;
    h->positive_spans = span;
    h->positive_spans_n = 1;
    h->positive = counts;
    h->positive_n = 3;
    h->count = 6 * i;
    h->sum = 10 * i;
    if (custom) {
        h->custom_bounds = counts + 3;
        h->custom_n = 3;
    } else {
        h->zero_threshold = 0.001;
    }
    return h;
}

static void put_series(struct stage *s, struct str key)
{
    for (size_t i = 0; i < s->data.n; i++) {
        if (str_eq(s->data.v[i].key, key))
            return;
    }
    struct plain_series series = {.key = arena_str(&s->arena, key)};
    struct rand r;
    struct str name = labels_get(key, LABEL_METRIC);
    uint64_t hash = hash_xxh3(name.p, name.n, 0);
    rand_init(&r, hash_xxh3(key.p, key.n, 0));
    double v = (double)rand_below(&r, 40);
    for (int i = 0; i < SAMPLES; i++) {
        struct plain_sample sample = {START_MS + i * MINUTE_MS + (int64_t)(hash % 50000), v, NULL};
        v += (double)rand_below(&r, 9) / 4;
        if (s->histograms && hash % 3)
            sample.histogram = native(s, hash % 3 == 1, i);
        if (rand_below(&r, 50))
            vec_push(&series, sample);
    }
    for (size_t i = 0; i < series.n; i++)
        promqltest_store_put(s->store, series.key, series.v[i].ts_ms, series.v[i].value,
                             series.v[i].histogram);
    vec_push(&s->data, series);
}

static void set_stage(struct stage *s, const struct promql_expr *x, bool histograms)
{
    struct promql_selectors found;
    *s = (struct stage){.store = promqltest_store_new(), .histograms = histograms};
    arena_init(&s->arena);
    promql_selectors(x, &s->arena, &found);
    for (size_t i = 0; i < found.n; i++) {
        for (int nr = 0; nr < 6 && s->data.n < SERIES_MAX; nr++) {
            struct buf key;
            buf_init(&key, LABELS_KEY_MAX);
            if (key_of(s, &found.v[i], nr, &key))
                put_series(s, buf_str(&key));
            buf_done(&key);
        }
    }
}

static void clear_stage(struct stage *s)
{
    promqltest_store_free(s->store);
    world_done(&s->data);
    arena_done(&s->arena);
}

/* Counts go from one query to the next. */
struct tally {
    struct versus versus;
};

static void compare(struct tally *t, struct str text, const struct promql_expr *x)
{
    struct stage s;
    set_stage(&s, x, false);
    t->versus.data = &s.data;
    t->versus.store = promqltest_store_face(s.store);
    t->versus.tenant = promqltest_store_tenant(s.store);
    struct versus_query q = {.text = text,
                             .start_ms = START_MS + 70 * MINUTE_MS + 123,
                             .end_ms = START_MS + 80 * MINUTE_MS,
                             .step_ms = 200000};
    versus_ask(&t->versus, &q);
    q.instant = true;
    versus_ask(&t->versus, &q);
    clear_stage(&s);
}

static void survive(struct tally *t, struct str text, const struct promql_expr *x)
{
    struct stage s;
    struct promql_failure failure;
    struct promql_result *r;
    (void)text;
    set_stage(&s, x, true);
    struct promql_query q = {.expr = x,
                             .store = promqltest_store_face(s.store),
                             .tenant = promqltest_store_tenant(s.store),
                             .start_ms = START_MS + 70 * MINUTE_MS,
                             .end_ms = START_MS + 80 * MINUTE_MS,
                             .step_ms = 150000,
                             .blocks_from_ms = 5 * MINUTE_MS};
    t->versus.asked++;
    if (promql_run(&q, &r, &failure) == 0) {
        t->versus.filled += promql_result_count(r) > 0;
        promql_result_free(r);
    } else {
        assert_int_equal(failure.kind, PROMQL_EXECUTION);
        t->versus.failed++;
    }
    clear_stage(&s);
}

typedef void each_f(struct tally *t, struct str text, const struct promql_expr *x);

static void each_query(each_f *f, struct tally *t)
{
    struct cases c;
    cases_begin(&c, "wild_queries.txt");
    while (cases_next(&c)) {
        struct promql_expr *x;
        struct promql_failure failure;
        bool parsed = promql_parse(c.line, NULL, &c.arena, &x, &failure) == 0;
        cases_count(&c, parsed);
        if (parsed)
            f(t, c.line, x);
    }
    printf("%zu asked, %zu filled, %zu failed, %zu unstable, %zu different\n", t->versus.asked,
           t->versus.filled, t->versus.failed, t->versus.unstable, t->versus.different);
    cases_end(&c, 1);
}

static void queries_in_the_wild_have_the_answer_of_their_definition(void **state)
{
    struct buf report;
    struct tally t = {.versus = {.name = "wild", .report = &report}};
    (void)state;
    buf_init(&report, 1 << 16);
    each_query(compare, &t);
    if (report.n)
        printf("%.*s", (int)report.n, report.p);
    buf_done(&report);
    assert_int_equal(t.versus.different, 0);
    assert_true(t.versus.filled > t.versus.asked / 3);
    assert_true(t.versus.unstable <= UNSTABLE_MAX);
}

static void queries_in_the_wild_survive_native_histograms(void **state)
{
    struct tally t = {0};
    (void)state;
    each_query(survive, &t);
    assert_true(t.versus.filled > t.versus.asked / 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries_in_the_wild_have_the_answer_of_their_definition),
        cmocka_unit_test(queries_in_the_wild_survive_native_histograms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
