/* The store under several writers, readers and its own background thread: made for TSan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/rand.h"
#include "model/labels.h"
#include "os/disk_sim.h"
#include "store/series/store_inside.h"

enum { WRITERS = 3, SERIES = 40, ROUNDS = 300, STEP_MS = 1000, SHARED = 8 };

struct world {
    struct disk *disk;
    struct store *store;
    struct store_settings settings;
    int64_t first_ms;
    atomic_int running;
    atomic_int failures;
};

struct writer {
    struct world *w;
    size_t lane;
    struct thread thread;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    int result; /* 1: not yet */
};

static void warn(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "warn: %s\n", text);
}

static void committed(void *context, int err)
{
    struct writer *me = context;
    thread_lock(&me->lock);
    me->result = err;
    thread_wake(&me->cond);
    thread_unlock(&me->lock);
}

/* Series below SHARED are written by all writers, the others by one each. */
static void make_key(struct buf *key, size_t lane, int series)
{
    char text[32];
    buf_clear(key);
    labels_put(key, LABEL_METRIC, STR("m"));
    if (series >= SHARED) {
        snprintf(text, sizeof text, "host-%zu", lane);
        labels_put(key, STR("instance"), str_c(text));
        labels_put(key, STR("job"), STR("x"));
    }
    snprintf(text, sizeof text, "%d", series);
    labels_put(key, STR("nr"), str_c(text));
}

static void write_round(struct writer *me, struct tenant *t, int round, struct buf *keys)
{
    struct batch b = {0};
    struct why why = {0};
    struct sink *sink = store_sink(me->w->store);
    for (int i = 0; i < SERIES; i++) {
        make_key(&keys[i], me->lane, i);
        b.key[b.n] = buf_str(&keys[i]);
        b.ts_ms[b.n] = me->w->first_ms + (int64_t)round * STEP_MS;
        b.value[b.n++] = i % 3 ? round : 5;
    }
    if (sink->ops->append(sink, me->lane, t, &b, &why) != (int)b.n)
        atomic_fetch_add(&me->w->failures, 1);
    me->result = 1;
    sink->ops->commit(sink, me->lane, committed, me);
    thread_lock(&me->lock);
    while (me->result == 1)
        thread_wait(&me->cond, &me->lock);
    thread_unlock(&me->lock);
    if (me->result)
        atomic_fetch_add(&me->w->failures, 1);
}

static void write_all(void *context)
{
    struct writer *me = context;
    struct tenant *t;
    struct buf keys[SERIES];
    struct sink *sink = store_sink(me->w->store);
    for (int i = 0; i < SERIES; i++)
        buf_init(&keys[i], 1024);
    must(sink->ops->tenant(sink, STR("default"), &t, NULL) == 0);
    for (int round = 0; round < ROUNDS; round++)
        write_round(me, t, round, keys);
    for (int i = 0; i < SERIES; i++)
        buf_done(&keys[i]);
    atomic_fetch_sub(&me->w->running, 1);
}

/* Every series must be without holes up to what was there before the select: count and times. */
static size_t check(struct world *w, enum select_want want, bool complete)
{
    struct series_store *face = store_face(w->store);
    struct tenant *t = face->ops->tenant(face, STR("default"));
    struct matcher m = {MATCH_EQUAL, LABEL_METRIC, STR("m")};
    struct select how = {.matchers = &m,
                         .matchers_n = 1,
                         .from_ms = w->first_ms,
                         .to_ms = w->first_ms + (int64_t)ROUNDS * STEP_MS,
                         .want = want};
    struct series_cursor *c;
    struct series_view view;
    struct why why = {0};
    size_t series = 0;
    if (!t)
        return 0;
    must(face->ops->select(face, t, &how, &c, &why) == 0);
    while (face->ops->next(c, &view, &why) == 1) {
        series++;
        const struct column *column = &view.column;
        if (want == SELECT_SAMPLES && complete)
            assert_int_equal(column->n, ROUNDS);
        for (size_t i = 0; want == SELECT_SAMPLES && i < column->n; i++)
            if (column->ts_ms[i] != w->first_ms + (int64_t)i * STEP_MS)
                atomic_fetch_add(&w->failures, 1);
        for (size_t i = 0; i < view.blocks_n; i++) {
            struct column decoded;
            must(face->ops->decode(c, &view.blocks[i], &decoded) == 0);
        }
    }
    face->ops->close(c);
    return series;
}

static void read_all(void *context)
{
    struct world *w = context;
    while (atomic_load(&w->running) > 0) {
        check(w, SELECT_SAMPLES, false);
        check(w, SELECT_BLOCKS, false);
        check(w, SELECT_KEYS, false);
    }
}

static void writers_readers_and_the_background_share_the_store(void **state)
{
    (void)state;
    struct world w = {.running = WRITERS};
    struct why why = {0};
    w.disk = disk_sim_new(1, 0);
    store_settings_init(&w.settings);
    w.settings.flush_samples_max = 3000;
    w.settings.log_segment_bytes = 1 << 20;
    w.first_ms = clock_wall_ms(&clock_real) / 1000 * 1000 - (int64_t)ROUNDS * STEP_MS;
    struct store_config config = {.disk = w.disk,
                                  .clock = &clock_real,
                                  .settings = &w.settings,
                                  .lanes = WRITERS,
                                  .warn = warn};
    assert_int_equal(store_open(&config, &w.store, &why), 0);
    struct writer writers[WRITERS];
    struct thread readers[2] = {0};
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.w = &w, .lane = i};
        thread_lock_init(&writers[i].lock);
        thread_cond_init(&writers[i].cond);
        thread_start(&writers[i].thread, "writer", write_all, &writers[i]);
    }
    for (int i = 0; i < 2; i++)
        thread_start(&readers[i], "reader", read_all, &w);
    for (size_t i = 0; i < WRITERS; i++)
        thread_join(&writers[i].thread);
    for (int i = 0; i < 2; i++)
        thread_join(&readers[i]);
    assert_int_equal(atomic_load(&w.failures), 0);
    assert_int_equal(check(&w, SELECT_SAMPLES, true), SHARED + WRITERS * (SERIES - SHARED));
    assert_int_equal(store_flush(w.store, &why), 0);
    assert_int_equal(store_merge(w.store, true, &why), 0);
    assert_int_equal(check(&w, SELECT_SAMPLES, true), SHARED + WRITERS * (SERIES - SHARED));
    store_close(w.store);
    disk_free(w.disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writers_readers_and_the_background_share_the_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
