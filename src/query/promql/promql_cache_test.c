#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/must.h"
#include "base/rand.h"
#include "model/labels.h"
#include "model/sample.h"
#include "os/thread.h"
#include "query/promql/promql_cache.h"
#include "query/promql/promql_reach.h"
#include "query/promql/promqltest.h"

static const int64_t BEGIN = 1700000000000, MINUTE = 60000;

static struct {
    struct promqltest_store *store;
    struct promql_cache *cache;
    struct arena arena;
} site;

static int start(void **state)
{
    (void)state;
    site.store = promqltest_store_new();
    site.cache = promql_cache_new(64 << 20);
    arena_init(&site.arena);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    promql_cache_free(site.cache);
    promqltest_store_free(site.store);
    arena_done(&site.arena);
    return 0;
}

static struct str key_of(const char *metric, unsigned i)
{
    struct buf b;
    char text[16];
    buf_init(&b, 1000);
    snprintf(text, sizeof text, "i%u", i);
    labels_put(&b, LABEL_METRIC, str_c(metric));
    labels_put(&b, STR("instance"), str_c(text));
    labels_put(&b, STR("job"), i % 2 ? STR("odd") : STR("even"));
    struct str key = arena_str(&site.arena, buf_str(&b));
    buf_done(&b);
    return key;
}

static struct promql_query query_of(const char *text, int64_t from_ms, int64_t to_ms,
                                    int64_t step_ms)
{
    static const struct promql_options options = {.experimental_functions = true};
    struct promql_failure f;
    struct promql_expr *expr;
    if (promql_parse(str_c(text), &options, &site.arena, &expr, &f) != 0)
        fail_msg("%s: %s", text, f.text);
    return (struct promql_query){.expr = expr,
                                 .options = &options,
                                 .store = promqltest_store_face(site.store),
                                 .tenant = promqltest_store_tenant(site.store),
                                 .start_ms = from_ms,
                                 .end_ms = to_ms,
                                 .step_ms = step_ms};
}

static void assert_same_series(const char *text, struct promql_result *a, struct promql_result *b)
{
    struct promql_series x, y;
    if (promql_result_count(a) != promql_result_count(b))
        fail_msg("%s: %zu series, not %zu", text, promql_result_count(a), promql_result_count(b));
    while (promql_result_next(a, &x)) {
        assert_true(promql_result_next(b, &y));
        assert_true(str_eq(x.key, y.key));
        assert_int_equal(x.n, y.n);
        assert_memory_equal(x.ts_ms, y.ts_ms, x.n * sizeof *x.ts_ms);
        for (size_t i = 0; i < x.n; i++) {
            bool histogram = x.histogram && x.histogram[i];
            assert_int_equal(histogram, y.histogram && y.histogram[i]);
            if (!histogram && memcmp(&x.value[i], &y.value[i], sizeof x.value[i]) != 0)
                fail_msg("%s: %a, not %a, at step %zu", text, x.value[i], y.value[i], i);
        }
    }
}

/* Each text of b is one of a. */
static void assert_same_texts(const struct promql_result *a, const struct promql_result *b,
                              bool (*next)(const struct promql_result *, size_t *, struct str *))
{
    struct str x, y;
    for (size_t i = 0; next(b, &i, &y);) {
        bool found = false;
        for (size_t k = 0; !found && next(a, &k, &x);)
            found = str_eq(x, y);
        assert_true(found);
    }
}

/* Asks both ways and compares; how much the cache had. */
static struct promql_cache_use ask(const struct promql_query *q, const char *text)
{
    struct promql_cache_use use;
    struct promql_result *cached, *plain;
    struct promql_failure cached_why, plain_why;
    int got = promql_cache_run(site.cache, q, &use, &cached, &cached_why);
    int want = promql_run(q, &plain, &plain_why);
    if (got != want)
        fail_msg("%s: %d (%s), not %d (%s)", text, got, got ? cached_why.text : "", want,
                 want ? plain_why.text : "");
    if (got != 0) {
        assert_string_equal(cached_why.text, plain_why.text);
        return use;
    }
    assert_same_series(text, cached, plain);
    assert_same_texts(cached, plain, promql_result_warning);
    assert_same_texts(plain, cached, promql_result_warning);
    assert_same_texts(cached, plain, promql_result_info);
    promql_result_free(cached);
    promql_result_free(plain);
    return use;
}

static void fill(const char *metric, unsigned series, int64_t from_ms, int64_t to_ms)
{
    for (unsigned i = 0; i < series; i++) {
        struct str key = key_of(metric, i);
        for (int64_t t = from_ms; t <= to_ms; t += 15000)
            promqltest_store_put(site.store, key, t, (double)(t / 1000 % 1000 + i) * 1.1, NULL);
    }
}

/* ---- what is held and what is evaluated */

static void what_nobody_wrote_to_is_not_evaluated_again(void **state)
{
    (void)state;
    fill("a_total", 5, BEGIN, BEGIN + 60 * MINUTE);
    struct promql_query q =
        query_of("rate(a_total[5m])", BEGIN + 10 * MINUTE, BEGIN + 50 * MINUTE, 15000);
    struct promql_cache_use use = ask(&q, "first");
    assert_true(use.asked);
    assert_int_equal(use.held, 0);
    use = ask(&q, "again");
    assert_int_equal(use.held, use.steps);
    assert_int_equal(use.runs, 0);
    q.start_ms += 5 * MINUTE;
    q.end_ms += 5 * MINUTE;
    use = ask(&q, "later");
    assert_int_equal(use.steps - use.held, 20);
    assert_int_equal(use.runs, 1);
    q.start_ms += 1; /* another phase */
    assert_int_equal(ask(&q, "phase").held, 0);
    q.lookback_ms = 60000;
    assert_int_equal(ask(&q, "lookback").held, 0);
}

static void a_late_sample_touches_its_window_alone(void **state)
{
    (void)state;
    fill("a_total", 3, BEGIN, BEGIN + 60 * MINUTE);
    struct promql_query q =
        query_of("sum(rate(a_total[5m]))", BEGIN + 10 * MINUTE, BEGIN + 50 * MINUTE, MINUTE);
    ask(&q, "first");
    promqltest_store_put(site.store, key_of("a_total", 9), BEGIN + 30 * MINUTE, 5, NULL);
    struct promql_cache_use use = ask(&q, "late");
    assert_int_equal(use.steps, 41);
    assert_in_range(use.steps - use.held, 5, 7); /* (t - 5m, t] has it at five steps */
    promqltest_store_remove(site.store, key_of("a_total", 1), BEGIN + 40 * MINUTE,
                            BEGIN + 41 * MINUTE);
    use = ask(&q, "deleted");
    assert_in_range(use.steps - use.held, 6, 8);
    assert_int_equal(ask(&q, "again").held, use.steps);
}

static void windows_that_lie_elsewhere_are_watched_there(void **state)
{
    static const struct {
        const char *text;
        int64_t before, after; /* minutes around a step */
    } CASES[] = {
        {"a_total offset 20m", 25, -20},
        {"a_total offset -10m", -5, 10},
        {"max_over_time(rate(a_total[5m])[10m:1m])", 15, 0},
        {"max_over_time(rate(a_total[5m] offset 3m)[10m:1m] offset 1h)", 78, -63},
        {"a_total + (a_total offset 1h)", 65, 0},
        {"sum_over_time(a_total[step()*2])", 5, 0},
        {"time()", INT64_MIN, INT64_MIN},
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        struct promql_query q = query_of(CASES[i].text, BEGIN, BEGIN + MINUTE, MINUTE);
        struct promql_reach r = promql_reach_of(&q);
        assert_true(r.local);
        if (CASES[i].before == INT64_MIN)
            assert_true(r.before_ms == INT64_MIN);
        else if (strstr(CASES[i].text, "step()"))
            assert_int_equal(r.before_ms, 2 * MINUTE);
        else
            assert_int_equal(r.before_ms, CASES[i].before * MINUTE);
        if (CASES[i].before != INT64_MIN)
            assert_int_equal(r.after_ms, CASES[i].after * MINUTE);
    }
}

static void what_depends_on_more_than_its_windows_is_not_kept(void **state)
{
    static const char *const TEXTS[] = {
        "a_total @ 1700000000",
        "a_total @ end()",
        "sum_over_time(a_total[range()])",
        "rate({job=\"odd\"}[5m])",
        "max_over_time(a_total[5m:1m] @ start())",
    };
    (void)state;
    fill("a_total", 3, BEGIN, BEGIN + 30 * MINUTE);
    for (size_t i = 0; i < COUNTOF(TEXTS); i++) {
        struct promql_query q =
            query_of(TEXTS[i], BEGIN + 10 * MINUTE, BEGIN + 20 * MINUTE, MINUTE);
        assert_false(ask(&q, TEXTS[i]).asked);
    }
    struct promql_query q = query_of("a_total", BEGIN, BEGIN, 0);
    q.instant = true;
    assert_false(ask(&q, "instant").asked);
}

static void results_with_warnings_and_histograms_are_not_kept(void **state)
{
    (void)state;
    double buckets[] = {1, 2};
    struct histogram_span spans[] = {{0, 2}};
    struct histogram h = {.count = 3,
                          .sum = 4,
                          .positive_spans = spans,
                          .positive_spans_n = 1,
                          .positive = buckets,
                          .positive_n = 2};
    fill("a_total", 2, BEGIN, BEGIN + 30 * MINUTE);
    for (int64_t t = BEGIN; t < BEGIN + 10 * MINUTE; t += 30000)
        promqltest_store_put(site.store, key_of("h", 1), t, 0, &h);
    struct promql_query q = query_of("h", BEGIN, BEGIN + 20 * MINUTE, MINUTE);
    ask(&q, "histograms");
    assert_int_equal(ask(&q, "histograms").held, 0);
    q = query_of("quantile(2, a_total)", BEGIN, BEGIN + 20 * MINUTE, MINUTE);
    ask(&q, "warning");
    assert_int_equal(ask(&q, "warning").held, 0);
    q = query_of("histogram_count(h)", BEGIN, BEGIN + 20 * MINUTE, MINUTE);
    ask(&q, "floats from histograms");
    assert_int_equal(ask(&q, "floats from histograms").held, 21);
}

static void a_gap_in_the_middle_of_the_histograms_is_answered_whole(void **state)
{
    (void)state;
    struct histogram h = {.count = 3, .sum = 4};
    fill("m", 1, BEGIN, BEGIN + 20 * MINUTE);
    struct promql_query q = query_of("m", BEGIN + 5 * MINUTE, BEGIN + 20 * MINUTE, MINUTE);
    ask(&q, "floats");
    promqltest_store_put(site.store, key_of("m", 0), BEGIN + 21 * MINUTE, 0, &h);
    q.end_ms += 5 * MINUTE;
    ask(&q, "both");
}

static void no_more_is_kept_than_there_is_room_for_and_the_largest_gives(void **state)
{
    (void)state;
    fill("a_total", 20, BEGIN, BEGIN + 60 * MINUTE);
    promql_cache_limit(site.cache, 400000);
    for (int64_t i = 0; i < 20; i++) {
        struct promql_query q = query_of("a_total", BEGIN + i, BEGIN + i + 50 * MINUTE, 15000);
        ask(&q, "phases");
        assert_in_range(promql_cache_bytes(site.cache), 1, 400000);
    }
    promql_cache_limit(site.cache, 0);
    assert_int_equal(promql_cache_bytes(site.cache), 0);
    struct promql_query q = query_of("a_total", BEGIN, BEGIN + 50 * MINUTE, 15000);
    assert_false(ask(&q, "off").asked);
}

static void infos_go_with_the_text_that_they_name(void **state)
{
    (void)state;
    fill("gauge", 2, BEGIN, BEGIN + 30 * MINUTE);
    struct promql_query q =
        query_of("rate(gauge[5m])", BEGIN + 10 * MINUTE, BEGIN + 20 * MINUTE, MINUTE);
    ask(&q, "info");
    assert_int_equal(ask(&q, "info").held, 11);
    q = query_of("  rate(gauge[5m])", BEGIN + 10 * MINUTE, BEGIN + 20 * MINUTE, MINUTE);
    assert_int_equal(ask(&q, "moved").held, 0);
}

static void a_full_budget_refuses_what_is_put_together_too(void **state)
{
    struct promql_result *r;
    struct promql_failure why;
    struct promql_cache_use use;
    (void)state;
    fill("a_total", 20, BEGIN, BEGIN + 60 * MINUTE);
    struct promql_query q = query_of("a_total", BEGIN + 10 * MINUTE, BEGIN + 50 * MINUTE, 15000);
    ask(&q, "room");
    q.limits.samples_max = 1000;
    assert_int_equal(promql_cache_run(site.cache, &q, &use, &r, &why), -ERR_LIMIT);
    assert_non_null(strstr(why.text, "too many samples"));
    q.limits.samples_max = 0;
    struct promql_account account = {.whose = "a test", .bytes_max = 1000};
    struct promql_meter meter = {.account = &account};
    q.meter = &meter;
    assert_int_equal(promql_cache_run(site.cache, &q, &use, &r, &why), -ERR_LIMIT);
    assert_non_null(strstr(why.text, "limit of a test"));
    promql_meter_done(&meter);
    assert_int_equal(atomic_load(&account.bytes), 0);
}

/* ---- random writes, late ones and deletions among random queries */

enum { ROUNDS = 1500, SERIES = 6 };

static const char *const QUERIES[] = {
    "a_total",
    "rate(a_total[5m])",
    "sum by (job) (rate(a_total[3m]))",
    "gauge offset 7m",
    "gauge offset -4m",
    "rate(gauge[5m])",
    "max_over_time(gauge[10m:2m])",
    "a_total / on (instance) group_left gauge",
    "count(gauge) or vector(7)",
    "topk(2, a_total)",
    "absent(gauge{instance=\"i1\"})",
    "quantile_over_time(0.3, gauge[4m])",
    "label_replace(gauge, \"x\", \"$1\", \"instance\", \"(.*)\")",
    "scalar(a_total{instance=\"i1\"})",
    "timestamp(gauge) - time()",
    "stddev(gauge)",
    "count_values(\"v\", gauge)",
    "gauge == gauge",
    "sgn(deriv(gauge[6m]))",
    "time() % 7",
};

static double random_value(struct rand *r)
{
    static const uint64_t bits[] = {0x7ff0000000000002, 0x7ff8000000000001, 0x8000000000000000,
                                    0x7ff0000000000000, 0x7ff8000000000123};
    double v;
    if (rand_below(r, 12) == 0)
        memcpy(&v, &bits[rand_below(r, COUNTOF(bits))], sizeof v);
    else
        v = (double)rand_below(r, 1000) / 7;
    return v;
}

static void write_some(struct rand *r, int64_t *now)
{
    const char *metric = rand_below(r, 2) ? "a_total" : "gauge";
    unsigned series = (unsigned)rand_below(r, SERIES);
    switch (rand_below(r, 10)) {
    case 0: { /* late */
        int64_t t = *now - (int64_t)rand_below(r, (uint64_t)(60 * MINUTE));
        promqltest_store_put(site.store, key_of(metric, series), t, random_value(r), NULL);
        return;
    }
    case 1: {
        int64_t t = *now - (int64_t)rand_below(r, (uint64_t)(40 * MINUTE));
        promqltest_store_remove(site.store, key_of(metric, series), t,
                                t + (int64_t)rand_below(r, (uint64_t)(5 * MINUTE)));
        return;
    }
    default:
        for (unsigned i = 0; i < SERIES; i++)
            promqltest_store_put(site.store, key_of(metric, i), *now, random_value(r), NULL);
        *now += 7000 + (int64_t)rand_below(r, 20000);
    }
}

static void a_cached_answer_is_the_one_without_the_cache_bit_for_bit(void **state)
{
    struct rand r;
    int64_t now = BEGIN;
    size_t held = 0, steps = 0;
    (void)state;
    rand_init(&r, 20261122);
    for (int i = 0; i < 60; i++)
        write_some(&r, &now);
    for (int i = 0; i < ROUNDS; i++) {
        if (rand_below(&r, 3) == 0)
            write_some(&r, &now);
        int64_t step = rand_below(&r, 4) ? MINUTE : 45000;
        int64_t end = now - (int64_t)rand_below(&r, 10) * MINUTE;
        int64_t start = end - (int64_t)rand_below(&r, 40) * step;
        if (rand_below(&r, 5)) { /* mostly aligned, as dashboards are */
            end -= end % step;
            start -= start % step;
        }
        const char *text = QUERIES[rand_below(&r, COUNTOF(QUERIES))];
        struct promql_query q = query_of(text, start, MAX(start, end), step);
        struct promql_cache_use use = ask(&q, text);
        held += use.held;
        steps += use.steps;
        if (rand_below(&r, 200) == 0)
            promql_cache_limit(site.cache, 20000 + rand_below(&r, 64 << 20));
    }
    /* The test is about something: both kinds of steps are common. */
    assert_true(held > steps / 10 && held < steps * 9 / 10);
}

/* ---- threads */

enum { THREADS = 4, TURNS = 150 };

static void ask_often(void *context)
{
    static const char *const TEXTS[] = {"a_total", "rate(a_total[5m])", "sum(a_total)", "-a_total"};
    uintptr_t seed = (uintptr_t)context;
    struct rand r;
    struct arena arena;
    arena_init(&arena);
    rand_init(&r, seed);
    for (int i = 0; i < TURNS; i++) {
        struct promql_failure why;
        struct promql_expr *expr;
        struct promql_result *result;
        struct promql_cache_use use;
        struct str text = str_c(TEXTS[rand_below(&r, COUNTOF(TEXTS))]);
        must(promql_parse(text, NULL, &arena, &expr, &why) == 0);
        int64_t start = BEGIN + (int64_t)rand_below(&r, 20) * MINUTE;
        struct promql_query q = {.expr = expr,
                                 .store = promqltest_store_face(site.store),
                                 .tenant = promqltest_store_tenant(site.store),
                                 .start_ms = start,
                                 .end_ms = start + (int64_t)rand_below(&r, 30) * MINUTE,
                                 .step_ms = MINUTE};
        must(promql_cache_run(site.cache, &q, &use, &result, &why) == 0);
        must(promql_result_count(result) > 0);
        promql_result_free(result);
        if (rand_below(&r, 20) == 0)
            promql_cache_limit(site.cache, 4000 + rand_below(&r, 100000));
    }
    arena_done(&arena);
}

static void many_threads_share_the_cache(void **state)
{
    struct thread threads[THREADS] = {0};
    (void)state;
    fill("a_total", 5, BEGIN - 10 * MINUTE, BEGIN + 60 * MINUTE);
    for (uintptr_t i = 0; i < THREADS; i++)
        thread_start(&threads[i], "asker", ask_often, (void *)(i + 1));
    for (size_t i = 0; i < THREADS; i++)
        thread_join(&threads[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_nobody_wrote_to_is_not_evaluated_again, start, stop),
        cmocka_unit_test_setup_teardown(a_late_sample_touches_its_window_alone, start, stop),
        cmocka_unit_test_setup_teardown(windows_that_lie_elsewhere_are_watched_there, start, stop),
        cmocka_unit_test_setup_teardown(what_depends_on_more_than_its_windows_is_not_kept, start,
                                        stop),
        cmocka_unit_test_setup_teardown(results_with_warnings_and_histograms_are_not_kept, start,
                                        stop),
        cmocka_unit_test_setup_teardown(a_gap_in_the_middle_of_the_histograms_is_answered_whole,
                                        start, stop),
        cmocka_unit_test_setup_teardown(
            no_more_is_kept_than_there_is_room_for_and_the_largest_gives, start, stop),
        cmocka_unit_test_setup_teardown(infos_go_with_the_text_that_they_name, start, stop),
        cmocka_unit_test_setup_teardown(a_full_budget_refuses_what_is_put_together_too, start,
                                        stop),
        cmocka_unit_test_setup_teardown(a_cached_answer_is_the_one_without_the_cache_bit_for_bit,
                                        start, stop),
        cmocka_unit_test_setup_teardown(many_threads_share_the_cache, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
