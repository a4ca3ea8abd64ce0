#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "base/mem.h"
#include "codec/metric_family.h"
#include "codec/metric_family_read.h"
#include "codec/wire_put.h"

enum { ROOM = 1 << 20, NOW = 5000 };

/* Field numbers of metrics.proto, for bodies that our writer does not make. */
enum { COUNTER = 0, GAUGE = 1, SUMMARY = 2, HISTOGRAM = 4 };

struct bed {
    struct buf body, family, metric, value, part;
    struct metric_family_reader r;
    struct batch b;
    struct sides s;
};

static int setup(void **state)
{
    struct bed *t = mem_new(sizeof *t);
    struct buf *all[] = {&t->body, &t->family, &t->metric, &t->value, &t->part};
    for (size_t i = 0; i < COUNTOF(all); i++)
        buf_init(all[i], ROOM);
    metric_family_read_init(&t->r);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct bed *t = *state;
    struct buf *all[] = {&t->body, &t->family, &t->metric, &t->value, &t->part};
    for (size_t i = 0; i < COUNTOF(all); i++)
        buf_done(all[i]);
    metric_family_read_done(&t->r);
    mem_free(t);
    return 0;
}

static void begin_family(struct bed *t, const char *name, unsigned type)
{
    buf_clear(&t->family);
    wire_put_bytes(&t->family, 1, str_c(name));
    wire_put_bytes(&t->family, 2, STR("what it is"));
    wire_put_int(&t->family, 3, type);
}

/* A metric with label a="b" whose value message is in t->value. */
static void put_metric(struct bed *t, unsigned field)
{
    buf_clear(&t->part);
    wire_put_bytes(&t->part, 1, STR("a"));
    wire_put_bytes(&t->part, 2, STR("b"));
    buf_clear(&t->metric);
    wire_put_bytes(&t->metric, field, buf_str(&t->value)); /* before the labels: any order goes */
    wire_put_bytes(&t->metric, 1, buf_str(&t->part));
    wire_put_bytes(&t->family, 4, buf_str(&t->metric));
    buf_clear(&t->value);
}

static void end_family(struct bed *t)
{
    buf_put_varint(&t->body, t->family.n);
    buf_put_str(&t->body, buf_str(&t->family));
}

static int read(struct bed *t, bool native, bool classic)
{
    metric_family_read_begin(&t->r, buf_str(&t->body), NOW);
    t->r.native = native;
    t->r.classic = classic;
    struct why why = {0};
    return metric_family_read(&t->r, &t->b, &t->s, &why);
}

static void has(const struct bed *t, size_t row, const char *name, double value)
{
    struct buf text;
    buf_init(&text, ROOM);
    assert_true(row < t->b.n);
    labels_print(t->b.key[row], &text);
    buf_put_c(&text, 0);
    assert_string_equal(text.p, name);
    assert_true(t->b.value[row] == value);
    buf_done(&text);
}

static void what_our_writer_writes_comes_back(void **state)
{
    static const struct histogram_span POSITIVE[] = {{-3, 2}, {4, 1}}, NEGATIVE[] = {{0, 1}};
    static const double COUNTS[] = {1, 2.5, 3}, BELOW[] = {4};
    const struct histogram h = {.schema = -2,
                                .is_float = true,
                                .reset = HISTOGRAM_RESET_GAUGE,
                                .zero_threshold = 0.001,
                                .zero_count = 5,
                                .count = 15.5,
                                .sum = -7.25,
                                .positive_spans = POSITIVE,
                                .positive_spans_n = 2,
                                .positive = COUNTS,
                                .positive_n = 3,
                                .negative_spans = NEGATIVE,
                                .negative_spans_n = 1,
                                .negative = BELOW,
                                .negative_n = 1};
    struct bed *t = *state;
    struct metric_family_writer w;
    struct buf key;
    buf_init(&key, ROOM);
    labels_put(&key, LABEL_METRIC, STR("h"));
    labels_put(&key, STR("job"), STR("j"));
    metric_family_init(&w, &t->body);
    metric_family_begin(&w, STR("h"), METRIC_FAMILY_GAUGE_HISTOGRAM);
    metric_family_histogram(&w, buf_str(&key), &h, 1234);
    metric_family_begin(&w, STR("u"), METRIC_FAMILY_UNTYPED);
    metric_family_untyped(&w, buf_str(&key), 7, 4321);
    metric_family_done(&w);
    assert_int_equal(read(t, true, false), 1);
    assert_int_equal(t->b.n, 2);
    has(t, 0, "h{job=\"j\"}", 0);
    assert_true(histogram_same(t->b.histogram[0], &h));
    assert_int_equal(t->b.ts_ms[0], 1234);
    assert_true(t->r.has_time[0]);
    has(t, 1, "u{job=\"j\"}", 7);
    assert_int_equal(t->b.ts_ms[1], 4321);
    assert_int_equal(t->s.metadata_n, 2);
    assert_int_equal(t->s.metadata[0].type, METRIC_GAUGEHISTOGRAM);
    buf_done(&key);
}

static void a_counter_has_its_exemplar_and_its_start(void **state)
{
    struct bed *t = *state;
    struct buf inner;
    buf_init(&inner, ROOM);
    begin_family(t, "c_total", COUNTER);
    wire_put_double(&t->value, 1, 42);
    wire_put_bytes(&inner, 1, STR("trace_id"));
    wire_put_bytes(&inner, 2, STR("x"));
    wire_put_bytes(&t->part, 1, buf_str(&inner));
    wire_put_double(&t->part, 2, 0.5);
    buf_clear(&inner);
    wire_put_int(&inner, 1, 3);
    wire_put_int(&inner, 2, 250000000);
    wire_put_bytes(&t->part, 3, buf_str(&inner));
    wire_put_bytes(&t->value, 2, buf_str(&t->part));
    wire_put_bytes(&t->value, 3, buf_str(&inner));
    put_metric(t, 3);
    end_family(t);
    assert_int_equal(read(t, true, false), 1);
    has(t, 0, "c_total{a=\"b\"}", 42);
    assert_int_equal(t->b.ts_ms[0], NOW);
    assert_false(t->r.has_time[0]);
    assert_int_equal(t->b.start_ms[0], 3250);
    assert_int_equal(t->s.exemplars_n, 1);
    assert_true(t->s.exemplars[0].value == 0.5);
    assert_int_equal(t->s.exemplars[0].ts_ms, 3250);
    assert_true(str_eq(labels_get(t->s.exemplars[0].labels, STR("trace_id")), STR("x")));
    assert_true(str_eq(t->s.metadata[0].help, STR("what it is")));
    buf_done(&inner);
}

static void put_bucket(struct bed *t, double bound, uint64_t count)
{
    buf_clear(&t->part);
    wire_put_int(&t->part, 1, count);
    wire_put_double(&t->part, 2, bound);
    wire_put_bytes(&t->value, 3, buf_str(&t->part));
}

/* Two classic buckets and, of schema 0, one native bucket of two observations. */
static void put_histogram(struct bed *t)
{
    static const struct histogram_span SPAN = {1, 1};
    begin_family(t, "h", HISTOGRAM);
    wire_put_int(&t->value, 1, 2);
    wire_put_double(&t->value, 2, 3.5);
    put_bucket(t, 1, 0);
    put_bucket(t, 2.5, 2);
    wire_put_int(&t->value, 5, zigzag(0));
    wire_put_spans(&t->value, 12, &SPAN, 1);
    wire_put_int(&t->value, 13, zigzag(2));
    put_metric(t, 7);
    end_family(t);
}

static void a_histogram_is_native_classic_or_both(void **state)
{
    struct bed *t = *state;
    put_histogram(t);
    assert_int_equal(read(t, true, false), 1);
    assert_int_equal(t->b.n, 1);
    has(t, 0, "h{a=\"b\"}", 0);
    assert_int_equal(histogram_check(t->b.histogram[0], NULL), 0);
    assert_true(t->b.histogram[0]->count == 2 && !t->b.histogram[0]->is_float);

    assert_int_equal(read(t, true, true), 1);
    assert_int_equal(t->b.n, 6);

    assert_int_equal(read(t, false, false), 1);
    assert_int_equal(t->b.n, 5);
    has(t, 0, "h_count{a=\"b\"}", 2);
    has(t, 1, "h_sum{a=\"b\"}", 3.5);
    has(t, 2, "h_bucket{a=\"b\", le=\"1.0\"}", 0);
    has(t, 3, "h_bucket{a=\"b\", le=\"2.5\"}", 2);
    has(t, 4, "h_bucket{a=\"b\", le=\"+Inf\"}", 2);
}

static void a_histogram_without_observations_is_native_by_its_empty_span(void **state)
{
    static const struct histogram_span NOTHING = {0, 0};
    struct bed *t = *state;
    begin_family(t, "h", HISTOGRAM);
    wire_put_int(&t->value, 5, zigzag(3));
    wire_put_spans(&t->value, 12, &NOTHING, 1);
    put_metric(t, 7);
    end_family(t);
    assert_int_equal(read(t, true, false), 1);
    assert_int_equal(t->b.n, 1);
    assert_non_null(t->b.histogram[0]);
    assert_int_equal(t->b.histogram[0]->positive_spans_n, 0);
}

static void a_summary_has_quantiles_count_and_sum(void **state)
{
    struct bed *t = *state;
    begin_family(t, "s", SUMMARY);
    wire_put_int(&t->value, 1, 10);
    wire_put_double(&t->value, 2, 12.5);
    wire_put_double(&t->part, 1, 1);
    wire_put_double(&t->part, 2, NAN);
    wire_put_bytes(&t->value, 3, buf_str(&t->part));
    put_metric(t, 4);
    end_family(t);
    assert_int_equal(read(t, true, false), 1);
    assert_int_equal(t->b.n, 3);
    assert_true(str_eq(labels_get(t->b.key[0], STR("quantile")), STR("1.0")));
    assert_true(isnan(t->b.value[0]));
    has(t, 1, "s_count{a=\"b\"}", 10);
    has(t, 2, "s_sum{a=\"b\"}", 12.5);
}

static void a_metric_of_more_rows_than_a_batch_goes_on_in_the_next(void **state)
{
    enum { BUCKETS = 600 };
    struct bed *t = *state;
    size_t rows = 0;
    int got;
    begin_family(t, "h", HISTOGRAM);
    wire_put_int(&t->value, 1, 2);
    for (int i = 0; i < BUCKETS; i++)
        put_bucket(t, i, (uint64_t)i);
    put_metric(t, 7);
    end_family(t);
    metric_family_read_begin(&t->r, buf_str(&t->body), NOW);
    while ((got = metric_family_read(&t->r, &t->b, &t->s, NULL)) > 0)
        rows += t->b.n;
    assert_int_equal(got, 0);
    assert_int_equal(rows, BUCKETS + 3);
}

static void what_is_cut_off_is_refused(void **state)
{
    struct bed *t = *state;
    put_histogram(t);
    size_t whole = t->body.n;
    for (size_t n = 1; n < whole; n++) {
        struct why why = {0};
        metric_family_read_begin(&t->r, str_of(t->body.p, n), NOW);
        assert_int_equal(metric_family_read(&t->r, &t->b, &t->s, &why), -ERR_FORMAT);
        assert_true(why.text[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_our_writer_writes_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_counter_has_its_exemplar_and_its_start, setup, teardown),
        cmocka_unit_test_setup_teardown(a_histogram_is_native_classic_or_both, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_histogram_without_observations_is_native_by_its_empty_span, setup, teardown),
        cmocka_unit_test_setup_teardown(a_summary_has_quantiles_count_and_sum, setup, teardown),
        cmocka_unit_test_setup_teardown(a_metric_of_more_rows_than_a_batch_goes_on_in_the_next,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_cut_off_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
