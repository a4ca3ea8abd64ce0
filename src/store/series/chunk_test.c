#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "model/sample.h"
#include "store/series/chunk.h"
#include "store/series/chunk_int.h"
#include "store/series/chunk_kernel.h"

enum { FAMILIES = 16, SEEDS = 60, BYTES_MAX = 1 << 24 };

/* The next value of a family of series: what real ones look like, and what they never do. */
static double next(struct rand *r, unsigned family, size_t i, double before)
{
    switch (family) {
    case 0:
        return 42;
    case 1:
        return before + (double)rand_below(r, 1000);
    case 2:
        return (double)rand_below(r, 10000) / 100;
    case 3:
        return before + (double)rand_below(r, 1000) / 100; /* a sum with noise */
    case 4:
        return rand_unit(r);
    case 5:
        return bits_double(rand_u64(r));
    case 6:
        return rand_below(r, 10) ? before : (double)rand_below(r, 100);
    case 7:
        return (double)(rand_below(r, 1 << 20) * 4096);
    case 8:
        return rand_below(r, 100) ? before + 15 : (rand_below(r, 2) ? 0 : 1e300);
    case 9:
        return -(double)rand_below(r, 1000000) / 1e6;
    case 10:
        return (double)(float)rand_unit(r);
    case 11:
        return (double)rand_u64(r);
    case 12:
        return 5e-324 * (double)rand_below(r, 100);
    case 13:
        return (double)i * 1e-9;
    case 14:
        return rand_below(r, 2) ? -0.0 : 0.0;
    default:
        return (double)(rand_below(r, 12) * 1000003);
    }
}

static void spoil(struct rand *r, double *v, size_t n)
{
    static const uint64_t odd[] = {
        SAMPLE_STALE_BITS,     CHUNK_ABSENT_BITS,     SAMPLE_NAN_BITS,       0x7ff0000000000000ULL,
        0xfff0000000000000ULL, 0xffffffffffffffffULL, 0x8000000000000000ULL, 0x7fefffffffffffffULL};
    size_t times = rand_below(r, 6);
    for (size_t k = 0; k < times; k++) {
        size_t at = rand_below(r, n), run = rand_below(r, 20) + 1;
        uint64_t bits = odd[rand_below(r, COUNTOF(odd))];
        for (size_t i = at; i < n && i < at + run; i++)
            v[i] = bits_double(bits);
    }
}

static void make(uint64_t seed, unsigned family, double *v, size_t *ret_n)
{
    struct rand r;
    double before = 0;
    rand_init(&r, seed * 1000 + family);
    *ret_n = rand_below(&r, 4) ? 1 + rand_below(&r, CHUNK_MAX) : CHUNK_MAX;
    for (size_t i = 0; i < *ret_n; i++)
        v[i] = before = next(&r, family, i, before);
    if (seed % 3 == 0)
        spoil(&r, v, *ret_n);
}

static void every_family_of_values_comes_back_bit_for_bit_on_every_processor_path(void **state)
{
    (void)state;
    for (unsigned family = 0; family < FAMILIES; family++)
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            double v[CHUNK_MAX], back[CHUNK_MAX];
            size_t n, used;
            struct buf out;
            buf_init(&out, BYTES_MAX);
            make(seed, family, v, &n);
            assert_int_equal(chunk_encode(v, n, &out), 0);
            assert_true(out.n <= CHUNK_BYTES_MAX);
            buf_put_str(&out, STR("behind"));
            for (size_t k = 0; chunk_kernel_at(k); k++) {
                chunk_kernel_use(chunk_kernel_at(k));
                memset(back, 0, sizeof back);
                assert_int_equal(chunk_decode(out.p, out.n, n, back, &used), 0);
                assert_int_equal(used, out.n - 6);
                assert_memory_equal(back, v, n * sizeof *v);
            }
            chunk_kernel_use(NULL);
            buf_done(&out);
        }
}

static void any_integers_come_back_and_cost_what_was_said(void **state)
{
    (void)state;
    static int64_t x[3000], back[3000 + CHUNK_INT_BLOCK];
    for (uint64_t seed = 0; seed < 400; seed++) {
        struct rand r;
        struct buf out;
        size_t n, used;
        rand_init(&r, seed);
        n = rand_below(&r, 3000);
        unsigned width = (unsigned)rand_below(&r, 65);
        bool runs = rand_below(&r, 2);
        for (size_t i = 0; i < n; i++) {
            uint64_t u = rand_u64(&r);
            x[i] = (int64_t)(width ? u >> (64 - width) : 0);
            if (seed % 4 == 1 && i)
                x[i] = (int64_t)((uint64_t)x[i] + (uint64_t)x[i - 1]);
            if (runs && i && rand_below(&r, 50))
                x[i] = x[i - 1];
        }
        buf_init(&out, BYTES_MAX);
        chunk_int_encode(x, n, &out);
        assert_int_equal(out.n, chunk_int_cost(x, n));
        for (size_t k = 0; chunk_kernel_at(k); k++) {
            chunk_kernel_use(chunk_kernel_at(k));
            assert_int_equal(chunk_int_decode_copy((const uint8_t *)out.p, out.n, n, back, &used),
                             0);
            assert_int_equal(used, out.n);
            assert_memory_equal(back, x, n * sizeof *x);
        }
        chunk_kernel_use(NULL);
        buf_done(&out);
    }
}

static void sums_with_noise_take_little_more_than_their_decimals(void **state)
{
    (void)state;
    double v[CHUNK_MAX], at = 0;
    struct rand r;
    struct buf out;
    rand_init(&r, 9);
    for (size_t i = 0; i < CHUNK_MAX; i++)
        v[i] = at += (double)rand_below(&r, 100) / 100;
    buf_init(&out, BYTES_MAX);
    assert_int_equal(chunk_encode(v, CHUNK_MAX, &out), 0);
    assert_true(out.n < 2 * CHUNK_MAX);
    buf_done(&out);
}

static void aggregates_come_back_exactly(void **state)
{
    (void)state;
    for (unsigned family = 0; family < FAMILIES; family++)
        for (uint64_t seed = 1; seed < SEEDS; seed++) {
            double v[CHUNK_MAX];
            int64_t ts[CHUNK_MAX];
            size_t n, used;
            struct block b = {0};
            make(seed, family, v, &n);
            for (size_t i = 0; i < n; i++)
                ts[i] = (int64_t)i * 15000;
            chunk_summarise(ts, v, n, &b);
            if (!b.summarised)
                continue;
            struct buf out;
            buf_init(&out, BYTES_MAX);
            chunk_block_encode(&b, &out);
            struct block back = {.first_ms = b.first_ms, .last_ms = b.last_ms, .n = b.n};
            assert_int_equal(chunk_block_decode(out.p, out.n, &back, &used), 0);
            assert_int_equal(used, out.n);
            const double want[] = {b.first, b.last, b.min, b.max, b.sum, b.reset_sum};
            const double got[] = {back.first, back.last, back.min,
                                  back.max,   back.sum,  back.reset_sum};
            assert_memory_equal(want, got, sizeof want);
            assert_int_equal(back.resets, b.resets);
            buf_done(&out);
        }
}

static void aggregates_are_those_of_the_samples_that_are_there(void **state)
{
    (void)state;
    const double v[] = {5, chunk_absent(), 7, 2, 3, 1};
    const int64_t ts[] = {10, 20, 30, 40, 50, 60};
    struct block b = {0};
    chunk_summarise(ts, v, 6, &b);
    assert_true(b.summarised);
    assert_int_equal(b.n, 5);
    assert_int_equal(b.resets, 2);
    assert_true(b.sum == 18 && b.min == 1 && b.max == 7 && b.first == 5 && b.last == 1);
    assert_true(b.reset_sum == 10);
    assert_int_equal(b.first_ms, 10);
    assert_int_equal(b.last_ms, 60);
    const double stale[] = {1, sample_stale()};
    chunk_summarise(ts, stale, 2, &b);
    assert_false(b.summarised);
    assert_int_equal(b.n, 2);
}

static void regular_times_take_a_few_bytes_and_all_times_come_back(void **state)
{
    (void)state;
    static int64_t ts[8000], back[8000];
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct rand r;
        struct buf out;
        size_t used, n = 1 + seed * 37 % 8000;
        int64_t at = (int64_t)(seed * 1000003) - 50000000;
        rand_init(&r, seed);
        for (size_t i = 0; i < n; i++) {
            ts[i] = at + (seed % 4 == 1 ? (int64_t)rand_below(&r, 7) - 3 : 0);
            at += seed % 4 == 2 ? 1 + (int64_t)rand_below(&r, 1u << 30) : 15000;
            at += seed % 4 == 3 && !rand_below(&r, 20) ? 30000 : 0;
        }
        buf_init(&out, BYTES_MAX);
        assert_int_equal(chunk_ts_encode(ts, n, &out), 0);
        if (seed % 4 == 0)
            assert_true(out.n < 20);
        if (seed % 4 == 1 && n > 500)
            assert_true(out.n * 2 < n);
        assert_int_equal(chunk_ts_decode(out.p, out.n, n, back, &used), 0);
        assert_int_equal(used, out.n);
        assert_memory_equal(ts, back, n * sizeof *ts);
        buf_done(&out);
    }
}

static void histograms_of_changing_layouts_come_back_to_the_last_bit(void **state)
{
    (void)state;
    enum { N = 100 };
    static double counts[N][40];
    static struct histogram_span spans[N][2];
    struct histogram h[N];
    const struct histogram *in[N], *back[N];
    struct rand r;
    rand_init(&r, 4);
    for (size_t i = 0; i < N; i++) {
        uint32_t wide = 4 + (uint32_t)(i / 20);
        for (size_t b = 0; b < 40; b++)
            counts[i][b] = (i ? counts[i - 1][b] : 0) + (double)rand_below(&r, 4);
        spans[i][0] = (struct histogram_span){-3, wide};
        spans[i][1] = (struct histogram_span){2, 3};
        h[i] = (struct histogram){.schema = 3,
                                  .is_float = i % 7 == 0,
                                  .reset = (uint8_t)(i % 4),
                                  .zero_threshold = 1e-128,
                                  .zero_count = (double)i,
                                  .count = (double)i * 10,
                                  .sum = rand_unit(&r),
                                  .positive_spans = spans[i],
                                  .positive_spans_n = 2,
                                  .positive = counts[i],
                                  .positive_n = wide + 3,
                                  .negative_spans = spans[i],
                                  .negative_spans_n = 1,
                                  .negative = counts[i] + 20,
                                  .negative_n = wide};
        in[i] = i % 11 == 5 ? NULL : &h[i];
    }
    struct buf out;
    struct arena a;
    size_t used;
    buf_init(&out, BYTES_MAX);
    arena_init(&a);
    assert_int_equal(chunk_histogram_encode(in, N, &out), 0);
    assert_int_equal(chunk_histogram_decode(out.p, out.n, N, &a, back, &used), 0);
    assert_int_equal(used, out.n);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(in[i] == NULL, back[i] == NULL);
        assert_true(!in[i] || histogram_same(in[i], back[i]));
    }
    arena_done(&a);
    buf_done(&out);
}

static void a_full_buffer_is_an_answer(void **state)
{
    (void)state;
    double v[CHUNK_MAX];
    size_t n;
    struct buf out;
    make(1, 4, v, &n);
    buf_init(&out, 16);
    assert_int_equal(chunk_encode(v, n, &out), -ERR_LIMIT);
    buf_done(&out);
}

static void cut_off_bytes_are_refused(void **state)
{
    (void)state;
    for (unsigned family = 1; family < FAMILIES; family++) {
        double v[CHUNK_MAX], back[CHUNK_MAX];
        size_t n;
        struct buf out;
        buf_init(&out, BYTES_MAX);
        make(3, family, v, &n);
        assert_int_equal(chunk_encode(v, n, &out), 0);
        for (size_t len = 0; len < out.n; len++) {
            int err = chunk_decode(out.p, len, n, back, NULL);
            assert_int_equal(err, -ERR_FORMAT);
        }
        buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_family_of_values_comes_back_bit_for_bit_on_every_processor_path),
        cmocka_unit_test(any_integers_come_back_and_cost_what_was_said),
        cmocka_unit_test(sums_with_noise_take_little_more_than_their_decimals),
        cmocka_unit_test(aggregates_come_back_exactly),
        cmocka_unit_test(aggregates_are_those_of_the_samples_that_are_there),
        cmocka_unit_test(regular_times_take_a_few_bytes_and_all_times_come_back),
        cmocka_unit_test(histograms_of_changing_layouts_come_back_to_the_last_bit),
        cmocka_unit_test(a_full_buffer_is_an_answer),
        cmocka_unit_test(cut_off_bytes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
