#include "store/series/store_testbed.h"

#include "base/hash.h"

enum { SERIES = 600, ASKED_MAX = 12 };

/* What a select gives: a sum over keys, their order, times and values. */
struct digest {
    uint64_t hash, series, samples;
};

static void take(struct digest *d, const struct series_view *view)
{
    d->hash = hash_xxh3(view->key.p, view->key.n, d->hash);
    for (size_t i = 0; i < view->column.n; i++) {
        d->hash = hash_u64(d->hash ^ (uint64_t)view->column.ts_ms[i]);
        d->hash = hash_u64(d->hash ^ double_bits(view->column.value[i]));
    }
    d->series++;
    d->samples += view->column.n;
}

/* Reads a select that is cut into at most n; how many it became into *ret_n. */
static struct digest ask(struct bed *b, const struct matcher *m, size_t n, size_t *ret_n)
{
    struct series_store *face = store_face(b->store);
    struct select how = {
        .matchers = m, .matchers_n = 1, .to_ms = INT64_MAX / 2, .want = SELECT_SAMPLES};
    struct series_cursor *c[ASKED_MAX];
    struct series_view view;
    struct why why = {0};
    struct digest d = {0};
    assert_int_equal(face->ops->select(face, b->tenant, &how, &c[0], &why), 0);
    uint64_t estimate = face->ops->estimate(c[0]);
    *ret_n = n > 1 ? 1 + face->ops->split(c[0], n, c + 1) : 1;
    assert_true(*ret_n <= n);
    for (size_t i = 0; i < *ret_n; i++) {
        int got;
        while ((got = face->ops->next(c[i], &view, &why)) == 1)
            take(&d, &view);
        assert_int_equal(got, 0);
    }
    assert_true(estimate <= 2 * d.series + 1);
    for (size_t i = *ret_n; i-- > 0;)
        face->ops->close(c[i]);
    return d;
}

static void check_splits(struct bed *b, bool many)
{
    const struct matcher all = {MATCH_NOT_EQUAL, LABEL_METRIC, STR("")};
    const struct matcher some = {MATCH_REGEX, STR("nr"), STR("1.*|5")};
    const struct matcher *const asked[] = {&all, &some};
    for (size_t k = 0; k < COUNTOF(asked); k++) {
        size_t parts;
        struct digest whole = ask(b, asked[k], 1, &parts);
        assert_true(whole.series > 0);
        for (size_t n = 2; n < ASKED_MAX; n++) {
            struct digest d = ask(b, asked[k], n, &parts);
            assert_memory_equal(&d, &whole, sizeof d);
            assert_true(!many || k > 0 || parts > 1);
        }
    }
}

static void a_split_select_gives_the_same_series_in_the_same_order(void **state)
{
    (void)state;
    struct bed b;
    struct why why = {0};
    bed_begin(&b, 1);
    bed_open(&b);
    bed_put(&b, b.tenant, "up", 0, SERIES, b.clock.wall_ms, NULL);
    check_splits(&b, true); /* the head alone */
    assert_int_equal(bed_commit(&b), 0);
    assert_int_equal(store_flush_all(b.store, &why), 0);
    check_splits(&b, true); /* a part alone */
    bed_put(&b, b.tenant, "up", 100, 400, b.clock.wall_ms + 1000, NULL);
    bed_put(&b, b.tenant, "down", 0, 70, b.clock.wall_ms + 1000, NULL);
    check_splits(&b, true);
    assert_int_equal(bed_commit(&b), 0);
    assert_int_equal(store_flush_all(b.store, &why), 0);
    bed_put(&b, b.tenant, "up", 50, SERIES + 50, b.clock.wall_ms + 2000, NULL);
    check_splits(&b, true); /* two parts and the head */
    bed_end(&b);
}

static void few_series_are_read_by_one_cursor(void **state)
{
    (void)state;
    struct bed b;
    struct why why = {0};
    bed_begin(&b, 2);
    bed_open(&b);
    bed_put(&b, b.tenant, "up", 0, 7, b.clock.wall_ms, NULL);
    check_splits(&b, false);
    assert_int_equal(bed_commit(&b), 0);
    assert_int_equal(store_flush_all(b.store, &why), 0);
    check_splits(&b, false);
    bed_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_split_select_gives_the_same_series_in_the_same_order),
        cmocka_unit_test(few_series_are_read_by_one_cursor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
