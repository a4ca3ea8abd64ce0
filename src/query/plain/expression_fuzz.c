/* Bytes choose an expression, its times and its world: the engine and the plain evaluator must say
 * the same. */
#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"
#include "query/plain/trial.h"
#include "query/promql/promqltest.h"

enum { WORLDS = 3, MINUTE_MS = 60000 };

/* Made at the first use; there is no end of a fuzz target at which they could go. */
static struct scene {
    struct world_shape world;
    struct plain_data data;
    struct arena arena;
    struct promqltest_store *store;
} scenes[WORLDS];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct scene *scene_of(unsigned which)
{
    struct scene *s = &scenes[which];
    if (s->store)
        return s;
    s->world = (struct world_shape){1800000000000, 30 * MINUTE_MS, 15000, which == 2, which + 900};
    arena_init(&s->arena);
    world_make(&s->world, &s->arena, &s->data);
    s->store = promqltest_store_new();
    for (size_t i = 0; i < s->data.n; i++) {
        const struct plain_series *series = &s->data.v[i];
        for (size_t k = 0; k < series->n; k++)
            promqltest_store_put(s->store, series->key, series->v[k].ts_ms, series->v[k].value,
                                 series->v[k].histogram);
    }
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct dice d;
    struct buf text, report;
    struct versus_query q;
    dice_bytes(&d, str_of((const char *)data, n));
    struct scene *s = scene_of(dice_below(&d, WORLDS));
    struct expression_shape shape = {&s->world, s->world.histograms ? 3 : 5, s->world.histograms,
                                     false};
    buf_init(&text, PROMQL_TEXT_MAX);
    buf_init(&report, 1 << 16);
    struct versus v = {.data = &s->data,
                       .store = promqltest_store_face(s->store),
                       .tenant = promqltest_store_tenant(s->store),
                       .name = "memory",
                       .report = &report};
    trial_query(&d, &shape, &text, &q);
    if (!versus_ask(&v, &q)) {
        fprintf(stderr, "%.*s\n", (int)report.n, report.p);
        must(!"both say the same");
    }
    buf_done(&text);
    buf_done(&report);
    return 0;
}
