#include "query/plain/trial.h"

#include <stdio.h>
#include <stdlib.h>

enum { REPORT_MAX = 1 << 20, DIFFERENT_MAX = 20, MINUTE_MS = 60000, QUERIES_PER_SEED = 6 };

void trial_query(struct dice *d, const struct expression_shape *shape, struct buf *text,
                 struct versus_query *ret)
{
    static const int64_t steps[] = {15000, 60000, 47000, 120000, 5000, 300000};
    const struct world_shape *w = shape->world;
    *ret = (struct versus_query){.options = {.experimental_functions = true,
                                             .extended_selectors = true,
                                             .fill_modifiers = true}};
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

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void print(const struct versus *v)
{
    printf("%s%s: %zu asked, %zu filled, %zu failed, %zu unstable, %zu different\n", v->name,
           v->pool ? " with a pool" : "", v->asked, v->filled, v->failed, v->unstable,
           v->different);
    if (v->report->n)
        printf("%.*s", (int)v->report->n, v->report->p);
    fflush(stdout);
}

bool trial_ask(struct versus *v, const struct expression_shape *shape, size_t queries)
{
    uint64_t seed = number_of("SONDE_PLAIN_SEED", 1) * 1000 + shape->world->seed;
    uint64_t only = number_of("SONDE_PLAIN_ONLY", UINT64_MAX);
    struct buf report;
    buf_init(&report, REPORT_MAX);
    uint64_t few = number_of("SONDE_SEEDS", 0) * QUERIES_PER_SEED;
    queries = number_of("SONDE_PLAIN_QUERIES", few ? MIN(few, queries) : queries);
    v->report = &report;
    for (size_t i = 0; i < queries && v->different < DIFFERENT_MAX; i++) {
        struct dice d;
        struct buf text;
        struct versus_query q;
        if (only != UINT64_MAX && only != i)
            continue;
        dice_seed(&d, seed * 1000003 + i);
        buf_init(&text, PROMQL_TEXT_MAX);
        trial_query(&d, shape, &text, &q);
        if (!versus_ask(v, &q))
            buf_printf(&report, "  seed %llu, query %zu\n", (unsigned long long)seed, i);
        buf_done(&text);
    }
    print(v);
    buf_done(&report);
    v->report = NULL;
    return v->different == 0 && v->filled * 3 > v->asked && v->unstable * 20 < v->asked + 20;
}
