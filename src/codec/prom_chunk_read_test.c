#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "base/bits.h"
#include "base/mem.h"
#include "base/rand.h"
#include "codec/prom_chunk_read.h"
#include "model/sample.h"

enum { SAMPLES = 1000, ROUNDS = 300, BUCKETS = 40 };

static int64_t times[SAMPLES], got_times[PROM_CHUNK_READ_MAX];
static double values[SAMPLES], got_values[PROM_CHUNK_READ_MAX];
static const struct histogram *histograms[SAMPLES], *got_histograms[PROM_CHUNK_READ_MAX];

static struct rand dice;

static double any_double(void)
{
    switch (rand_below(&dice, 8)) {
    case 0:
        return bits_double(rand_u64(&dice));
    case 1:
        return sample_stale();
    case 2:
        return INFINITY;
    case 3:
        return -0.0;
    case 4:
        return rand_unit(&dice);
    default:
        return (double)rand_below(&dice, 1000);
    }
}

/* Writes samples [n] as chunks, reads them and holds both against each other, bit by bit. */
static void assert_comes_back(size_t n, bool with_histograms)
{
    const struct prom_chunk_samples s = {times, values, with_histograms ? histograms : NULL, n};
    struct prom_chunk_read to = {got_times, got_values, got_histograms};
    struct arena a;
    arena_init(&a);
    for (size_t at = 0, took; at < n; at += took) {
        struct buf out;
        enum prom_chunk_type type;
        struct why why = {0};
        buf_init(&out, 1 << 24);
        took = prom_chunk_take(&s, at, &out, &type);
        assert_int_equal(prom_chunk_read_n(buf_str(&out)), took);
        if (prom_chunk_read(type, buf_str(&out), &a, &to, &why) != 0)
            fail_msg("%s", why.text);
        for (size_t i = 0; i < took; i++) {
            assert_int_equal(got_times[i], times[at + i]);
            if (type == PROM_CHUNK_XOR) {
                assert_true(double_bits(got_values[i]) == double_bits(values[at + i]));
                continue;
            }
            struct histogram want = *histograms[at + i], have = *got_histograms[i];
            if (histogram_is_stale(&want)) {
                assert_true(histogram_is_stale(&have));
                continue;
            }
            want.reset = have.reset; /* a chunk says it of its first sample alone */
            assert_true(histogram_same(&want, &have));
        }
        buf_done(&out);
        arena_reset(&a);
    }
    arena_done(&a);
}

static void random_floats_at_random_times_come_back_to_the_bit(void **state)
{
    rand_init(&dice, 11);
    for (int round = 0; round < ROUNDS; round++) {
        size_t n = 1 + rand_below(&dice, SAMPLES);
        int64_t ts = (int64_t)rand_u64(&dice) >> rand_below(&dice, 60);
        for (size_t i = 0; i < n; i++) {
            times[i] = ts;
            values[i] = round % 3 == 0 ? (double)i : any_double();
            ts += 1 + (int64_t)(rand_u64(&dice) >> (30 + rand_below(&dice, 34)));
        }
        assert_comes_back(n, false);
    }
}

static const struct histogram *any_histogram(struct arena *a, bool is_float, const int *custom)
{
    struct histogram *h = arena_new(a, sizeof *h);
    struct histogram_span *spans = arena_array(a, 2, sizeof *spans);
    double *counts = arena_array(a, BUCKETS, sizeof *counts), total = 0;
    uint32_t first = 1 + (uint32_t)rand_below(&dice, 3), second = (uint32_t)rand_below(&dice, 4);
    spans[0] = (struct histogram_span){custom ? 0 : (int32_t)rand_below(&dice, 5) - 2, first};
    spans[1] = (struct histogram_span){custom ? 0 : 2, second};
    for (uint32_t i = 0; i < first + second; i++)
        total += counts[i] = is_float ? rand_unit(&dice) * 1e6
                                      : (double)rand_below(&dice, 1ULL << rand_below(&dice, 40));
    *h = (struct histogram){.is_float = is_float,
                            .schema = custom ? HISTOGRAM_SCHEMA_CUSTOM
                                             : (int32_t)rand_below(&dice, 12) - 4,
                            .reset = (uint8_t)rand_below(&dice, 4),
                            .sum = any_double(),
                            .count = total,
                            .positive_spans = spans,
                            .positive_spans_n = 2,
                            .positive = counts,
                            .positive_n = first + second};
    if (custom) {
        double *bounds = arena_array(a, 8, sizeof *bounds);
        for (int i = 0; i < 8; i++)
            bounds[i] = i * 0.25 + (i == 7 ? 1e-9 : 0);
        h->custom_bounds = bounds;
        h->custom_n = 8;
        return h;
    }
    h->zero_threshold = rand_below(&dice, 2) ? ldexp(0.5, (int)rand_below(&dice, 200) - 150) : 0.3;
    h->zero_count = (double)rand_below(&dice, 5);
    h->count += h->zero_count;
    h->negative_spans = spans;
    h->negative_spans_n = 1;
    h->negative = counts;
    h->negative_n = first;
    for (uint32_t i = 0; i < first; i++)
        h->count += counts[i];
    return h;
}

static void random_histograms_of_all_kinds_come_back(void **state)
{
    static const int CUSTOM = 1;
    struct arena a;
    arena_init(&a);
    rand_init(&dice, 12);
    for (int round = 0; round < ROUNDS; round++) {
        size_t n = 1 + rand_below(&dice, 300);
        int64_t ts = 1700000000000;
        bool is_float = round % 2 == 1;
        for (size_t i = 0; i < n; i++) {
            times[i] = ts;
            ts += 15000 + (int64_t)rand_below(&dice, 3);
            bool again = i > 0 && rand_below(&dice, 4) != 0;
            histograms[i] = again ? histograms[i - 1]
                                  : any_histogram(&a, is_float, round % 3 == 0 ? &CUSTOM : NULL);
            if (rand_below(&dice, 40) == 0) {
                struct histogram *stale = arena_new(&a, sizeof *stale);
                *stale = (struct histogram){.is_float = is_float, .sum = sample_stale()};
                histograms[i] = stale;
            }
        }
        assert_comes_back(n, true);
        arena_reset(&a);
    }
    arena_done(&a);
}

static void damaged_chunks_are_refused_or_read_within_their_bytes(void **state)
{
    struct arena a;
    struct prom_chunk_read to = {got_times, got_values, got_histograms};
    struct buf out;
    enum prom_chunk_type type;
    int refused = 0;
    for (int i = 0; i < 120; i++) {
        times[i] = 1000 * i;
        values[i] = i * 0.1;
    }
    const struct prom_chunk_samples s = {times, values, NULL, 120};
    arena_init(&a);
    buf_init(&out, 1 << 20);
    prom_chunk_take(&s, 0, &out, &type);
    for (size_t n = 0; n < out.n; n++) { /* cut off anywhere */
        char *exact = mem_raw(n + 1);
        memcpy(exact, out.p, n);
        refused += prom_chunk_read(type, str_of(exact, n), &a, &to, NULL) != 0;
        mem_free(exact);
    }
    assert_true(refused >= (int)out.n - 2); /* the last bits may be of the filling */
    assert_int_equal(prom_chunk_read(9, buf_str(&out), &a, &to, NULL), -ERR_UNSUPPORTED);
    rand_init(&dice, 13);
    for (int i = 0; i < 20000; i++) {
        char bytes[64];
        size_t n = rand_below(&dice, sizeof bytes);
        for (size_t k = 0; k < n; k++)
            bytes[k] = (char)rand_u64(&dice);
        if (n > 1)
            bytes[0] = 0; /* few samples */
        int err =
            prom_chunk_read(1 + (unsigned)rand_below(&dice, 3), str_of(bytes, n), &a, &to, NULL);
        assert_true(err == 0 || err == -ERR_FORMAT);
        arena_reset(&a);
    }
    buf_done(&out);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_floats_at_random_times_come_back_to_the_bit),
        cmocka_unit_test(random_histograms_of_all_kinds_come_back),
        cmocka_unit_test(damaged_chunks_are_refused_or_read_within_their_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
