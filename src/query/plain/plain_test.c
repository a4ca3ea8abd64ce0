/* The engine against the plain evaluator: random expressions over random data, in memory and on
 * disk. SONDE_PLAIN_QUERIES asks more of them, SONDE_PLAIN_SEED others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/vec.h"
#include "os/pool.h"
#include "query/plain/expression.h"
#include "query/plain/versus.h"
#include "query/promql/promqltest.h"

enum { QUERIES = 400, REPORT_MAX = 1 << 20, THREADS = 3, MINUTE_MS = 60000 };

static const int64_t START_MS = 1800000000000;

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void fill_memory(const struct plain_data *data, struct promqltest_store *store)
{
    for (size_t i = 0; i < data->n; i++) {
        for (size_t k = 0; k < data->v[i].n; k++) {
            const struct plain_sample *s = &data->v[i].v[k];
            promqltest_store_put(store, data->v[i].key, s->ts_ms, s->value, s->histogram);
        }
    }
}

/* A query about the world: at once or over steps, on and off the beat. */
static void make_query(struct dice *d, const struct expression_shape *shape, struct buf *text,
                       struct versus_query *ret)
{
    static const int64_t steps[] = {15000, 60000, 47000, 120000, 5000, 300000};
    const struct world_shape *w = shape->world;
    *ret =
        (struct versus_query){.options = {.experimental_functions = true, .fill_modifiers = true}};
    ret->options.delayed_names = dice_chance(d, 25);
    ret->instant = dice_chance(d, 35);
    ret->blocks_from_ms = dice_chance(d, 50) ? MINUTE_MS : 0;
    ret->start_ms = w->start_ms + (int64_t)dice_below(d, (uint32_t)(w->length_ms / 1000)) * 1000;
    if (dice_chance(d, 30))
        ret->start_ms += dice_below(d, 1000);
    ret->step_ms = steps[dice_below(d, COUNTOF(steps))];
    ret->end_ms = ret->start_ms + ret->step_ms * dice_below(d, 24) + dice_below(d, 1000);
    struct expression_shape whole = *shape;
    whole.range_vector = ret->instant;
    expression_make(d, &whole, text);
    ret->text = buf_str(text);
}

/* Asks queries of one kind; the report of differences stops the test. */
static void ask_many(struct versus *v, const struct expression_shape *shape, uint64_t seed,
                     size_t queries)
{
    struct buf report;
    buf_init(&report, REPORT_MAX);
    v->report = &report;
    for (size_t i = 0; i < queries && v->different < 20; i++) {
        struct dice d;
        struct buf text;
        struct versus_query q;
        dice_seed(&d, seed * 1000003 + i);
        buf_init(&text, PROMQL_TEXT_MAX);
        make_query(&d, shape, &text, &q);
        if (!versus_ask(v, &q))
            buf_printf(&report, "  query %zu\n", i);
        buf_done(&text);
    }
    printf("%s%s: %zu asked, %zu filled, %zu failed, %zu unstable, %zu different\n", v->name,
           v->pool ? " with a pool" : "", v->asked, v->filled, v->failed, v->unstable,
           v->different);
    if (report.n)
        printf("%.*s", (int)report.n, report.p);
    buf_done(&report);
    v->report = NULL;
    assert_int_equal(v->different, 0);
    assert_true(v->filled * 3 > v->asked);
    assert_true(v->unstable * 20 < v->asked + 20);
}

static void ask_memory(bool histograms, bool pool)
{
    uint64_t seed = number_of("SONDE_PLAIN_SEED", 1);
    size_t queries = number_of("SONDE_PLAIN_QUERIES", QUERIES);
    struct pool *threads = pool ? pool_new("query", THREADS, 64) : NULL;
    for (uint64_t round = 0; round < 2; round++) {
        struct world_shape world = {START_MS, 40 * MINUTE_MS, 15000, histograms,
                                    seed * 100 + round};
        struct expression_shape shape = {&world, histograms ? 3 : 5, histograms, false};
        struct plain_data data = {0};
        struct arena a;
        arena_init(&a);
        world_make(&world, &a, &data);
        struct promqltest_store *store = promqltest_store_new();
        fill_memory(&data, store);
        struct versus v = {.data = &data,
                           .store = promqltest_store_face(store),
                           .tenant = promqltest_store_tenant(store),
                           .pool = threads,
                           .name = "memory"};
        ask_many(&v, &shape, world.seed, queries);
        promqltest_store_free(store);
        for (size_t i = 0; i < data.n; i++)
            vec_free(&data.v[i]);
        vec_free(&data);
        arena_done(&a);
    }
    pool_free(threads);
}

static void random_expressions_have_the_answer_of_their_definition(void **state)
{
    (void)state;
    ask_memory(false, false);
}

static void several_threads_give_the_same_answer(void **state)
{
    (void)state;
    ask_memory(false, true);
}

static void native_histograms_have_the_answer_of_their_definition(void **state)
{
    (void)state;
    ask_memory(true, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_expressions_have_the_answer_of_their_definition),
        cmocka_unit_test(several_threads_give_the_same_answer),
        cmocka_unit_test(native_histograms_have_the_answer_of_their_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
