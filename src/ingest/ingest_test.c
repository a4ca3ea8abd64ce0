#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "ingest/ingest.h"

enum { NOW_MS = 1000000000, WINDOW_MS = 600000 };

/* A store that refuses negative times and takes the rest. */
static struct {
    struct sink sink;
    size_t rows, tenants;
    double last;
} store;

static char names[2][8];

static int store_tenant(struct sink *s, struct str name, struct tenant **ret, struct why *why)
{
    store.tenants++;
    *ret = (struct tenant *)(void *)names[str_eq(name, STR("b"))];
    return 0;
}

static int store_append(struct sink *s, size_t lane, struct tenant *t, struct batch *b,
                        struct why *why)
{
    int taken = 0;
    bool told = false;
    for (size_t i = 0; i < b->n; i++) {
        b->err[i] = 0;
        if (b->ts_ms[i] < 0) {
            b->err[i] = -ERR_OLD;
            if (!told)
                why_set(why, ERR_OLD, "before the window");
            told = true;
            continue;
        }
        taken++;
        store.rows++;
        store.last = b->value[i];
    }
    return taken;
}

static const struct sink_ops STORE = {.tenant = store_tenant, .append = store_append};

struct fixture {
    struct clock_manual clock;
    struct ingest *in;
    struct sink *sink;
    struct tenant *tenant;
    struct batch b;
    struct buf key;
    struct arena arena;
    struct ingest_refusal *refusals;
    size_t refusals_n;
    struct why why;
};

static int set_up(void **state)
{
    const struct ingest_settings settings = {4, 32, 64, WINDOW_MS};
    struct fixture *f = mem_new(sizeof *f);
    store.sink.ops = &STORE;
    store.rows = store.tenants = 0;
    clock_manual_init(&f->clock, NOW_MS);
    f->in = ingest_new(&settings, &store.sink, &f->clock.clock);
    f->sink = ingest_sink(f->in);
    assert_int_equal(f->sink->ops->tenant(f->sink, STR("a"), &f->tenant, NULL), 0);
    buf_init(&f->key, 1 << 20);
    labels_put(&f->key, LABEL_METRIC, STR("up"));
    arena_init(&f->arena);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    ingest_free(f->in);
    buf_done(&f->key);
    arena_done(&f->arena);
    mem_free(f);
    return 0;
}

static void row(struct fixture *f, int64_t ts_ms, double value)
{
    size_t i = f->b.n++;
    f->b.key[i] = buf_str(&f->key);
    f->b.ts_ms[i] = ts_ms;
    f->b.value[i] = value;
    f->b.histogram[i] = NULL;
    f->b.start_ms[i] = 0;
    f->b.err[i] = 1; /* has to be set */
}

static int append(struct fixture *f)
{
    f->why = (struct why){0};
    return f->sink->ops->append(f->sink, 0, f->tenant, &f->b, &f->why);
}

static void refusals(struct fixture *f)
{
    ingest_refusals(f->in, &f->arena, &f->refusals, &f->refusals_n);
}

static void good_samples_go_through_untouched(void **state)
{
    struct fixture *f = *state;
    row(f, NOW_MS + WINDOW_MS, 1);
    row(f, 0, 2);
    assert_int_equal(append(f), 2);
    assert_int_equal(f->b.err[0], 0);
    assert_int_equal(store.rows, 2);
    refusals(f);
    assert_int_equal(f->refusals_n, 0);
}

static void the_reason_told_is_that_of_the_first_row_refused(void **state)
{
    struct fixture *f = *state;
    row(f, 5, 1);
    row(f, -1, 2);
    row(f, NOW_MS + WINDOW_MS + 1, 3);
    assert_int_equal(append(f), 1);
    assert_string_equal(f->why.text, "before the window");
    f->b.n = 0;
    row(f, NOW_MS + WINDOW_MS + 1, 3);
    row(f, -1, 2);
    assert_int_equal(append(f), 0);
    assert_int_equal(f->why.err, -ERR_FUTURE);
}

static void samples_from_the_future_cost_themselves_alone(void **state)
{
    struct fixture *f = *state;
    row(f, 5, 1);
    row(f, NOW_MS + WINDOW_MS + 1, 2);
    row(f, -1, 3);
    row(f, 7, 4);
    assert_int_equal(append(f), 2);
    const int want[] = {0, -ERR_FUTURE, -ERR_OLD, 0};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(f->b.err[i], want[i]);
    assert_true(store.last == 4);
    assert_int_equal(f->why.err, -ERR_FUTURE);
    refusals(f);
    assert_int_equal(f->refusals_n, 2);
    assert_int_equal(f->refusals[1].err, -ERR_FUTURE);
    assert_true(str_eq(f->refusals[1].series, STR("up")));
    assert_true(str_eq(f->refusals[1].tenant, STR("a")));
    assert_true(str_eq(f->refusals[1].reason, str_c(f->why.text)));
    assert_int_equal(f->refusals[0].err, -ERR_OLD);

    clock_manual_pass(&f->clock, 1); /* what was too early is not any more */
    f->b.n = 0;
    row(f, NOW_MS + WINDOW_MS + 1, 2);
    assert_int_equal(append(f), 1);
}

static void the_reason_goes_with_the_row_that_it_is_of(void **state)
{
    struct fixture *f = *state;
    row(f, -1, 1);
    row(f, NOW_MS + WINDOW_MS + 5000, 2);
    assert_int_equal(append(f), 0);
    refusals(f);
    assert_int_equal(f->refusals[0].err, -ERR_FUTURE);
    assert_true(str_eq(f->refusals[0].reason, str_c(err_text(-ERR_FUTURE))));
    assert_true(str_eq(f->refusals[1].reason, STR("before the window")));

    f->b.n = 0;
    row(f, NOW_MS + WINDOW_MS + 5000, 2);
    row(f, -1, 1);
    assert_int_equal(append(f), 0);
    refusals(f);
    assert_true(str_eq(f->refusals[0].reason, str_c(err_text(-ERR_OLD))));
    assert_true(str_starts(f->refusals[1].reason, STR("dated 605 s ahead")));
}

static void labels_past_the_limits_are_refused(void **state)
{
    struct fixture *f = *state;
    char text[100];
    memset(text, 'x', sizeof text);
    const struct label too_long[] = {{str_of(text, 33), STR("v")}, {STR("n"), str_of(text, 65)}};
    for (size_t i = 0; i < COUNTOF(too_long); i++) {
        size_t n = f->key.n;
        labels_put(&f->key, too_long[i].name, too_long[i].value);
        f->b.n = 0;
        row(f, 1, 1);
        assert_int_equal(append(f), 0);
        assert_int_equal(f->b.err[0], -ERR_LIMIT);
        f->key.n = n;
    }
    for (int i = 0; i < 3; i++) {
        text[0] = (char)('a' + i);
        labels_put(&f->key, str_of(text, 2), str_of(text, 20));
    }
    f->b.n = 0;
    row(f, 1, 1);
    assert_int_equal(append(f), 1); /* four labels, the longest within its limit */
    labels_put(&f->key, STR("e"), STR("v"));
    f->b.n = 0;
    row(f, 1, 1);
    assert_int_equal(append(f), 0);
    assert_string_equal(f->why.text, "5 labels, at most 4 are accepted");
    const struct ingest_settings more = {5, 32, 64, WINDOW_MS};
    ingest_reload(f->in, &more);
    assert_int_equal(append(f), 1);
}

static void histograms_are_checked_before_the_store_sees_them(void **state)
{
    struct fixture *f = *state;
    struct histogram good = {.schema = 1}, bad = {.schema = 99};
    row(f, 1, 0);
    row(f, 1, 0);
    f->b.histogram[0] = &good;
    f->b.histogram[1] = &bad;
    assert_int_equal(append(f), 1);
    assert_int_equal(f->b.err[0], 0);
    assert_int_equal(f->b.err[1], -ERR_FORMAT);
}

static void tenants_are_counted_apart(void **state)
{
    struct fixture *f = *state;
    struct tenant *b;
    struct ingest_count *counts;
    size_t n;
    row(f, 1, 0);
    row(f, -1, 0);
    assert_int_equal(append(f), 1);
    assert_int_equal(f->sink->ops->tenant(f->sink, STR("b"), &b, NULL), 0);
    f->tenant = b;
    assert_int_equal(append(f), 1);
    assert_int_equal(append(f), 1);
    ingest_counts(f->in, &f->arena, &counts, &n);
    assert_int_equal(n, 2);
    assert_true(str_eq(counts[0].tenant, STR("a")) && str_eq(counts[1].tenant, STR("b")));
    assert_int_equal(counts[0].samples, 1);
    assert_int_equal(counts[1].samples, 2);
    assert_int_equal(counts[1].refused, 2);
}

static void only_the_last_refusals_are_kept(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 2 * INGEST_REFUSALS_MAX; i++) {
        f->b.n = 0;
        row(f, -1, 0);
        clock_manual_pass(&f->clock, 1);
        assert_int_equal(append(f), 0);
    }
    refusals(f);
    assert_int_equal(f->refusals_n, INGEST_REFUSALS_MAX);
    assert_true(f->refusals[0].at_ms == NOW_MS + 2 * INGEST_REFUSALS_MAX);
    assert_true(f->refusals[1].at_ms == f->refusals[0].at_ms - 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(good_samples_go_through_untouched),
        TEST(the_reason_told_is_that_of_the_first_row_refused),
        TEST(samples_from_the_future_cost_themselves_alone),
        TEST(the_reason_goes_with_the_row_that_it_is_of),
        TEST(labels_past_the_limits_are_refused),
        TEST(histograms_are_checked_before_the_store_sees_them),
        TEST(tenants_are_counted_apart),
        TEST(only_the_last_refusals_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
