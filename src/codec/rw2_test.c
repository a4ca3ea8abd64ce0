#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/rw_testbed.h"

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

static void put_symbols(struct rw_testbed *f)
{
    const char *const texts[] = {
        "", "__name__", "up_total", "job", "a job with a name of more than 32 bytes", "helps", "s"};
    for (size_t i = 0; i < COUNTOF(texts); i++)
        wire_put_bytes(&f->request, 4, str_c(texts[i]));
}

static void put_refs(struct buf *out, unsigned field, const uint64_t *refs, size_t n)
{
    struct buf b;
    buf_init(&b, 1000);
    for (size_t i = 0; i < n; i++)
        buf_put_varint(&b, refs[i]);
    wire_put_bytes(out, field, buf_str(&b));
    buf_done(&b);
}

static void put_sample(struct buf *out, double value, int64_t ts_ms, int64_t start_ms)
{
    struct buf b;
    buf_init(&b, 100);
    wire_put_double(&b, 1, value);
    wire_put_int(&b, 2, (uint64_t)ts_ms);
    if (start_ms)
        wire_put_int(&b, 3, (uint64_t)start_ms);
    wire_put_bytes(out, 2, buf_str(&b));
    buf_done(&b);
}

static void end_series(struct rw_testbed *f)
{
    rw_testbed_end_series(f, 5);
}

static uint8_t *copy_of(struct rw_testbed *f)
{
    return rw_testbed_copy(buf_str(&f->request));
}

static int begin(struct rw_testbed *f, const uint8_t *copy)
{
    return rw2_begin(&f->r2, str_of((const char *)copy, f->request.n), &f->why);
}

static int next(struct rw_testbed *f)
{
    return rw2_next(&f->r2, &f->b, &f->s, &f->why);
}

static void keys_are_put_together_from_symbols(void **state)
{
    struct rw_testbed *f = *state;
    put_symbols(f);
    put_refs(&f->series, 1, (const uint64_t[]){1, 2, 3, 4}, 4);
    put_sample(&f->series, 1.5, 1700000000123, 5);
    put_sample(&f->series, 2.5, 1700000000124, 0);
    struct buf b, want;
    buf_init(&b, 1000);
    buf_init(&want, 1000);
    put_refs(&b, 1, (const uint64_t[]){3, 5}, 2);
    wire_put_double(&b, 2, 9);
    wire_put_int(&b, 3, 10);
    wire_put_bytes(&f->series, 4, buf_str(&b));
    buf_clear(&b);
    wire_put_int(&b, 1, 1);
    wire_put_int(&b, 3, 5);
    wire_put_int(&b, 4, 6);
    wire_put_bytes(&f->series, 5, buf_str(&b));
    end_series(f);
    uint8_t *copy = copy_of(f);
    assert_int_equal(begin(f, copy), 0);
    assert_int_equal(next(f), 1);
    assert_int_equal(f->b.n, 2);
    labels_put(&want, STR("__name__"), STR("up_total"));
    labels_put(&want, STR("job"), STR("a job with a name of more than 32 bytes"));
    assert_true(str_eq(f->b.key[0], buf_str(&want)));
    assert_ptr_equal(f->b.key[0].p, f->b.key[1].p);
    assert_true(f->b.value[0] == 1.5 && f->b.ts_ms[0] == 1700000000123 && f->b.start_ms[0] == 5);
    assert_true(f->b.value[1] == 2.5 && f->b.start_ms[1] == 0);
    assert_int_equal(f->s.exemplars_n, 1);
    assert_true(str_eq(labels_get(f->s.exemplars[0].labels, STR("job")), STR("helps")));
    assert_int_equal(f->s.metadata_n, 1);
    assert_true(str_eq(f->s.metadata[0].metric, STR("up_total")));
    assert_true(str_eq(f->s.metadata[0].help, STR("helps")));
    assert_true(str_eq(f->s.metadata[0].unit, STR("s")));
    assert_int_equal(next(f), 0);
    mem_free(copy);
    buf_done(&b);
    buf_done(&want);
}

static void a_bad_series_costs_itself_alone(void **state)
{
    struct rw_testbed *f = *state;
    put_symbols(f);
    put_refs(&f->series, 1, (const uint64_t[]){1, 99}, 2); /* no such symbol */
    put_sample(&f->series, 1, 1, 0);
    put_sample(&f->series, 1, 2, 0);
    end_series(f);
    put_refs(&f->series, 1, (const uint64_t[]){1, 2, 3}, 3); /* no pair */
    put_sample(&f->series, 1, 1, 0);
    end_series(f);
    put_refs(&f->series, 1, (const uint64_t[]){1, 2}, 2); /* nothing in it */
    end_series(f);
    put_sample(&f->series, 1, 1, 0); /* no labels */
    end_series(f);
    put_refs(&f->series, 1, (const uint64_t[]){1, 2}, 2);
    put_sample(&f->series, 7, 1, 0);
    end_series(f);
    uint8_t *copy = copy_of(f);
    assert_int_equal(begin(f, copy), 0);
    assert_int_equal(next(f), 1);
    assert_int_equal(f->b.n, 1);
    assert_true(f->b.value[0] == 7);
    assert_int_equal(f->s.bad_n, 4);
    const size_t cost[] = {2, 1, 0, 1};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(f->s.bad[i].at, i);
        assert_int_equal(f->s.bad[i].samples, cost[i]);
    }
    mem_free(copy);
}

static void the_first_symbol_is_empty(void **state)
{
    struct rw_testbed *f = *state;
    wire_put_bytes(&f->request, 4, STR("x"));
    uint8_t *copy = copy_of(f);
    assert_int_equal(begin(f, copy), -ERR_FORMAT);
    mem_free(copy);
}

static void a_long_series_goes_over_many_batches(void **state)
{
    struct rw_testbed *f = *state;
    put_symbols(f);
    for (int i = 0; i < 1000; i++) {
        put_sample(&f->series, i, i + 1, 0);
        if (i == 500) {
            put_refs(&f->series, 1, (const uint64_t[]){1, 2}, 2);
            put_refs(&f->series, 1, (const uint64_t[]){3, 6}, 2);
        }
    }
    end_series(f);
    uint8_t *copy = copy_of(f);
    size_t n = 0;
    assert_int_equal(begin(f, copy), 0);
    while (next(f) > 0) {
        for (size_t i = 0; i < f->b.n; i++, n++) {
            assert_true(f->b.value[i] == (double)n);
            assert_true(str_eq(labels_get(f->b.key[i], STR("job")), STR("s")));
        }
    }
    assert_int_equal(n, 1000);
    mem_free(copy);
}

static size_t read_all(struct rw_testbed *f, const uint8_t *copy)
{
    size_t batches = 0;
    if (begin(f, copy))
        return 0;
    while (next(f) > 0)
        batches++;
    return batches;
}

static void damaged_requests_do_no_harm(void **state)
{
    struct rw_testbed *f = *state;
    put_symbols(f);
    for (int i = 0; i < 20; i++) {
        put_refs(&f->series, 1, (const uint64_t[]){1, 2, 3, 4}, 4);
        put_sample(&f->series, i, i + 1, i);
        end_series(f);
    }
    assert_true(rw_testbed_survives(f, read_all));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys_are_put_together_from_symbols, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_bad_series_costs_itself_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_first_symbol_is_empty, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_long_series_goes_over_many_batches, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damaged_requests_do_no_harm, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
