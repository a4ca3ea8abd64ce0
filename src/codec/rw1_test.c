#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "codec/rw_testbed.h"
#include "model/sample.h"

static int set_up(void **state)
{
    *state = rw_testbed_new();
    return 0;
}

static int tear_down(void **state)
{
    rw_testbed_free(*state);
    return 0;
}

static void put_sample(struct buf *out, double value, int64_t ts_ms)
{
    struct buf b;
    buf_init(&b, 100);
    if (double_bits(value)) /* as proto3 writers do */
        wire_put_double(&b, 1, value);
    if (ts_ms)
        wire_put_int(&b, 2, (uint64_t)ts_ms);
    wire_put_bytes(out, 2, buf_str(&b));
    buf_done(&b);
}

static void end_series(struct rw_testbed *f)
{
    rw_testbed_end_series(f, 1);
}

static uint8_t *begin(struct rw_testbed *f)
{
    uint8_t *copy = rw_testbed_copy(buf_str(&f->request));
    rw1_begin(&f->r1, str_of((const char *)copy, f->request.n));
    return copy;
}

static int next(struct rw_testbed *f)
{
    return rw1_next(&f->r1, &f->b, &f->s, &f->why);
}

static void samples_come_with_the_label_bytes_of_the_request(void **state)
{
    struct rw_testbed *f = *state;
    labels_put(&f->series, STR("__name__"), STR("up"));
    labels_put(&f->series, STR("job"), STR("x"));
    put_sample(&f->series, 1.5, 1700000000123);
    put_sample(&f->series, 0, 0);
    put_sample(&f->series, -0.0, -5);
    put_sample(&f->series, sample_stale(), INT64_MAX);
    end_series(f);
    labels_put(&f->series, STR("__name__"), STR("down"));
    put_sample(&f->series, INFINITY, 7);
    end_series(f);
    uint8_t *copy = begin(f);
    assert_int_equal(next(f), 1);
    assert_int_equal(f->b.n, 5);
    for (size_t i = 0; i < 4; i++) {
        assert_ptr_equal(f->b.key[i].p, f->b.key[0].p);
        assert_true((const uint8_t *)f->b.key[i].p > copy);
        assert_true(str_eq(labels_get(f->b.key[i], STR("job")), STR("x")));
    }
    assert_true(f->b.value[0] == 1.5 && f->b.ts_ms[0] == 1700000000123);
    assert_true(f->b.value[1] == 0 && f->b.ts_ms[1] == 0);
    assert_true(signbit(f->b.value[2]) && f->b.ts_ms[2] == -5);
    assert_true(sample_is_stale(f->b.value[3]) && f->b.ts_ms[3] == INT64_MAX);
    assert_true(isinf(f->b.value[4]) && f->b.histogram[4] == NULL && f->b.start_ms[4] == 0);
    assert_true(str_eq(labels_get(f->b.key[4], LABEL_METRIC), STR("down")));
    assert_int_equal(next(f), 0);
    mem_free(copy);
}

static void labels_that_lie_apart_are_put_together(void **state)
{
    struct rw_testbed *f = *state;
    labels_put(&f->series, STR("__name__"), STR("up"));
    for (int i = 1; i <= 300; i++)
        put_sample(&f->series, i, i);
    labels_put(&f->series, STR("job"), STR("x"));
    end_series(f);
    uint8_t *copy = begin(f);
    size_t n = 0;
    while (next(f) > 0) {
        for (size_t i = 0; i < f->b.n; i++) {
            n++;
            assert_true(f->b.value[i] == (double)n);
            assert_true(str_eq(labels_get(f->b.key[i], LABEL_METRIC), STR("up")));
            assert_true(str_eq(labels_get(f->b.key[i], STR("job")), STR("x")));
        }
    }
    assert_int_equal(n, 300);
    mem_free(copy);
}

static void exemplars_and_metadata_come_beside(void **state)
{
    struct rw_testbed *f = *state;
    struct buf b;
    buf_init(&b, 1000);
    labels_put(&f->series, STR("__name__"), STR("a_total"));
    put_sample(&f->series, 1, 1);
    labels_put(&b, STR("trace"), STR("z"));
    labels_put(&b, STR("span"), STR("y"));
    wire_put_double(&b, 2, 0.25);
    wire_put_int(&b, 3, 99);
    wire_put_bytes(&f->series, 3, buf_str(&b));
    end_series(f);
    buf_clear(&b);
    wire_put_int(&b, 1, 1);
    wire_put_bytes(&b, 2, STR("a"));
    wire_put_bytes(&b, 4, STR("helps"));
    wire_put_bytes(&b, 5, STR("s"));
    wire_put_bytes(&f->request, 3, buf_str(&b));
    uint8_t *copy = begin(f);
    assert_int_equal(next(f), 1);
    assert_int_equal(f->s.exemplars_n, 1);
    assert_true(f->s.exemplars[0].value == 0.25 && f->s.exemplars[0].ts_ms == 99);
    assert_true(str_eq(labels_get(f->s.exemplars[0].labels, STR("span")), STR("y")));
    assert_true(str_eq(labels_get(f->s.exemplars[0].key, LABEL_METRIC), STR("a_total")));
    assert_int_equal(f->s.metadata_n, 1);
    assert_int_equal(f->s.metadata[0].type, METRIC_COUNTER);
    assert_true(str_eq(f->s.metadata[0].help, STR("helps")));
    assert_true(str_eq(f->s.metadata[0].unit, STR("s")));
    mem_free(copy);
    buf_done(&b);
}

static void put_histogram(struct buf *out, size_t buckets)
{
    struct buf b, inner;
    buf_init(&b, 1 << 20);
    buf_init(&inner, 1 << 20);
    wire_put_int(&b, 1, 3 + buckets);
    wire_put_double(&b, 3, 12.5);
    wire_put_int(&b, 4, zigzag(-1));
    wire_put_double(&b, 5, 0.001);
    wire_put_int(&b, 6, 3);
    wire_put_int(&inner, 1, zigzag(-2));
    wire_put_int(&inner, 2, buckets);
    wire_put_bytes(&b, 11, buf_str(&inner));
    buf_clear(&inner);
    buf_put_varint(&inner, zigzag(1)); /* all buckets hold one */
    for (size_t i = 1; i < buckets; i++)
        buf_put_varint(&inner, 0);
    wire_put_bytes(&b, 12, buf_str(&inner));
    wire_put_int(&b, 14, 2);
    wire_put_int(&b, 15, 77);
    wire_put_bytes(out, 4, buf_str(&b));
    buf_done(&b);
    buf_done(&inner);
}

static void native_histograms_are_rows_too(void **state)
{
    struct rw_testbed *f = *state;
    labels_put(&f->series, STR("__name__"), STR("h"));
    put_histogram(&f->series, 4);
    put_histogram(&f->series, HISTOGRAM_BUCKETS_MAX + 1);
    end_series(f);
    uint8_t *copy = begin(f);
    assert_int_equal(next(f), 1);
    assert_int_equal(f->b.n, 2);
    const struct histogram *h = f->b.histogram[0];
    assert_int_equal(histogram_check(h, &f->why), 0);
    assert_true(f->b.ts_ms[0] == 77 && h->schema == -1 && h->count == 7 && h->sum == 12.5);
    assert_true(h->positive_n == 4 && h->positive[3] == 1 && h->positive_spans[0].offset == -2);
    assert_int_equal(h->reset, HISTOGRAM_RESET_NO);
    assert_int_equal(histogram_check(f->b.histogram[1], NULL), -ERR_LIMIT);
    mem_free(copy);
}

static void a_cut_off_request_is_an_error_with_its_place(void **state)
{
    struct rw_testbed *f = *state;
    labels_put(&f->series, STR("__name__"), STR("up"));
    put_sample(&f->series, 1.5, 5);
    end_series(f);
    size_t whole = f->request.n;
    for (size_t n = 1; n < whole; n++) {
        f->request.n = n;
        uint8_t *copy = begin(f);
        assert_int_equal(next(f), -ERR_FORMAT);
        assert_int_equal(strncmp(f->why.text, "remote write request, byte ", 27), 0);
        mem_free(copy);
    }
}

static size_t read_all(struct rw_testbed *f, const uint8_t *copy)
{
    size_t batches = 0;
    rw1_begin(&f->r1, str_of((const char *)copy, f->request.n));
    while (next(f) > 0)
        batches++;
    return batches;
}

static void damaged_requests_do_no_harm(void **state)
{
    struct rw_testbed *f = *state;
    for (int i = 0; i < 20; i++) {
        labels_put(&f->series, STR("__name__"), STR("up"));
        labels_put(&f->series, STR("job"), STR("x"));
        put_sample(&f->series, i, i);
        if (i % 5 == 0)
            put_histogram(&f->series, 3);
        end_series(f);
    }
    assert_true(rw_testbed_survives(f, read_all));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(samples_come_with_the_label_bytes_of_the_request, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(labels_that_lie_apart_are_put_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(exemplars_and_metadata_come_beside, set_up, tear_down),
        cmocka_unit_test_setup_teardown(native_histograms_are_rows_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cut_off_request_is_an_error_with_its_place, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(damaged_requests_do_no_harm, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
