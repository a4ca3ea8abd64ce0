/* The engine against the plain evaluator: random expressions over random data in the store, as it
 * lies in the head, in parts, and in merged parts with the aggregates of blocks. */
#include "store/series/store_testbed.h"

#include "base/vec.h"
#include "os/pool.h"
#include "query/plain/trial.h"

enum { QUERIES = 800, THREADS = 3, MINUTE_MS = 60000, SLICE_MS = 20 * MINUTE_MS };

struct scene {
    struct bed bed;
    struct world_shape world;
    struct plain_data data;
    struct arena arena;
    size_t *written; /* [data.n] samples that the store has */
};

/* Four hours around midnight. */
static void begin(struct scene *s, uint64_t seed, bool histograms)
{
    *s = (struct scene){
        .world = {BED_EPOCH - 110 * MINUTE_MS, 240 * MINUTE_MS, 15000, histograms, seed}};
    arena_init(&s->arena);
    world_make(&s->world, &s->arena, &s->data);
    s->written = arena_array(&s->arena, s->data.n + 1, sizeof *s->written);
    bed_begin(&s->bed, seed);
    clock_manual_init(&s->bed.clock, s->world.start_ms + s->world.length_ms + MINUTE_MS);
    bed_open(&s->bed);
}

static void done(struct scene *s)
{
    bed_end(&s->bed);
    world_done(&s->data);
    arena_done(&s->arena);
}

static void append(struct scene *s, struct batch *b)
{
    struct sink *sink = store_sink(s->bed.store);
    struct why why = {0};
    if (b->n && sink->ops->append(sink, 0, s->bed.tenant, b, &why) != (int)b->n)
        fail_msg("not all was taken: %s", why.text);
    b->n = 0;
}

/* All samples up to a part of the world's time, slice by slice as they would arrive. */
static void write_until(struct scene *s, unsigned percent)
{
    int64_t to = s->world.start_ms + s->world.length_ms * percent / 100;
    struct batch *b = mem_new(sizeof *b);
    for (int64_t at = s->world.start_ms; at < to + SLICE_MS; at += SLICE_MS) {
        for (size_t i = 0; i < s->data.n; i++) {
            const struct plain_series *series = &s->data.v[i];
            for (; s->written[i] < series->n; s->written[i]++) {
                const struct plain_sample *sample = &series->v[s->written[i]];
                if (sample->ts_ms > (at < to ? at : to))
                    break;
                b->key[b->n] = series->key;
                b->ts_ms[b->n] = sample->ts_ms;
                b->value[b->n] = sample->value;
                b->histogram[b->n] = sample->histogram;
                b->start_ms[b->n++] = 0;
                if (b->n == BATCH_MAX)
                    append(s, b);
            }
        }
    }
    append(s, b);
    mem_free(b);
    assert_int_equal(bed_commit(&s->bed), 0);
}

static void flush(struct scene *s)
{
    struct why why = {0};
    if (store_flush(s->bed.store, &why))
        fail_msg("%s", why.text);
}

static void ask(struct scene *s, const char *name, struct pool *pool)
{
    struct expression_shape shape = {&s->world, s->world.histograms ? 3 : 4, s->world.histograms,
                                     false};
    struct versus v = {.data = &s->data,
                       .store = store_face(s->bed.store),
                       .tenant = s->bed.tenant,
                       .pool = pool,
                       .name = name};
    assert_true(trial_ask(&v, &shape, QUERIES));
}

static void ask_everywhere(uint64_t seed, bool histograms, struct pool *pool)
{
    struct scene s;
    struct why why = {0};
    begin(&s, seed, histograms);
    write_until(&s, 100);
    ask(&s, "head", pool);
    done(&s);
    begin(&s, seed + 1, histograms);
    write_until(&s, 35);
    flush(&s);
    write_until(&s, 75);
    flush(&s);
    write_until(&s, 100);
    ask(&s, "parts and head", pool);
    flush(&s);
    ask(&s, "parts", pool);
    assert_int_equal(store_merge(s.bed.store, true, &why), 0);
    ask(&s, "merged parts", pool);
    done(&s);
}

static void the_store_gives_the_answer_of_the_definition(void **state)
{
    (void)state;
    ask_everywhere(200, false, NULL);
}

static void several_threads_give_the_same_answer_from_the_store(void **state)
{
    (void)state;
    struct pool *pool = pool_new("query", THREADS, 64);
    ask_everywhere(300, false, pool);
    pool_free(pool);
}

static void the_store_gives_native_histograms_back(void **state)
{
    (void)state;
    ask_everywhere(400, true, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_store_gives_the_answer_of_the_definition),
        cmocka_unit_test(several_threads_give_the_same_answer_from_the_store),
        cmocka_unit_test(the_store_gives_native_histograms_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
