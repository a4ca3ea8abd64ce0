#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "codec/prom_chunk.h"
#include "model/sample.h"

enum { SAMPLES = 300, FLAGS_AT = 2 };

static int64_t times[SAMPLES];
static double values[SAMPLES];
static const struct histogram *pointers[SAMPLES];
static struct histogram histograms[SAMPLES];
static double counts[SAMPLES][2];

static const struct histogram_span SPANS[] = {{-1, 1}, {2, 1}}, OTHER[] = {{0, 2}};

static struct prom_chunk_samples samples(size_t n, bool with_histograms)
{
    for (size_t i = 0; i < n; i++) {
        times[i] = 1000 + 15000 * (int64_t)i;
        values[i] = 1.5;
        counts[i][0] = (double)i + 1;
        counts[i][1] = 2 * (double)i + 1;
        histograms[i] = (struct histogram){.schema = 1,
                                           .count = 3 * (double)i + 2,
                                           .sum = 0.5,
                                           .positive_spans = SPANS,
                                           .positive_spans_n = 2,
                                           .positive = counts[i],
                                           .positive_n = 2};
        pointers[i] = with_histograms ? &histograms[i] : NULL;
    }
    return (struct prom_chunk_samples){times, values, pointers, n};
}

/* How many samples the chunk at `at` takes, and its flags in *ret. */
static size_t take(const struct prom_chunk_samples *s, size_t at, uint8_t *ret)
{
    struct buf out;
    enum prom_chunk_type type;
    buf_init(&out, 1 << 20);
    size_t n = prom_chunk_take(s, at, &out, &type);
    assert_false(buf_failed(&out));
    assert_int_equal((uint8_t)out.p[0] << 8 | (uint8_t)out.p[1], n);
    *ret = (uint8_t)out.p[FLAGS_AT];
    buf_done(&out);
    return n;
}

static void a_steady_series_takes_two_bits_a_sample(void **state)
{
    (void)state;
    struct prom_chunk_samples s = samples(SAMPLES, false);
    struct buf out;
    enum prom_chunk_type type;
    buf_init(&out, 1 << 20);
    assert_int_equal(prom_chunk_take(&s, 0, &out, &type), PROM_CHUNK_SAMPLES_MAX);
    assert_int_equal(type, PROM_CHUNK_XOR);
    /* 2 of count, 2 of time, 8 of value, 2 of the first step, a bit of value, then two bits. */
    assert_int_equal(out.n, 2 + 2 + 8 + 2 + (1 + 118 * 2 + 7) / 8);
    buf_done(&out);
}

static void a_chunk_ends_where_the_kind_of_samples_changes(void **state)
{
    (void)state;
    struct prom_chunk_samples s = samples(30, true);
    uint8_t flags;
    pointers[10] = pointers[11] = NULL;
    assert_int_equal(take(&s, 0, &flags), 10);
    assert_int_equal(take(&s, 10, &flags), 2);
    histograms[20].is_float = true;
    assert_int_equal(take(&s, 12, &flags), 8);
    assert_int_equal(take(&s, 20, &flags), 1);
}

static void a_histogram_chunk_ends_where_its_layout_changes(void **state)
{
    (void)state;
    struct prom_chunk_samples s = samples(200, true);
    uint8_t flags;
    assert_int_equal(take(&s, 0, &flags), PROM_CHUNK_SAMPLES_MAX);
    histograms[10].schema = 2;
    histograms[20].zero_threshold = 0.25;
    histograms[30].positive_spans = OTHER;
    histograms[30].positive_spans_n = 1;
    assert_int_equal(take(&s, 0, &flags), 10);
    assert_int_equal(take(&s, 10, &flags), 1);
    assert_int_equal(take(&s, 11, &flags), 9);
    assert_int_equal(take(&s, 20, &flags), 1);
    assert_int_equal(take(&s, 21, &flags), 9);
    assert_int_equal(take(&s, 30, &flags), 1);
}

static void a_reset_begins_a_chunk_and_gauges_never_do(void **state)
{
    (void)state;
    struct prom_chunk_samples s = samples(40, true);
    uint8_t flags;
    counts[15][1] = 1; /* less than before */
    histograms[25].reset = HISTOGRAM_RESET_YES;
    assert_int_equal(take(&s, 0, &flags), 15);
    assert_int_equal(flags, 0);
    assert_int_equal(take(&s, 15, &flags), 10);
    assert_int_equal(take(&s, 25, &flags), 15);
    assert_int_equal(flags, 0x80);
    for (size_t i = 0; i < 40; i++)
        histograms[i].reset = HISTOGRAM_RESET_GAUGE;
    assert_int_equal(take(&s, 0, &flags), 40);
    assert_int_equal(flags, 0xc0);
    histograms[5].reset = HISTOGRAM_RESET_UNKNOWN;
    assert_int_equal(take(&s, 0, &flags), 5);
}

static void a_staleness_marker_is_the_last_of_its_chunk(void **state)
{
    (void)state;
    struct prom_chunk_samples s = samples(40, true);
    uint8_t flags;
    histograms[9] = (struct histogram){.sum = sample_stale()};
    assert_int_equal(take(&s, 0, &flags), 10);
    assert_int_equal(take(&s, 10, &flags), 30);
    histograms[10] = histograms[9];
    assert_int_equal(take(&s, 9, &flags), 1);
    assert_int_equal(take(&s, 10, &flags), 1);
}

static void bounds_of_thousandths_are_short(void **state)
{
    (void)state;
    static const double SHORT[] = {0.005, 0.01, 5, 33554.43}, LONG[] = {0.0001, 1.0 / 3, 5, 4e4};
    struct prom_chunk_samples s = samples(1, true);
    struct buf one, other;
    enum prom_chunk_type type;
    buf_init(&one, 1000);
    buf_init(&other, 1000);
    histograms[0].schema = HISTOGRAM_SCHEMA_CUSTOM;
    histograms[0].custom_n = 4;
    histograms[0].custom_bounds = SHORT;
    assert_int_equal(prom_chunk_take(&s, 0, &one, &type), 1);
    histograms[0].custom_bounds = LONG;
    assert_int_equal(prom_chunk_take(&s, 0, &other, &type), 1);
    /* 6, 11, 5001 and 33554431: prefixes of 2, 3, 6 and 7 bits before 3, 6, 18 and 25. */
    size_t bits = (2 + 3) + (3 + 6) + (6 + 18) + (7 + 25);
    size_t wide = 65 + 65 + (6 + 18) + 65;
    assert_in_range(other.n - one.n, (wide - bits) / 8, (wide - bits) / 8 + 1);
    buf_done(&one);
    buf_done(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_steady_series_takes_two_bits_a_sample),
        cmocka_unit_test(a_chunk_ends_where_the_kind_of_samples_changes),
        cmocka_unit_test(a_histogram_chunk_ends_where_its_layout_changes),
        cmocka_unit_test(a_reset_begins_a_chunk_and_gauges_never_do),
        cmocka_unit_test(a_staleness_marker_is_the_last_of_its_chunk),
        cmocka_unit_test(bounds_of_thousandths_are_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
