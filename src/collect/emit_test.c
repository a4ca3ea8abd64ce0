#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/stat.h"
#include "collect/emit.h"
#include "model/labels.h"

static const struct family UP = {"up", METRIC_GAUGE, "Up.", {"device"}};
static const struct family ROW = {"row_*_*", METRIC_UNKNOWN, "Row * of *.", {"device"}};

static void a_run_in_the_same_order_makes_nothing_new(void **state)
{
    (void)state;
    struct emit e;
    emit_init(&e, STR("node"), STR("host"));
    for (int i = 0; i < 3; i++) {
        emit_begin(&e);
        emit(&e, &UP, i, STR("a"));
        emit(&e, &UP, i + 1, STR("b"));
        emit_end(&e);
        assert_int_equal(e.changed, i == 0);
    }
    assert_int_equal(e.n, 2);
    assert_true(e.v[1]->value == 3);
    struct str key = e.v[0]->key;
    assert_true(str_eq(labels_get(key, STR("__name__")), STR("up")));
    assert_true(str_eq(labels_get(key, STR("job")), STR("node")));
    assert_true(str_eq(labels_get(key, STR("instance")), STR("host")));
    assert_true(str_eq(labels_get(key, STR("device")), STR("a")));
    emit_done(&e);
}

static void another_order_is_learnt_and_keeps_the_series(void **state)
{
    (void)state;
    struct emit e;
    static const struct str names[] = {STR("a"), STR("b"), STR("c"), STR("d")};
    static const int orders[][4] = {{0, 1, 2, 3}, {3, 1, 0, 2}, {3, 1, 0, 2}, {2, 0, 1, 3}};
    emit_init(&e, STR("node"), STR("host"));
    for (int run = 0; run < 4; run++) {
        emit_begin(&e);
        for (int i = 0; i < 4; i++)
            emit(&e, &UP, orders[run][i], names[orders[run][i]]);
        emit_end(&e);
        assert_int_equal(e.changed, run != 2);
        assert_int_equal(e.n, 4);
        for (int i = 0; i < 4; i++) {
            assert_true(e.v[i]->value == orders[run][i]);
            assert_true(str_eq(labels_get(e.v[i]->key, STR("device")), names[orders[run][i]]));
        }
    }
    emit_done(&e);
}

static void a_series_that_ends_is_seen_and_can_be_dropped(void **state)
{
    (void)state;
    struct emit e;
    emit_init(&e, STR("node"), STR("host"));
    emit_begin(&e);
    emit(&e, &UP, 1, STR("a"));
    emit(&e, &UP, 2, STR("b"));
    emit_end(&e);
    emit_begin(&e);
    emit(&e, &UP, 3, STR("b"));
    emit_end(&e);
    assert_int_equal(e.n, 2);
    assert_true(e.v[0]->run == e.run && e.v[0]->value == 3);
    assert_true(e.v[1]->run < e.run);
    emit_drop(&e, 1);
    assert_int_equal(e.n, 1);
    emit_begin(&e);
    emit(&e, &UP, 4, STR("a"));
    emit(&e, &UP, 5, STR("b"));
    emit_end(&e);
    assert_int_equal(e.n, 2);
    assert_true(e.v[0]->value == 4 && e.v[1]->value == 5);
    emit_done(&e);
}

static void stars_are_filled_from_the_first_values(void **state)
{
    (void)state;
    struct emit e;
    struct buf b;
    buf_init(&b, 4096);
    emit_init(&e, STR("node"), STR("host"));
    emit_begin(&e);
    emit(&e, &ROW, 7, STR("Tcp"), STR("InSegs"), STR("x\"\n"));
    emit_end(&e);
    emit_print(&e, &b);
    buf_put_c(&b, 0);
    assert_string_equal(b.p, "# HELP row_Tcp_InSegs Row Tcp of InSegs.\n"
                             "# TYPE row_Tcp_InSegs untyped\n"
                             "row_Tcp_InSegs{device=\"x\\\"\\n\"} 7\n");
    buf_done(&b);
    emit_done(&e);
}

static void hostile_texts_are_repaired_or_refused(void **state)
{
    (void)state;
    struct emit e;
    static char long_one[5000];
    memset(long_one, 'x', sizeof long_one);
    emit_init(&e, STR("node"), STR("host"));
    emit_begin(&e);
    emit(&e, &UP, 1, STR("a\xff\xc3"));
    emit(&e, &UP, 2, STR("a\xfe\xc3")); /* repaired into the same: the first one keeps it */
    emit(&e, &UP, 3, STR("a\xff\xc3")); /* twice in a run */
    emit(&e, &ROW, 4, STR("no good"), STR("name"), STR(""));
    emit(&e, &UP, 5, str_of(long_one, sizeof long_one));
    emit_end(&e);
    assert_int_equal(e.n, 2);
    assert_int_equal(e.dropped, 3);
    assert_true(e.v[0]->value == 1);
    assert_true(str_eq(labels_get(e.v[0]->key, STR("device")), STR("a\xef\xbf\xbd\xef\xbf\xbd")));
    assert_true(labels_get(e.v[1]->key, STR("device")).n <= EMIT_VALUE_MAX);
    emit_done(&e);
}

static void a_statistic_becomes_a_series_with_its_labels(void **state)
{
    (void)state;
    struct emit e;
    struct stat_sample s = {.family = "sonde_wait_seconds",
                            .suffix = "_bucket",
                            .help = "Waits.",
                            .labels = "queue=\"in\",lane=\"2\"",
                            .le = "0.5",
                            .type = STAT_TYPE_HISTOGRAM,
                            .value = 9};
    emit_init(&e, STR("node"), STR("host"));
    emit_begin(&e);
    emit_stat(&e, &s);
    emit_end(&e);
    assert_int_equal(e.n, 1);
    assert_true(str_eq(e.v[0]->base, STR("sonde_wait_seconds")));
    assert_true(
        str_eq(e.v[0]->text, STR("sonde_wait_seconds_bucket{queue=\"in\",lane=\"2\",le=\"0.5\"}")));
    assert_int_equal(e.v[0]->family->type, METRIC_HISTOGRAM);
    emit_done(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_in_the_same_order_makes_nothing_new),
        cmocka_unit_test(another_order_is_learnt_and_keeps_the_series),
        cmocka_unit_test(a_series_that_ends_is_seen_and_can_be_dropped),
        cmocka_unit_test(stars_are_filled_from_the_first_values),
        cmocka_unit_test(hostile_texts_are_repaired_or_refused),
        cmocka_unit_test(a_statistic_becomes_a_series_with_its_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
