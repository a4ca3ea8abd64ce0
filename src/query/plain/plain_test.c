/* The engine against the plain evaluator: random expressions over random data in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/vec.h"
#include "os/pool.h"
#include "query/plain/trial.h"
#include "query/promql/promqltest.h"

enum { QUERIES = 3000, THREADS = 3, WORLDS = 2, MINUTE_MS = 60000 };

static const int64_t START_MS = 1800000000000;

static void fill_memory(const struct plain_data *data, struct promqltest_store *store)
{
    for (size_t i = 0; i < data->n; i++) {
        for (size_t k = 0; k < data->v[i].n; k++) {
            const struct plain_sample *s = &data->v[i].v[k];
            promqltest_store_put(store, data->v[i].key, s->ts_ms, s->value, s->histogram);
        }
    }
}

static void ask_memory(bool histograms, struct pool *pool)
{
    for (uint64_t round = 0; round < WORLDS; round++) {
        struct world_shape world = {START_MS, 40 * MINUTE_MS, 15000, histograms, 100 + round};
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
                           .pool = pool,
                           .name = "memory"};
        bool same = trial_ask(&v, &shape, QUERIES);
        promqltest_store_free(store);
        world_done(&data);
        arena_done(&a);
        assert_true(same);
    }
}

static void random_expressions_have_the_answer_of_their_definition(void **state)
{
    (void)state;
    ask_memory(false, NULL);
}

static void several_threads_give_the_same_answer(void **state)
{
    (void)state;
    struct pool *pool = pool_new("query", THREADS, 64);
    ask_memory(false, pool);
    ask_memory(true, pool);
    pool_free(pool);
}

static void native_histograms_have_the_answer_of_their_definition(void **state)
{
    (void)state;
    ask_memory(true, NULL);
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
