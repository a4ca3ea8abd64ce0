#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "os/disk_sim.h"
#include "store/series/chunk.h"
#include "store/series/merge.h"
#include "store/series/part_test_model.h"

enum { PARTS = 4, SERIES = 60, CACHE_BYTES = 4 << 20 };

struct fixture {
    struct disk *disk;
    struct part_place at;
    struct model *models[PARTS];
    struct part *parts[PARTS];
};

/* Parts that overlap in time and in series, some samples of which another part has again. */
static void setup(struct fixture *f, uint64_t seed, int64_t apart_ms)
{
    f->disk = disk_sim_new(seed, 0);
    f->at = (struct part_place){f->disk, page_cache_new(CACHE_BYTES), NULL};
    for (size_t i = 0; i < PARTS; i++) {
        char dir[16];
        snprintf(dir, sizeof dir, "in%zu", i);
        f->models[i] = model_new(seed * 10 + i, SERIES + i * 7, (int64_t)i * apart_ms);
        if (i && seed % 2)
            for (size_t s = 0; s < f->models[i]->n; s += 3) {
                struct model_series *to = &f->models[i]->series[s];
                for (size_t k = 0; k < f->models[i - 1]->n; k++) {
                    const struct model_series *from = &f->models[i - 1]->series[k];
                    if (!str_eq(from->key, to->key))
                        continue;
                    to->n = 0;
                    for (size_t j = 0; j < from->n; j += 2) {
                        struct sample again = {from->v[j].ts_ms, (double)i * 1000};
                        vec_push(to, again);
                    }
                }
            }
        model_write(f->models[i], &f->at, dir, i + 1);
        assert_int_equal(part_open(&f->at, dir, &f->parts[i], NULL), 0);
    }
}

static void teardown(struct fixture *f)
{
    for (size_t i = 0; i < PARTS; i++) {
        part_free(f->parts[i]);
        model_free(f->models[i]);
    }
    page_cache_free(f->at.cache);
    disk_free(f->disk);
}

struct gone {
    const struct index_matchers *matchers;
    int64_t from_ms, to_ms;
    size_t parts; /* the oldest so many */
};

/* What a merge has to give, sample by sample. */
static struct model *expected(const struct fixture *f, int64_t from_ms, int64_t to_ms,
                              const struct gone *gone)
{
    struct model *m = mem_new(sizeof *m);
    size_t keys = SERIES + 7 * (PARTS - 1);
    m->series = mem_array(keys, sizeof *m->series);
    m->n = keys;
    for (size_t i = 0; i < keys; i++)
        m->series[i].key = model_key(i);
    qsort(m->series, keys, sizeof *m->series, model_compare);
    for (size_t p = 0; p < PARTS; p++)
        for (size_t i = 0, at = 0; i < f->models[p]->n; i++) {
            const struct model_series *s = &f->models[p]->series[i];
            while (!str_eq(m->series[at].key, s->key))
                at++;
            bool matches = gone && p < gone->parts && index_matchers_match(gone->matchers, s->key);
            struct model_series *to = &m->series[at];
            for (size_t k = 0; k < s->n; k++) {
                int64_t ts = s->v[k].ts_ms;
                if (ts < from_ms || ts > to_ms ||
                    (matches && ts >= gone->from_ms && ts <= gone->to_ms))
                    continue;
                size_t j = 0;
                while (j < to->n && to->v[j].ts_ms < ts)
                    j++;
                if (j < to->n && to->v[j].ts_ms == ts) {
                    to->v[j] = s->v[k];
                    continue;
                }
                vec_push(to, s->v[k]);
                memmove(to->v + j + 1, to->v + j, (to->n - 1 - j) * sizeof *to->v);
                to->v[j] = s->v[k];
            }
        }
    return m;
}

static struct merge plan(struct fixture *f)
{
    static const char *const dirs[] = {"out"};
    return (struct merge){.at = &f->at,
                          .parts = f->parts,
                          .parts_n = PARTS,
                          .from_ms = INT64_MIN,
                          .to_ms = INT64_MAX,
                          .level = 1,
                          .sequence = 9,
                          .tenant = "test",
                          .dirs = dirs};
}

static void merge_and_compare(struct fixture *f, const struct merge *m, struct model *want)
{
    struct merge_output out[MERGE_CLASSES_MAX];
    struct part *p;
    struct why why = {0};
    size_t n = 0;
    assert_int_equal(merge_run(m, out, &n, &why), 0);
    assert_int_equal(n, 1);
    assert_int_equal(part_open(&f->at, "out", &p, &why), 0);
    assert_int_equal(part_verify(p, NULL, NULL), 0);
    struct model *got = model_read(p, NULL, INT64_MIN, INT64_MAX);
    assert_true(model_same(want, got));
    model_free(got);
    part_free(p);
}

static void a_merge_gives_what_a_plain_union_gives_and_the_newest_wins(void **state)
{
    (void)state;
    static const int64_t apart[] = {0, 600000, 40000000};
    for (uint64_t seed = 1; seed < 10; seed++) {
        struct fixture f;
        setup(&f, seed, apart[seed % 3]);
        struct merge m = plan(&f);
        struct model *want = expected(&f, INT64_MIN, INT64_MAX, NULL);
        merge_and_compare(&f, &m, want);
        model_free(want);
        teardown(&f);
    }
}

static void deleted_ranges_and_what_is_outside_go(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 6; seed++) {
        struct fixture f;
        struct why why = {0};
        struct matcher some = {MATCH_REGEX, STR("instance"), STR("host-[1-5]")};
        struct index_matchers *how;
        setup(&f, seed, 600000);
        assert_int_equal(index_matchers_new(&some, 1, &how, &why), 0);
        struct merge m = plan(&f);
        struct merge_tombstone stone = {how, 300000, 2000000, 2};
        struct gone gone = {how, 300000, 2000000, 2};
        m.tombstones = &stone;
        m.tombstones_n = 1;
        m.from_ms = 100000;
        m.to_ms = 4000000;
        struct model *want = expected(&f, m.from_ms, m.to_ms, &gone);
        merge_and_compare(&f, &m, want);
        model_free(want);
        index_matchers_free(how);
        teardown(&f);
    }
}

static size_t by_zone(void *context, struct str key)
{
    struct str zone = labels_get(key, STR("zone"));
    return str_eq(zone, STR("a")) ? 1 : str_eq(zone, STR("b")) ? SIZE_MAX : 0;
}

static void series_go_to_the_part_of_their_class_or_nowhere(void **state)
{
    (void)state;
    static const char *const classes[] = {"", "long"}, *const dirs[] = {"out0", "out1"};
    struct fixture f;
    struct merge_output out[MERGE_CLASSES_MAX];
    struct why why = {0};
    size_t n = 0, series = 0;
    setup(&f, 3, 600000);
    struct merge m = plan(&f);
    m.class_of = by_zone;
    m.classes = classes;
    m.classes_n = 2;
    m.dirs = dirs;
    assert_int_equal(merge_run(&m, out, &n, &why), 0);
    assert_int_equal(n, 2);
    for (size_t i = 0; i < 2; i++) {
        struct part *p;
        assert_int_equal(part_open(&f.at, dirs[i], &p, &why), 0);
        assert_string_equal(part_info(p)->retention_class, classes[i]);
        struct model *got = model_read(p, NULL, INT64_MIN, INT64_MAX);
        for (size_t k = 0; k < got->n; k++)
            assert_int_equal(by_zone(NULL, got->series[k].key), i);
        series += got->n;
        model_free(got);
        part_free(p);
    }
    struct model *all = expected(&f, INT64_MIN, INT64_MAX, NULL);
    for (size_t k = 0; k < all->n; k++)
        series -= by_zone(NULL, all->series[k].key) != SIZE_MAX;
    assert_int_equal(series, 0);
    model_free(all);
    teardown(&f);
}

static int stop_soon(void *context, uint64_t bytes)
{
    return ++*(int *)context > 1;
}

static void a_merge_that_is_stopped_leaves_nothing_behind(void **state)
{
    (void)state;
    struct fixture f;
    struct merge_output out[MERGE_CLASSES_MAX];
    struct disk_file *file;
    struct why why = {0};
    size_t n = 0;
    int asked = 0;
    setup(&f, 4, 600000);
    struct merge m = plan(&f);
    m.budget = stop_soon;
    m.context = &asked;
    assert_int_equal(merge_run(&m, out, &n, &why), -ERR_CANCELED);
    assert_int_equal(disk_open(f.disk, "out/data", DISK_READ, &file), -ERR_NOENT);
    assert_int_equal(disk_open(f.disk, "out/meta", DISK_READ, &file), -ERR_NOENT);
    teardown(&f);
}

static void full_chunks_are_copied_and_small_ones_are_joined(void **state)
{
    (void)state;
    struct fixture f;
    struct part_writer *w;
    struct part_info info = {.tenant = "t"};
    struct part *in[3], *p;
    struct part_cursor *c;
    struct part_series s;
    struct merge_output out[MERGE_CLASSES_MAX];
    struct why why = {0};
    static const size_t sizes[] = {480, 100, 120};
    static int64_t ts[500];
    static double v[500];
    static const char *const names[] = {"a", "b", "c"};
    size_t n = 0;
    setup(&f, 6, 0);
    int64_t at = 0;
    for (size_t i = 0; i < 3; i++) {
        for (size_t k = 0; k < sizes[i]; k++, at += 15000) {
            ts[k] = at;
            v[k] = (double)((size_t)at / 1000 * 7 % 1001);
        }
        info.sequence = i + 1;
        assert_int_equal(part_writer_new(&f.at, names[i], &info, &w, &why), 0);
        uint32_t ref;
        assert_int_equal(part_writer_ts(w, ts, sizes[i], &ref), 0);
        for (size_t k = 0; k < 20; k++) {
            assert_int_equal(part_writer_series(w, f.models[0]->series[k].key), 0);
            assert_int_equal(part_writer_floats(w, ref, 0, ts, v, sizes[i], NULL), 0);
        }
        assert_int_equal(part_writer_finish(w, &info, &why), 0);
        part_writer_free(w);
        assert_int_equal(part_open(&f.at, names[i], &in[i], &why), 0);
    }
    struct merge m = plan(&f);
    m.parts = in;
    m.parts_n = 3;
    assert_int_equal(merge_run(&m, out, &n, &why), 0);
    assert_int_equal(part_open(&f.at, "out", &p, &why), 0);
    assert_int_equal(part_info(p)->ts_columns, 2);
    assert_int_equal(part_select(p, NULL, INT64_MIN, INT64_MAX, NULL, NULL, &c, &why), 0);
    while (part_cursor_next(c, &s) == 1) {
        assert_int_equal(s.chunks_n, 2);
        assert_int_equal(s.chunks[0].n, 480);
        assert_int_equal(s.chunks[1].n, 220);
    }
    part_cursor_free(c);
    part_free(p);
    for (size_t i = 0; i < 3; i++)
        part_free(in[i]);
    teardown(&f);
}

/* The aggregates of the samples in (end - width, end], worked out one by one. */
static void check_bucket(const struct model_series *s, const struct block *b, int64_t width_ms)
{
    int64_t end = (b->last_ms + width_ms - 1) / width_ms * width_ms;
    struct block want = {0};
    double before = 0;
    for (size_t k = 0; k < s->n; k++) {
        if (s->v[k].ts_ms <= end - width_ms || s->v[k].ts_ms > end ||
            sample_is_stale(s->v[k].value))
            continue;
        double v = s->v[k].value;
        if (!want.n) {
            want.first = want.min = want.max = v;
            want.first_ms = s->v[k].ts_ms;
        } else if (v < before) {
            want.resets++;
            want.reset_sum += before;
        }
        want.min = MIN(want.min, v);
        want.max = MAX(want.max, v);
        want.sum += v;
        want.last = before = v;
        want.last_ms = s->v[k].ts_ms;
        want.n++;
    }
    assert_true(b->tier && b->summarised);
    assert_int_equal(b->n, want.n);
    assert_int_equal(b->first_ms, want.first_ms);
    assert_int_equal(b->last_ms, want.last_ms);
    assert_int_equal(b->resets, want.resets);
    assert_true(b->first == want.first && b->last == want.last);
    assert_true(b->min == want.min && b->max == want.max);
    double slack = 1e-9 * (want.sum < 0 ? -want.sum : want.sum) + 1e-9;
    assert_true(b->sum - want.sum < slack && want.sum - b->sum < slack);
    assert_true(b->reset_sum - want.reset_sum < slack && want.reset_sum - b->reset_sum < slack);
}

static uint64_t check_tier(struct part *p, const struct model *want, int64_t width_ms)
{
    struct part_cursor *c;
    struct part_series s;
    uint64_t samples = 0;
    assert_int_equal(part_select(p, NULL, INT64_MIN, INT64_MAX, NULL, NULL, &c, NULL), 0);
    for (size_t i = 0; part_cursor_next(c, &s) == 1; i++) {
        while (!str_eq(want->series[i].key, s.key))
            i++;
        for (size_t k = 0; k < s.chunks_n; k++) {
            const struct block *b;
            size_t n;
            assert_int_equal(s.chunks[k].kind, PART_TIER);
            assert_int_equal(part_cursor_tier(c, k, &b, &n), 0);
            for (size_t j = 0; j < n; j++) {
                check_bucket(&want->series[i], &b[j], width_ms);
                samples += b[j].n;
            }
        }
    }
    part_cursor_free(c);
    return samples;
}

static void tiers_hold_the_aggregates_of_aligned_buckets(void **state)
{
    (void)state;
    static const char *const hours[] = {"hours"};
    for (uint64_t seed = 1; seed < 5; seed++) {
        struct fixture f;
        struct merge_output out[MERGE_CLASSES_MAX];
        struct part *p, *q;
        struct why why = {0};
        size_t n = 0;
        uint64_t samples = 0;
        setup(&f, seed, 600000);
        struct merge m = plan(&f);
        m.tier = PART_5M;
        struct model *want = expected(&f, INT64_MIN, INT64_MAX, NULL);
        for (size_t i = 0; i < want->n; i++)
            for (size_t k = 0; k < want->series[i].n; k++)
                samples += !sample_is_stale(want->series[i].v[k].value);
        assert_int_equal(merge_run(&m, out, &n, &why), 0);
        assert_int_equal(part_open(&f.at, "out", &p, &why), 0);
        assert_int_equal(check_tier(p, want, part_tier_ms(PART_5M)), samples);
        assert_int_equal(part_verify(p, NULL, NULL), 0);
        m.parts = &p;
        m.parts_n = 1;
        m.tier = PART_1H;
        m.dirs = hours;
        assert_int_equal(merge_run(&m, out, &n, &why), 0);
        assert_int_equal(part_open(&f.at, "hours", &q, &why), 0);
        assert_int_equal(check_tier(q, want, part_tier_ms(PART_1H)), samples);
        part_free(q);
        part_free(p);
        model_free(want);
        teardown(&f);
    }
}

static void buckets_end_at_multiples_of_their_width(void **state)
{
    (void)state;
    const int64_t ts[] = {-300001, -300000, -1, 0, 1, 300000, 300001};
    const double v[] = {1, 2, 3, 4, 5, 6, 7};
    struct block b[8];
    size_t n = 0;
    merge_fold(ts, v, 7, 300000, b, &n);
    assert_int_equal(n, 4);
    assert_int_equal(b[0].n, 2);
    assert_int_equal(b[1].n, 2);
    assert_int_equal(b[2].n, 2);
    assert_int_equal(b[3].n, 1);
    assert_true(b[1].last_ms == 0 && b[2].first_ms == 1 && b[3].first == 7);
}

/* A part with one series of n histograms, every minute from from_ms on, counting from base. */
static struct part *histogram_part(struct fixture *f, const char *dir, uint64_t sequence,
                                   int64_t from_ms, size_t n, double base)
{
    enum { MOST = 100 };
    static double buckets[MOST][2];
    static const struct histogram_span span = {1, 2};
    struct histogram h[MOST];
    const struct histogram *in[MOST];
    int64_t ts[MOST];
    struct part_info info = {.tenant = "t", .sequence = sequence};
    struct part_writer *w;
    struct part *p;
    for (size_t i = 0; i < n; i++) {
        ts[i] = from_ms + (int64_t)i * 60000;
        buckets[i][0] = base + (double)i;
        buckets[i][1] = base;
        h[i] = (struct histogram){.schema = 2,
                                  .count = 2 * base + (double)i,
                                  .sum = base / 3,
                                  .positive_spans = &span,
                                  .positive_spans_n = 1,
                                  .positive = buckets[i],
                                  .positive_n = 2};
        in[i] = &h[i];
    }
    assert_int_equal(part_writer_new(&f->at, dir, &info, &w, NULL), 0);
    assert_int_equal(part_writer_series(w, f->models[0]->series[0].key), 0);
    assert_int_equal(part_writer_own(w, ts, NULL, in, n, NULL), 0);
    assert_int_equal(part_writer_finish(w, &info, NULL), 0);
    part_writer_free(w);
    assert_int_equal(part_open(&f->at, dir, &p, NULL), 0);
    return p;
}

static void check_histograms(struct fixture *f, const char *dir, size_t want, int64_t step_ms)
{
    struct part *p;
    struct part_cursor *c;
    struct part_series s;
    struct column col;
    assert_int_equal(part_open(&f->at, dir, &p, NULL), 0);
    assert_int_equal(part_select(p, NULL, INT64_MIN, INT64_MAX, NULL, NULL, &c, NULL), 0);
    assert_int_equal(part_cursor_next(c, &s), 1);
    assert_int_equal(s.chunks_n, 1);
    assert_int_equal(part_cursor_read(c, 0, &col), 0);
    assert_int_equal(col.n, want);
    for (size_t i = 0; i < want; i++) {
        int64_t minute = (int64_t)i * step_ms / 60000;
        double count = minute >= 20 ? 200 + (double)(minute - 20) : 20 + (double)minute;
        assert_int_equal(col.ts_ms[i], (int64_t)i * step_ms);
        assert_true(col.histogram[i]->count == count);
        assert_int_equal(col.histogram[i]->positive_n, 2);
    }
    part_cursor_free(c);
    part_free(p);
}

static void histograms_merge_and_tiers_keep_the_last_of_a_bucket(void **state)
{
    (void)state;
    static const char *const tier[] = {"tier"};
    struct fixture f;
    struct merge_output out[MERGE_CLASSES_MAX];
    size_t n = 0;
    setup(&f, 2, 0);
    struct part *in[] = {histogram_part(&f, "h0", 1, 0, 31, 10),
                         histogram_part(&f, "h1", 2, 20 * 60000, 41, 100)};
    struct merge m = plan(&f);
    m.parts = in;
    m.parts_n = 2;
    assert_int_equal(merge_run(&m, out, &n, NULL), 0);
    check_histograms(&f, "out", 61, 60000);
    m.tier = PART_5M;
    m.dirs = tier;
    assert_int_equal(merge_run(&m, out, &n, NULL), 0);
    check_histograms(&f, "tier", 13, 300000);
    part_free(in[0]);
    part_free(in[1]);
    teardown(&f);
}

static void a_damaged_page_costs_a_merge_what_lies_on_it_and_is_told(void **state)
{
    (void)state;
    struct fixture f;
    struct merge_output out[MERGE_CLASSES_MAX];
    struct part *p;
    struct why why = {0};
    size_t n = 0;
    setup(&f, 8, 40000000);
    struct merge m = plan(&f);
    struct model *want = expected(&f, INT64_MIN, INT64_MAX, NULL);
    page_cache_free(f.at.cache);
    for (size_t i = 0; i < PARTS; i++)
        part_free(f.parts[i]);
    f.at.cache = NULL;
    assert_true(disk_sim_flip(f.disk, "in1/data", 8 * (PAGE_HEADER_BYTES + 1000)));
    for (size_t i = 0; i < PARTS; i++) {
        char dir[16];
        snprintf(dir, sizeof dir, "in%zu", i);
        assert_int_equal(part_open(&f.at, dir, &f.parts[i], NULL), 0);
    }
    assert_int_equal(merge_run(&m, out, &n, &why), 0);
    assert_int_equal(part_open(&f.at, "out", &p, &why), 0);
    struct model *got = model_read(p, NULL, INT64_MIN, INT64_MAX);
    assert_false(model_same(want, got));
    assert_true(model_within(want, got));
    assert_true(got->n > 0);
    model_free(got);
    model_free(want);
    part_free(p);
    teardown(&f);
}

static void every_failing_call_of_the_disk_ends_a_merge_with_its_error(void **state)
{
    (void)state;
    size_t failed = 0;
    for (uint64_t at = 1; at < 50; at++) {
        struct fixture f;
        struct merge_output out[MERGE_CLASSES_MAX];
        struct why why = {0};
        size_t n = 0;
        setup(&f, 2, 600000);
        struct merge m = plan(&f);
        disk_sim_fail_at(f.disk, at, ERR_FULL, true);
        int err = merge_run(&m, out, &n, &why);
        assert_true(err == 0 || err == -ERR_FULL);
        failed += err != 0;
        assert_true(!err || why.text[0]);
        disk_sim_heal(f.disk);
        teardown(&f);
    }
    assert_true(failed > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_merge_gives_what_a_plain_union_gives_and_the_newest_wins),
        cmocka_unit_test(deleted_ranges_and_what_is_outside_go),
        cmocka_unit_test(series_go_to_the_part_of_their_class_or_nowhere),
        cmocka_unit_test(a_merge_that_is_stopped_leaves_nothing_behind),
        cmocka_unit_test(full_chunks_are_copied_and_small_ones_are_joined),
        cmocka_unit_test(tiers_hold_the_aggregates_of_aligned_buckets),
        cmocka_unit_test(buckets_end_at_multiples_of_their_width),
        cmocka_unit_test(histograms_merge_and_tiers_keep_the_last_of_a_bucket),
        cmocka_unit_test(a_damaged_page_costs_a_merge_what_lies_on_it_and_is_told),
        cmocka_unit_test(every_failing_call_of_the_disk_ends_a_merge_with_its_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
