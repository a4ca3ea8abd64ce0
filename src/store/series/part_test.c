#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "base/vec.h"
#include "model/labels.h"
#include "model/sample.h"
#include "os/disk_sim.h"
#include "store/series/chunk.h"
#include "store/series/part.h"
#include "store/series/part_test_model.h"

enum { CACHE_BYTES = 4 << 20 };

struct fixture {
    struct disk *disk;
    struct part_place at;
};

static void setup(struct fixture *f, uint64_t seed)
{
    f->disk = disk_sim_new(seed, 0);
    f->at = (struct part_place){f->disk, page_cache_new(CACHE_BYTES), NULL};
}

static void teardown(struct fixture *f)
{
    page_cache_free(f->at.cache);
    disk_free(f->disk);
}

static void count_warning(void *context, const char *text)
{
    ++*(size_t *)context;
}

static void a_part_gives_back_every_series_and_sample(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 12; seed++) {
        struct fixture f;
        struct part *p;
        struct why why = {0};
        setup(&f, seed);
        struct model *m = model_new(seed, 150, 0);
        model_write(m, &f.at, "p", 1);
        assert_int_equal(part_open(&f.at, "p", &p, &why), 0);
        struct model *back = model_read(p, NULL, INT64_MIN, INT64_MAX);
        assert_true(model_same(m, back));
        assert_int_equal(part_info(p)->series, m->n);
        assert_int_equal(part_verify(p, NULL, NULL), 0);
        model_free(back);
        model_free(m);
        part_free(p);
        teardown(&f);
    }
}

static void an_encrypted_part_needs_its_key(void **state)
{
    (void)state;
    struct fixture f;
    struct part *p;
    struct keyring *ring, *other;
    struct why why = {0};
    setup(&f, 3);
    assert_int_equal(
        keyring_parse(STR("k1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"),
                      "test", &ring, &why),
        0);
    assert_int_equal(
        keyring_parse(STR("k2 ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"),
                      "test", &other, &why),
        0);
    struct model *m = model_new(12, 40, 0);
    f.at.ring = ring;
    model_write(m, &f.at, "p", 1);
    assert_int_equal(part_open(&f.at, "p", &p, &why), 0);
    struct model *back = model_read(p, NULL, INT64_MIN, INT64_MAX);
    assert_true(model_same(m, back));
    part_free(p);
    f.at.ring = other;
    assert_int_equal(part_open(&f.at, "p", &p, &why), -ERR_KEY);
    assert_true(why.text[0]);
    f.at.ring = NULL;
    assert_int_equal(part_open(&f.at, "p", &p, &why), -ERR_KEY);
    model_free(back);
    model_free(m);
    keyring_free(ring);
    keyring_free(other);
    teardown(&f);
}

static void matchers_select_what_a_look_at_every_key_selects(void **state)
{
    (void)state;
    static const struct matcher cases[][2] = {
        {{MATCH_EQUAL, STR("__name__"), STR("metric_3")}, {MATCH_EQUAL, STR("zone"), STR("")}},
        {{MATCH_EQUAL, STR("instance"), STR("host-7")}, {MATCH_NOT_EQUAL, STR("zone"), STR("b")}},
        {{MATCH_REGEX, STR("instance"), STR("host-1.*")}, {MATCH_REGEX, STR("zone"), STR("a|b")}},
        {{MATCH_REGEX, STR("instance"), STR(".*[357]")}, {MATCH_NOT_REGEX, STR("zone"), STR("a|")}},
        {{MATCH_NOT_EQUAL, STR("zone"), STR("")}, {MATCH_REGEX, STR("zone"), STR("a|")}},
        {{MATCH_EQUAL, STR("no_such"), STR("x")}, {MATCH_EQUAL, STR("zone"), STR("a")}},
        {{MATCH_NOT_EQUAL, STR("no_such"), STR("x")}, {MATCH_REGEX, STR("zone"), STR(".+")}},
        {{MATCH_REGEX, STR("instance"), STR(".*")}, {MATCH_REGEX, STR("zone"), STR(".*")}},
        {{MATCH_EQUAL, STR("instance"), STR("zzz")}, {MATCH_REGEX, STR("zone"), STR(".*")}},
    };
    struct fixture f;
    struct part *p;
    struct why why = {0};
    setup(&f, 5);
    struct model *m = model_new(77, 400, 0);
    model_write(m, &f.at, "p", 1);
    assert_int_equal(part_open(&f.at, "p", &p, &why), 0);
    for (size_t i = 0; i < COUNTOF(cases); i++) {
        struct index_matchers *how;
        assert_int_equal(index_matchers_new(cases[i], 2, &how, &why), 0);
        struct model *got = model_read(p, how, INT64_MIN, INT64_MAX);
        size_t want = 0;
        for (size_t k = 0; k < m->n; k++)
            if (index_matchers_match(how, m->series[k].key)) {
                assert_true(want < got->n);
                assert_true(str_eq(got->series[want].key, m->series[k].key));
                want++;
            }
        assert_int_equal(got->n, want);
        model_free(got);
        index_matchers_free(how);
    }
    model_free(m);
    part_free(p);
    teardown(&f);
}

struct names {
    struct {
        char text[64];
    } v[512];
    size_t n;
};

static void take_name(void *context, struct str name)
{
    struct names *x = context;
    assert_true(x->n < 512 && name.n < 64);
    snprintf(x->v[x->n++].text, 64, STR_FMT, STR_ARG(name));
}

static void label_names_and_values_are_those_of_the_series_that_match(void **state)
{
    (void)state;
    struct fixture f;
    struct part *p;
    struct why why = {0};
    setup(&f, 6);
    struct model *m = model_new(78, 300, 0);
    model_write(m, &f.at, "p", 1);
    assert_int_equal(part_open(&f.at, "p", &p, &why), 0);
    struct names all = {0}, some = {0}, names = {0};
    assert_int_equal(
        part_label_values(p, STR("instance"), NULL, INT64_MIN, INT64_MAX, take_name, &all), 0);
    struct matcher one = {MATCH_EQUAL, STR("__name__"), STR("metric_3")};
    struct index_matchers *how;
    assert_int_equal(index_matchers_new(&one, 1, &how, &why), 0);
    assert_int_equal(
        part_label_values(p, STR("instance"), how, INT64_MIN, INT64_MAX, take_name, &some), 0);
    assert_int_equal(part_label_names(p, how, INT64_MIN, INT64_MAX, take_name, &names), 0);
    size_t want = 0;
    for (size_t i = 0; i < all.n; i++) {
        bool has = false;
        assert_true(i == 0 || strcmp(all.v[i - 1].text, all.v[i].text) < 0);
        for (size_t k = 0; k < m->n && !has; k++)
            has = index_matchers_match(how, m->series[k].key) &&
                  str_eq(labels_get(m->series[k].key, STR("instance")), str_c(all.v[i].text));
        if (has)
            assert_string_equal(some.v[want++].text, all.v[i].text);
    }
    assert_int_equal(want, some.n);
    assert_string_equal(names.v[0].text, "__name__");
    index_matchers_free(how);
    model_free(m);
    part_free(p);
    teardown(&f);
}

static void blocks_say_of_a_chunk_what_its_samples_say(void **state)
{
    (void)state;
    struct fixture f;
    struct part *p;
    struct part_cursor *c;
    struct part_series s;
    struct why why = {0};
    setup(&f, 7);
    struct model *m = model_new(79, 100, 0);
    model_write(m, &f.at, "p", 1);
    assert_int_equal(part_open(&f.at, "p", &p, &why), 0);
    assert_int_equal(part_select(p, NULL, INT64_MIN, INT64_MAX, NULL, NULL, &c, &why), 0);
    size_t summarised = 0;
    while (part_cursor_next(c, &s) == 1)
        for (size_t i = 0; i < s.chunks_n; i++) {
            struct block got, want = {0};
            struct column col;
            assert_int_equal(part_cursor_block(c, i, &got), 0);
            assert_int_equal(part_cursor_read(c, i, &col), 0);
            assert_int_equal(got.n, col.n);
            assert_int_equal(got.first_ms, col.ts_ms[0]);
            assert_int_equal(got.last_ms, col.ts_ms[col.n - 1]);
            if (!got.summarised)
                continue;
            chunk_summarise(col.ts_ms, col.value, col.n, &want);
            assert_true(got.min == want.min && got.max == want.max);
            assert_true(got.first == want.first && got.last == want.last);
            assert_true(got.sum - want.sum <= 1e-12 * want.sum || s.chunks[i].kind != PART_CONST);
            assert_int_equal(got.resets, want.resets);
            summarised++;
        }
    assert_true(summarised > 50);
    part_cursor_free(c);
    part_free(p);
    model_free(m);
    teardown(&f);
}

/* Flips bits all over one file; each must be found, and only what lies on its page may go. */
static void flip(const char *file, size_t *ret_found, size_t *ret_kept)
{
    for (uint64_t bit = 3; bit < 8 * 300000; bit = bit * 2 + 12345) {
        struct fixture f;
        struct part *p;
        struct why why = {0};
        char path[64];
        setup(&f, bit);
        struct model *m = model_new(80, 200, 0);
        model_write(m, &f.at, "p", 1);
        snprintf(path, sizeof path, "p/%s", file);
        if (!disk_sim_flip(f.disk, path, bit)) {
            model_free(m);
            teardown(&f);
            return;
        }
        int err = part_open(&f.at, "p", &p, &why);
        if (err) {
            assert_true(why.text[0]);
            ++*ret_found;
        } else {
            size_t warned = 0;
            uint64_t problems = part_verify(p, NULL, NULL);
            struct model *back = model_read_warn(p, count_warning, &warned);
            /* A flipped bit in the slack of a header is harmless; anything else is told. */
            if (!model_same(m, back))
                assert_true(warned > 0 && problems > 0);
            *ret_found += problems > 0;
            *ret_kept += back->n > 0;
            assert_true(model_within(m, back));
            model_free(back);
            part_free(p);
        }
        model_free(m);
        teardown(&f);
    }
}

static void a_flipped_bit_is_found_and_costs_its_page_alone(void **state)
{
    (void)state;
    static const char *const files[] = {"data", "ts", "idx", "meta"};
    for (size_t i = 0; i < COUNTOF(files); i++) {
        size_t found = 0, kept = 0;
        flip(files[i], &found, &kept);
        assert_true(found > 0);
        if (i == 0)
            assert_true(kept > 0);
    }
}

static void a_directory_without_meta_is_no_part(void **state)
{
    (void)state;
    struct fixture f;
    struct part *p;
    struct why why = {0};
    setup(&f, 8);
    struct model *m = model_new(81, 20, 0);
    model_write(m, &f.at, "p", 1);
    assert_int_equal(disk_remove(f.disk, "p/meta"), 0);
    assert_int_equal(part_open(&f.at, "p", &p, &why), -ERR_NOENT);
    model_free(m);
    teardown(&f);
}

static void a_power_cut_at_any_moment_leaves_a_whole_part_or_none(void **state)
{
    (void)state;
    size_t whole = 0, none = 0;
    for (uint64_t at = 1; at < 60; at++) {
        struct fixture f;
        struct part *p;
        struct why why = {0};
        setup(&f, at);
        struct model *m = model_new(82, 30, 0);
        disk_sim_power_off_at(f.disk, at);
        int err = model_try_write(m, &f.at, "p", 1);
        if (!err) /* the name of the directory is the caller's to keep */
            err = disk_sync_dir(f.disk, ".");
        disk_sim_crash(f.disk, DISK_SIM_TORN);
        int opened = part_open(&f.at, "p", &p, &why);
        if (opened == 0) {
            struct model *back = model_read(p, NULL, INT64_MIN, INT64_MAX);
            assert_true(model_same(m, back));
            model_free(back);
            part_free(p);
            whole++;
        } else {
            assert_int_not_equal(err, 0);
            none++;
        }
        model_free(m);
        teardown(&f);
    }
    assert_true(whole > 0 && none > 0);
}

static void every_failing_call_of_the_disk_is_an_answer(void **state)
{
    (void)state;
    size_t failed = 0;
    for (uint64_t at = 1; at < 60; at++) {
        struct fixture f;
        setup(&f, at);
        struct model *m = model_new(83, 30, 0);
        disk_sim_fail_at(f.disk, at, ERR_FULL, true);
        int err = model_try_write(m, &f.at, "p", 1);
        assert_true(err == 0 || err == -ERR_FULL);
        failed += err != 0;
        disk_sim_heal(f.disk);
        model_free(m);
        teardown(&f);
    }
    assert_true(failed > 0);
}

static size_t exemplars_seen;

static void see_exemplar(void *context, const struct exemplar *e)
{
    const struct model *m = context;
    assert_true(str_eq(e->key, m->series[exemplars_seen].key));
    assert_true(str_eq(e->labels, STR("trace")));
    assert_int_equal(e->ts_ms, 1000 + (int64_t)exemplars_seen);
    exemplars_seen++;
}

static void exemplars_and_start_times_are_kept_with_their_series(void **state)
{
    (void)state;
    struct fixture f;
    struct part *p;
    struct part_writer *w;
    struct part_cursor *c;
    struct part_series s;
    struct part_info info = {.tenant = "t"};
    struct why why = {0};
    setup(&f, 9);
    struct model *m = model_new(84, 10, 0);
    const int64_t ts[] = {1000, 2000, 3000}, start[] = {500, 500, 2500};
    const double v[] = {1, 2, 0};
    assert_int_equal(part_writer_new(&f.at, "p", &info, &w, &why), 0);
    for (size_t i = 0; i < m->n; i++) {
        struct exemplar e = {.labels = STR("trace"), .ts_ms = 1000 + (int64_t)i, .value = 3};
        assert_int_equal(part_writer_series(w, m->series[i].key), 0);
        assert_int_equal(part_writer_own(w, ts, v, NULL, 3, start), 0);
        assert_int_equal(part_writer_exemplar(w, &e), 0);
    }
    assert_int_equal(part_writer_finish(w, &info, &why), 0);
    part_writer_free(w);
    assert_int_equal(part_open(&f.at, "p", &p, &why), 0);
    exemplars_seen = 0;
    assert_int_equal(part_exemplars(p, NULL, INT64_MIN, INT64_MAX, see_exemplar, m), 0);
    assert_int_equal(exemplars_seen, m->n);
    assert_int_equal(part_select(p, NULL, INT64_MIN, INT64_MAX, NULL, NULL, &c, &why), 0);
    assert_int_equal(part_cursor_next(c, &s), 1);
    struct column col;
    assert_int_equal(part_cursor_read(c, 0, &col), 0);
    assert_memory_equal(col.start_ms, start, sizeof start);
    part_cursor_free(c);
    part_free(p);
    model_free(m);
    teardown(&f);
}

static void the_series_of_a_group_share_their_times(void **state)
{
    (void)state;
    struct fixture f;
    struct part *p;
    struct part_writer *w;
    struct part_cursor *c;
    struct part_series s;
    struct part_info info = {.tenant = "t"};
    struct why why = {0};
    setup(&f, 10);
    struct model *m = model_new(85, 10, 0);
    const int64_t ts[] = {1000, 2000, 3000, 4000};
    double v[] = {1, 2, 3, 4};
    uint32_t ref;
    assert_int_equal(part_writer_new(&f.at, "p", &info, &w, &why), 0);
    assert_int_equal(part_writer_ts(w, ts, 4, &ref), 0);
    for (size_t i = 0; i < m->n; i++) {
        v[2] = i == 3 ? chunk_absent() : 3;
        assert_int_equal(part_writer_series(w, m->series[i].key), 0);
        assert_int_equal(part_writer_floats(w, ref, 0, ts, v, 4, NULL), 0);
    }
    assert_int_equal(part_writer_finish(w, &info, &why), 0);
    part_writer_free(w);
    assert_int_equal(part_open(&f.at, "p", &p, &why), 0);
    assert_int_equal(part_select(p, NULL, INT64_MIN, INT64_MAX, NULL, NULL, &c, &why), 0);
    uint64_t id = 0;
    for (size_t i = 0; part_cursor_next(c, &s) == 1; i++) {
        struct column col;
        assert_int_equal(part_cursor_read(c, 0, &col), 0);
        assert_int_equal(col.n, i == 3 ? 3 : 4);
        id = id ? id : col.ts_id;
        assert_true(i == 3 ? col.ts_id == 0 : col.ts_id == id && id);
    }
    part_cursor_free(c);
    part_free(p);
    model_free(m);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_part_gives_back_every_series_and_sample),
        cmocka_unit_test(an_encrypted_part_needs_its_key),
        cmocka_unit_test(matchers_select_what_a_look_at_every_key_selects),
        cmocka_unit_test(label_names_and_values_are_those_of_the_series_that_match),
        cmocka_unit_test(blocks_say_of_a_chunk_what_its_samples_say),
        cmocka_unit_test(a_flipped_bit_is_found_and_costs_its_page_alone),
        cmocka_unit_test(a_directory_without_meta_is_no_part),
        cmocka_unit_test(a_power_cut_at_any_moment_leaves_a_whole_part_or_none),
        cmocka_unit_test(every_failing_call_of_the_disk_is_an_answer),
        cmocka_unit_test(exemplars_and_start_times_are_kept_with_their_series),
        cmocka_unit_test(the_series_of_a_group_share_their_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
