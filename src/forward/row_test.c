#include "forward/row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/bits.h"
#include "base/mem.h"
#include "base/rand.h"
#include "model/sample.h"

static const double COUNTS[] = {1, 2};
static const struct histogram_span SPANS[] = {{3, 2}};
static const struct histogram HISTOGRAM = {.schema = 2,
                                           .count = 3,
                                           .sum = 4,
                                           .positive_spans = SPANS,
                                           .positive_spans_n = 1,
                                           .positive = COUNTS,
                                           .positive_n = 2};

static const struct row ROWS[] = {
    {.kind = ROW_FLOAT, .key = {"key a", 5}, .ts_ms = 1700000000000, .value = 1.25},
    {.kind = ROW_FLOAT, .key = {"key a", 5}, .ts_ms = 1700000000001, .value = -0.0, .start_ms = 5},
    {.kind = ROW_EXEMPLAR, .key = {"key a", 5}, .ts_ms = -4, .value = 2, .labels = {"l", 1}},
    {.kind = ROW_METADATA,
     .metadata = {.metric = {"m", 1}, .type = METRIC_INFO, .help = {"h", 1}, .unit = {"u", 1}}},
    {.kind = ROW_HISTOGRAM, .key = {"key b", 5}, .ts_ms = INT64_MIN, .histogram = &HISTOGRAM},
    {.kind = ROW_FLOAT, .key = {"key b", 5}, .ts_ms = INT64_MAX, .start_ms = -7},
};

static void assert_same(const struct row *a, const struct row *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_true(str_eq(a->key, b->key) && str_eq(a->labels, b->labels));
    assert_int_equal(a->ts_ms, b->ts_ms);
    assert_int_equal(a->start_ms, b->start_ms);
    assert_int_equal(double_bits(a->value), double_bits(b->value));
    assert_true(!a->histogram == !b->histogram);
    assert_true(!a->histogram || histogram_same(a->histogram, b->histogram));
    assert_true(str_eq(a->metadata.metric, b->metadata.metric) &&
                str_eq(a->metadata.help, b->metadata.help) &&
                str_eq(a->metadata.unit, b->metadata.unit) && a->metadata.type == b->metadata.type);
}

static void rows_come_back_as_they_were(void **state)
{
    struct row_writer w;
    struct row_reader r;
    struct arena a;
    arena_init(&a);
    row_writer_init(&w, 10000);
    for (int round = 0; round < 2; round++) {
        row_writer_clear(&w);
        for (size_t i = 0; i < COUNTOF(ROWS); i++)
            assert_int_equal(row_put(&w, &ROWS[i]), 0);
        assert_int_equal(w.rows, COUNTOF(ROWS));
        row_reader_init(&r, buf_str(&w.bytes), &a);
        struct row row;
        for (size_t i = 0; i < COUNTOF(ROWS); i++) {
            assert_int_equal(row_next(&r, &row), 1);
            assert_same(&row, &ROWS[i]);
        }
        assert_int_equal(row_next(&r, &row), 0);
    }
    row_writer_done(&w);
    arena_done(&a);
}

static void a_full_block_stays_as_it_was(void **state)
{
    for (size_t max = 0; max < 120; max++) {
        struct row_writer w;
        struct row_reader r;
        struct arena a;
        struct row row;
        size_t taken = 0, read = 0;
        arena_init(&a);
        row_writer_init(&w, max);
        while (taken < COUNTOF(ROWS) && row_put(&w, &ROWS[taken]) == 0)
            taken++;
        row_reader_init(&r, buf_str(&w.bytes), &a);
        while (row_next(&r, &row) == 1)
            assert_same(&row, &ROWS[read++]);
        assert_int_equal(read, taken);
        assert_int_equal(w.rows, taken);
        row_writer_done(&w);
        arena_done(&a);
    }
}

static void damaged_rows_are_told_and_never_run_wild(void **state)
{
    struct row_writer w;
    struct rand rand;
    size_t refused = 0;
    row_writer_init(&w, 10000);
    rand_init(&rand, 3);
    for (size_t i = 0; i < COUNTOF(ROWS); i++)
        assert_int_equal(row_put(&w, &ROWS[i]), 0);
    for (int round = 0; round < 5000; round++) {
        struct row_reader r;
        struct arena a;
        struct row row;
        size_t n = round % 2 ? w.bytes.n : (size_t)rand_below(&rand, w.bytes.n);
        char *copy = mem_copy(w.bytes.p, n + 1);
        copy[rand_below(&rand, n + 1)] = (char)rand_u64(&rand);
        arena_init(&a);
        row_reader_init(&r, str_of(copy, n), &a);
        int got;
        while ((got = row_next(&r, &row)) == 1)
            assert_true(row.kind == ROW_METADATA || row.key.n > 0);
        refused += got == -ERR_CORRUPT;
        arena_done(&a);
        mem_free(copy);
    }
    assert_true(refused > 100);
    row_writer_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_back_as_they_were),
        cmocka_unit_test(a_full_block_stays_as_it_was),
        cmocka_unit_test(damaged_rows_are_told_and_never_run_wild),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
