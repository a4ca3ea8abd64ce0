/* The store against a plain model, on a simulated disk that crashes, fills up and refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/rand.h"
#include "base/vec.h"
#include "model/labels.h"
#include "model/sample.h"
#include "os/disk_sim.h"
#include "store/series/store_inside.h"

enum { SERIES = 24, TIMES = 400, STEP_MS = 1000 };

static const int64_t EPOCH = 1800000000000;

/* What a timestamp of a series may hold: written values from the last acknowledged one on. */
struct cell {
    double values[6];
    uint8_t n;  /* 0: nothing was ever written */
    bool acked; /* values[0] was acknowledged: one of values must be there */
};

struct world {
    struct disk *disk;
    struct clock_manual clock;
    struct store_settings settings;
    struct store *store;
    struct tenant *tenant;
    struct rand rand;
    struct cell cells[SERIES][TIMES];
    struct {
        uint16_t series, time;
    } pending[4096];
    size_t pending_n;
    char keys[SERIES][256];
    size_t keys_n[SERIES];
    int64_t now; /* steps */
    double counters[SERIES];
};

static void warn(void *context, const char *text)
{
    (void)context;
    if (getenv("VERBOSE"))
        fprintf(stderr, "warn: %s\n", text);
}

static int open_store(struct world *w, struct why *why)
{
    struct store_config config = {.disk = w->disk,
                                  .clock = &w->clock.clock,
                                  .settings = &w->settings,
                                  .lanes = 2,
                                  .manual = true,
                                  .warn = warn};
    int err = store_open(&config, &w->store, why);
    if (!err)
        err = store_sink(w->store)->ops->tenant(store_sink(w->store), STR("default"), &w->tenant,
                                                why);
    return err;
}

static void make_keys(struct world *w)
{
    for (int i = 0; i < SERIES; i++) {
        struct buf key;
        char text[64];
        buf_init(&key, 4096);
        labels_put(&key, LABEL_METRIC, str_c(i % 3 ? "node_load1" : "up_total"));
        snprintf(text, sizeof text, "host-%d", i / 8);
        if (i < 16) { /* two targets; the rest stands alone */
            labels_put(&key, STR("instance"), str_c(text));
            labels_put(&key, STR("job"), STR("node"));
        }
        snprintf(text, sizeof text, "%d", i);
        labels_put(&key, STR("nr"), str_c(text));
        memcpy(w->keys[i], key.p, key.n);
        w->keys_n[i] = key.n;
        buf_done(&key);
    }
}

static void begin(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    rand_init(&w->rand, seed);
    w->disk = disk_sim_new(seed, 0);
    clock_manual_init(&w->clock, EPOCH + TIMES * STEP_MS);
    store_settings_init(&w->settings);
    w->settings.log_segment_bytes = 1 << 20;
    w->settings.page_cache_bytes = 1 << 20;
    make_keys(w);
    struct why why = {0};
    if (open_store(w, &why))
        fail_msg("%s", why.text);
}

static void end(struct world *w)
{
    store_abandon(w->store);
    disk_free(w->disk);
}

/* ---- writing */

static double next_value(struct world *w, int series)
{
    switch (series % 6) {
    case 0:
        return 1; /* constant */
    case 1:
        return w->counters[series] += (double)rand_below(&w->rand, 100);
    case 2:
        return (double)rand_below(&w->rand, 100000) / 100;
    case 3:
        return rand_below(&w->rand, 20) ? rand_unit(&w->rand) : sample_stale();
    case 4:
        return bits_double(rand_u64(&w->rand) | 1); /* any bits, also NaNs */
    default:
        return rand_below(&w->rand, 10) ? 7 : -0.0;
    }
}

static void note_write(struct world *w, int series, int time, double v)
{
    struct cell *c = &w->cells[series][time];
    if (c->n == COUNTOF(c->values)) { /* the oldest unacknowledged one in between is forgotten */
        memmove(c->values + 1, c->values + 2, (c->n - 2) * sizeof *c->values);
        c->n--;
    }
    c->values[c->n++] = v;
    if (w->pending_n < COUNTOF(w->pending)) {
        w->pending[w->pending_n].series = (uint16_t)series;
        w->pending[w->pending_n++].time = (uint16_t)time;
    }
}

static void done(void *context, int err)
{
    *(int *)context = err;
}

/* What was written before is durable: only the newest value of each may be there. */
static void acknowledge(struct world *w)
{
    for (size_t i = 0; i < w->pending_n; i++) {
        struct cell *c = &w->cells[w->pending[i].series][w->pending[i].time];
        c->values[0] = c->values[c->n - 1];
        c->n = 1;
        c->acked = true;
    }
}

static void commit(struct world *w, size_t lane)
{
    int result = 1;
    struct sink *sink = store_sink(w->store);
    sink->ops->commit(sink, lane, done, &result);
    while (result == 1 && log_step(w->store->log))
        ;
    if (result == 0)
        acknowledge(w);
    w->pending_n = 0;
}

/* One scrape of some of the series; now and then old, double or shuffled. */
static void write_some(struct world *w, bool with_commit)
{
    struct batch b = {0};
    struct why why = {0};
    size_t lane = rand_below(&w->rand, 4) == 0;
    bool late = rand_below(&w->rand, 8) == 0;
    int time = (int)(w->now % TIMES);
    if (late)
        time = (int)rand_below(&w->rand, TIMES);
    else
        w->now++;
    int first = (int)rand_below(&w->rand, 3) * 8,
        last = rand_below(&w->rand, 3) ? SERIES : first + 8;
    for (int i = rand_below(&w->rand, 3) ? 0 : first; i < last && b.n < BATCH_MAX; i++) {
        if (rand_below(&w->rand, 12) == 0)
            continue;
        b.key[b.n] = str_of(w->keys[i], w->keys_n[i]);
        b.ts_ms[b.n] = EPOCH + (int64_t)time * STEP_MS;
        b.value[b.n] = next_value(w, i);
        b.n++;
    }
    size_t n = b.n;
    double values[BATCH_MAX];
    struct str keys[BATCH_MAX];
    memcpy(values, b.value, sizeof values);
    memcpy(keys, b.key, sizeof keys);
    struct sink *sink = store_sink(w->store);
    int taken = sink->ops->append(sink, lane, w->tenant, &b, &why);
    if (taken < 0) {
        /* It may be in memory all the same. */
        for (size_t i = 0; i < n; i++)
            for (int s = 0; s < SERIES; s++)
                if (keys[i].p == w->keys[s])
                    note_write(w, s, time, values[i]);
        w->pending_n = 0;
        return;
    }
    assert_int_equal(taken, (int)n);
    for (size_t i = 0; i < n; i++)
        for (int s = 0; s < SERIES; s++)
            if (keys[i].p == w->keys[s])
                note_write(w, s, time, values[i]);
    if (with_commit)
        commit(w, lane);
    else
        w->pending_n = 0;
}

/* ---- checking */

static bool allowed(const struct cell *c, double v, bool crashed)
{
    /* Without a crash the last write is what one sees. */
    for (int i = crashed ? 0 : c->n - 1; i >= 0 && i < c->n; i++)
        if (double_bits(c->values[i]) == double_bits(v))
            return true;
    return false;
}

static int series_of(const struct world *w, struct str key)
{
    for (int i = 0; i < SERIES; i++)
        if (key.n == w->keys_n[i] && memcmp(key.p, w->keys[i], key.n) == 0)
            return i;
    return -1;
}

static void check_column(struct world *w, int s, const struct column *c, int from, int to,
                         bool crashed, uint64_t seed)
{
    size_t k = 0;
    for (int t = from; t <= to; t++) {
        struct cell *cell = &w->cells[s][t];
        bool there = k < c->n && c->ts_ms[k] == EPOCH + (int64_t)t * STEP_MS;
        if (there) {
            if (cell->n == 0 || !allowed(cell, c->value[k], crashed))
                fail_msg("seed %llu: series %d time %d holds %g, last written %g (%d)",
                         (unsigned long long)seed, s, t, c->value[k],
                         cell->n ? cell->values[cell->n - 1] : 0, cell->n);
            if (crashed) {
                cell->values[0] = c->value[k];
                cell->n = 1;
                cell->acked = true;
            }
            k++;
        } else if (cell->n && (cell->acked || !crashed)) {
            fail_msg("seed %llu: series %d time %d is lost (acked %d)", (unsigned long long)seed, s,
                     t, cell->acked);
        } else {
            cell->n = 0;
        }
    }
    if (k != c->n)
        fail_msg("seed %llu: series %d has %zu samples that nobody wrote", (unsigned long long)seed,
                 s, c->n - k);
}

static void check_range(struct world *w, int from, int to, enum select_want want, bool crashed,
                        uint64_t seed)
{
    struct series_store *face = store_face(w->store);
    struct matcher all = {MATCH_NOT_EQUAL, LABEL_METRIC, STR("")};
    struct select how = {.matchers = &all,
                         .matchers_n = 1,
                         .from_ms = EPOCH + from * STEP_MS,
                         .to_ms = EPOCH + to * STEP_MS,
                         .want = want};
    struct series_cursor *c;
    struct series_view view;
    struct why why = {0};
    bool seen[SERIES] = {0};
    char last[512] = "";
    size_t last_n = 0;
    int got;
    assert_int_equal(face->ops->select(face, w->tenant, &how, &c, &why), 0);
    while ((got = face->ops->next(c, &view, &why)) == 1) {
        int s = series_of(w, view.key);
        assert_true(s >= 0 && !seen[s]);
        assert_true(str_cmp(str_of(last, last_n), view.key) < 0);
        memcpy(last, view.key.p, last_n = view.key.n);
        seen[s] = true;
        if (want == SELECT_SAMPLES)
            check_column(w, s, &view.column, from, to, crashed, seed);
        uint64_t n = 0;
        int64_t before = INT64_MIN;
        for (size_t i = 0; i < view.blocks_n; i++) {
            struct column column;
            assert_true(view.blocks[i].first_ms > before);
            before = view.blocks[i].last_ms;
            assert_int_equal(face->ops->decode(c, &view.blocks[i], &column), 0);
            assert_int_equal(column.n, view.blocks[i].n);
            n += column.n;
        }
        for (int t = from; want == SELECT_BLOCKS && t <= to; t++)
            n -= w->cells[s][t].n > 0;
        if (want == SELECT_BLOCKS && from == 0 && to == TIMES - 1 && n)
            fail_msg("seed %llu: series %d: blocks count wrong by %lld", (unsigned long long)seed,
                     s, (long long)n);
    }
    assert_int_equal(got, 0);
    struct column none = {0};
    for (int s = 0; s < SERIES && want == SELECT_SAMPLES; s++)
        if (!seen[s])
            check_column(w, s, &none, from, to, crashed, seed);
    face->ops->close(c);
}

static void check_all(struct world *w, bool crashed, uint64_t seed)
{
    check_range(w, 0, TIMES - 1, SELECT_SAMPLES, crashed, seed);
    int from = (int)rand_below(&w->rand, TIMES),
        to = from + (int)rand_below(&w->rand, TIMES - (uint64_t)from);
    check_range(w, from, to, SELECT_SAMPLES, false, seed);
    check_range(w, 0, TIMES - 1, SELECT_BLOCKS, false, seed);
}

static void reopen(struct world *w, enum disk_sim_crash how, uint64_t seed)
{
    struct why why = {0};
    store_abandon(w->store);
    w->store = NULL;
    disk_sim_crash(w->disk, how);
    if (open_store(w, &why))
        fail_msg("seed %llu: the store does not open: %s", (unsigned long long)seed, why.text);
    w->pending_n = 0;
}

/* ---- tests */

/* How many histories are played: SONDE_SEEDS where it is set, as under sanitizers. */
static uint64_t seeds(uint64_t usual)
{
    const char *count = getenv("SONDE_SEEDS");
    return count ? strtoull(count, NULL, 10) : usual;
}

static void what_is_written_is_read_through_flushes_merges_and_restarts(void **state)
{
    (void)state;
    struct world *w = mem_new(sizeof *w);
    for (uint64_t seed = 1, last = seeds(60); seed <= last; seed++) {
        struct why why = {0};
        begin(w, seed);
        for (int i = 0; i < 300; i++) {
            write_some(w, true);
            uint64_t dice = rand_below(&w->rand, 100);
            if (dice < 3 && store_flush(w->store, &why))
                fail_msg("%s", why.text);
            else if (dice == 3 && store_merge(w->store, rand_below(&w->rand, 2), &why))
                fail_msg("%s", why.text);
            else if (dice == 4)
                reopen(w, DISK_SIM_KEEP, seed);
            else if (dice == 5)
                check_all(w, false, seed);
        }
        check_all(w, false, seed);
        end(w);
    }
    mem_free(w);
}

static void nothing_acknowledged_is_lost_when_the_power_is_cut_at_any_call(void **state)
{
    (void)state;
    struct world *w = mem_new(sizeof *w);
    for (uint64_t seed = 1, last = seeds(400); seed <= last; seed++) {
        struct why why = {0};
        begin(w, seed);
        for (int round = 0; round < 3; round++) {
            disk_sim_power_off_at(w->disk, 1 + rand_below(&w->rand, 120));
            for (int i = 0; i < 60 && !disk_sim_is_off(w->disk); i++) {
                write_some(w, rand_below(&w->rand, 4) > 0);
                /* Failures are what this is about. */
                int ignored UNUSED = rand_below(&w->rand, 15) ? 0 : store_flush(w->store, &why);
                ignored = rand_below(&w->rand, 30) ? 0 : store_merge(w->store, false, &why);
            }
            reopen(w, rand_below(&w->rand, 3) ? DISK_SIM_TORN : DISK_SIM_LOSE, seed);
            check_all(w, true, seed);
        }
        end(w);
    }
    mem_free(w);
}

static void every_nth_failing_call_is_survived(void **state)
{
    (void)state;
    struct world *w = mem_new(sizeof *w);
    static const enum err CODES[] = {ERR_IO, ERR_FULL};
    for (uint64_t n = 1; n <= 150; n++) {
        struct why why = {0};
        begin(w, n);
        for (int i = 0; i < 10; i++)
            write_some(w, true);
        disk_sim_fail_at(w->disk, n, CODES[n % 2], n % 3 == 0);
        for (int i = 0; i < 20; i++) {
            write_some(w, true);
            int ignored UNUSED = i % 5 ? 0 : store_flush(w->store, &why);
            ignored = i % 7 ? 0 : store_merge(w->store, true, &why);
        }
        disk_sim_heal(w->disk);
        for (int i = 0; i < 5; i++)
            write_some(w, true);
        reopen(w, DISK_SIM_TORN, n);
        check_all(w, true, n);
        end(w);
    }
    mem_free(w);
}

static void a_full_disk_refuses_writes_answers_reads_and_heals_by_itself(void **state)
{
    (void)state;
    struct world *w = mem_new(sizeof *w);
    begin(w, 5);
    for (int i = 0; i < 100; i++)
        write_some(w, true);
    disk_sim_set_capacity(w->disk, 1);
    struct why why = {0};
    for (int i = 0; i < 50; i++)
        write_some(w, true);
    assert_int_not_equal(store_flush(w->store, &why), 0);
    check_range(w, 0, TIMES - 1, SELECT_KEYS, false, 5);
    disk_sim_set_capacity(w->disk, 0);
    for (int i = 0; i < 5 && store_writable(w->store, &why); i++)
        log_step(w->store->log);
    assert_int_equal(store_writable(w->store, &why), 0);
    for (int i = 0; i < 50; i++)
        write_some(w, true);
    assert_int_equal(store_flush(w->store, &why), 0);
    reopen(w, DISK_SIM_LOSE, 5);
    check_all(w, true, 5);
    end(w);
    mem_free(w);
}

static void deleted_ranges_stay_deleted_and_can_be_written_again(void **state)
{
    (void)state;
    struct world *w = mem_new(sizeof *w);
    begin(w, 9);
    for (int i = 0; i < 200; i++)
        write_some(w, true);
    struct why why = {0};
    struct matcher one = {MATCH_EQUAL, STR("nr"), STR("2")};
    struct series_store *face = store_face(w->store);
    assert_int_equal(face->ops->remove(face, w->tenant, &one, 1, EPOCH + 50 * STEP_MS,
                                       EPOCH + 100 * STEP_MS, &why),
                     0);
    for (int t = 50; t <= 100; t++)
        w->cells[2][t].n = 0;
    check_all(w, false, 9);
    reopen(w, DISK_SIM_LOSE, 9);
    check_all(w, false, 9);
    for (int i = 0; i < 100; i++)
        write_some(w, true);
    assert_int_equal(store_flush(w->store, &why), 0);
    check_all(w, false, 9);
    assert_int_equal(store_merge(w->store, true, &why), 0);
    check_all(w, false, 9);
    assert_int_equal(w->tenant->tombstones.n, 0);
    reopen(w, DISK_SIM_LOSE, 9);
    check_all(w, false, 9);
    end(w);
    mem_free(w);
}

static void a_limit_refuses_new_series_alone_and_names_the_metric(void **state)
{
    (void)state;
    struct world *w = mem_new(sizeof *w);
    begin(w, 3);
    w->settings.series_max = 10;
    store_reload(w->store, &w->settings);
    struct batch b = {0};
    struct why why = {0};
    for (int i = 0; i < SERIES; i++) {
        b.key[b.n] = str_of(w->keys[i], w->keys_n[i]);
        b.ts_ms[b.n] = EPOCH;
        b.value[b.n++] = 1;
    }
    struct sink *sink = store_sink(w->store);
    assert_int_equal(sink->ops->append(sink, 0, w->tenant, &b, &why), 10);
    for (int i = 0; i < SERIES; i++)
        assert_int_equal(b.err[i], i < 10 ? 0 : -ERR_LIMIT);
    assert_non_null(strstr(why.text, "series"));
    assert_int_equal(w->tenant->head->excess_n, 2);

    /* The same batch again: what was refused before is no reason. */
    w->settings.series_max = 0;
    store_reload(w->store, &w->settings);
    memset(b.err, -ERR_LIMIT, sizeof b.err);
    assert_int_equal(sink->ops->append(sink, 0, w->tenant, &b, &why), SERIES);
    for (int i = 0; i < SERIES; i++)
        assert_int_equal(b.err[i], 0);
    end(w);
    mem_free(w);
}

/* A lane uses one batch for all of its requests. */
static void what_one_batch_refused_is_welcome_in_the_next(void **state)
{
    (void)state;
    struct world *w = mem_new(sizeof *w);
    begin(w, 4);
    struct batch b = {0};
    struct why why = {0};
    struct sink *sink = store_sink(w->store);
    b.n = 1;
    b.key[0] = str_of(w->keys[0], w->keys_n[0]);
    b.ts_ms[0] = EPOCH - 30LL * 86400 * 1000;
    assert_int_equal(sink->ops->append(sink, 0, w->tenant, &b, &why), 0);
    assert_int_equal(b.err[0], -ERR_OLD);
    b.ts_ms[0] = EPOCH;
    assert_int_equal(sink->ops->append(sink, 0, w->tenant, &b, &why), 1);
    assert_int_equal(b.err[0], 0);
    end(w);
    mem_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_through_flushes_merges_and_restarts),
        cmocka_unit_test(nothing_acknowledged_is_lost_when_the_power_is_cut_at_any_call),
        cmocka_unit_test(every_nth_failing_call_is_survived),
        cmocka_unit_test(a_full_disk_refuses_writes_answers_reads_and_heals_by_itself),
        cmocka_unit_test(deleted_ranges_stay_deleted_and_can_be_written_again),
        cmocka_unit_test(a_limit_refuses_new_series_alone_and_names_the_metric),
        cmocka_unit_test(what_one_batch_refused_is_welcome_in_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
