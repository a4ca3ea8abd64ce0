/* What is written is read again by our own readers, and is what the specifications say. */
#include "codec/rw_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/rw_testbed.h"
#include "model/sample.h"

static struct rw_writer writer;
static struct rw_testbed *bed;
static struct buf key_a, key_b, labels;

static int open_all(void **state)
{
    rw_write_init(&writer);
    bed = rw_testbed_new();
    buf_init(&key_a, 1000);
    buf_init(&key_b, 1000);
    buf_init(&labels, 1000);
    labels_put(&key_a, LABEL_METRIC, STR("a_total"));
    labels_put(&key_a, STR("Zone"), STR("x")); /* upper case sorts before __name__ */
    labels_put(&key_a, STR("job"), STR("y"));
    labels_put(&key_b, LABEL_METRIC, STR("b"));
    labels_put(&labels, STR("trace_id"), STR("7"));
    return 0;
}

static uint8_t *copy; /* what bed->b and bed->s point to */

static int close_all(void **state)
{
    mem_free(copy);
    rw_write_done(&writer);
    rw_testbed_free(bed);
    buf_done(&key_a);
    buf_done(&key_b);
    buf_done(&labels);
    return 0;
}

static const struct histogram_span SPANS[] = {{-2, 2}, {1, 1}};
static const double COUNTS[] = {1, 5, 2};
static const struct histogram WHOLE = {.schema = 1,
                                       .zero_threshold = 0.001,
                                       .zero_count = 4,
                                       .count = 12,
                                       .sum = -3.5,
                                       .reset = HISTOGRAM_RESET_NO,
                                       .positive_spans = SPANS,
                                       .positive_spans_n = 2,
                                       .positive = COUNTS,
                                       .positive_n = 3};
static const double BOUNDS[] = {0.5, 1};
static const struct histogram_span CUSTOM_SPANS[] = {{0, 3}};
static const struct histogram CUSTOM = {.schema = HISTOGRAM_SCHEMA_CUSTOM,
                                        .is_float = true,
                                        .count = 8,
                                        .sum = 1,
                                        .positive_spans = CUSTOM_SPANS,
                                        .positive_spans_n = 1,
                                        .positive = COUNTS,
                                        .positive_n = 3,
                                        .custom_bounds = BOUNDS,
                                        .custom_n = 2};

enum { ROWS = 6 };

static void make_rows(struct rw_write_row rows[ROWS], struct rw_write_exemplar *e,
                      const struct metadata *m)
{
    memset(rows, 0, ROWS * sizeof *rows);
    *e = (struct rw_write_exemplar){
        .exemplar = {.labels = buf_str(&labels), .ts_ms = 1001, .value = 0.25}};
    rows[0] = (struct rw_write_row){.key = buf_str(&key_a),
                                    .ts_ms = 1000,
                                    .value = 1.5,
                                    .start_ms = 500,
                                    .exemplars = e,
                                    .metadata = m};
    rows[1] = (struct rw_write_row){.key = buf_str(&key_b), .ts_ms = -7, .value = sample_stale()};
    rows[2] = (struct rw_write_row){
        .key = buf_str(&key_b), .ts_ms = 2000, .histogram = &WHOLE, .start_ms = 9};
    rows[3] = (struct rw_write_row){.key = buf_str(&key_b), .ts_ms = 3000, .histogram = &CUSTOM};
    rows[4] = (struct rw_write_row){.key = buf_str(&key_a), .exemplars = e, .bare = true};
    rows[5] = (struct rw_write_row){.key = buf_str(&key_a), .ts_ms = 4000, .value = 0};
}

static void assert_canonical(struct str have, struct str want)
{
    struct buf a, b;
    buf_init(&a, 1000);
    buf_init(&b, 1000);
    assert_int_equal(labels_canonical_bare(have, &a, NULL), 0);
    assert_int_equal(labels_canonical_bare(want, &b, NULL), 0);
    assert_true(str_eq(buf_str(&a), buf_str(&b)));
    buf_done(&a);
    buf_done(&b);
}

/* All rows of the request in one batch. */
static void read_back(int version, struct buf *request, size_t want)
{
    mem_free(copy);
    copy = rw_testbed_copy(buf_str(request));
    struct str bytes = {(const char *)copy, request->n};
    int got;
    if (version == 1) {
        rw1_begin(&bed->r1, bytes);
        got = rw1_next(&bed->r1, &bed->b, &bed->s, &bed->why);
    } else {
        assert_int_equal(rw2_begin(&bed->r2, bytes, &bed->why), 0);
        got = rw2_next(&bed->r2, &bed->b, &bed->s, &bed->why);
    }
    assert_int_equal(got, 1);
    assert_int_equal(bed->b.n, want);
    assert_int_equal(bed->s.bad_n, 0);
    const struct batch *b = &bed->b;
    assert_canonical(b->key[0], buf_str(&key_a));
    assert_canonical(b->key[1], buf_str(&key_b));
    assert_int_equal(b->ts_ms[0], 1000);
    assert_int_equal(b->ts_ms[1], -7);
    assert_true(b->value[0] == 1.5);
    assert_true(sample_is_stale(b->value[1]));
    assert_true(histogram_same(b->histogram[2], &WHOLE));
    assert_true(histogram_same(b->histogram[3], &CUSTOM));
    assert_int_equal(b->ts_ms[4], 4000);
    assert_int_equal(b->start_ms[0], version == 2 ? 500 : 0);
    assert_int_equal(b->start_ms[2], version == 2 ? 9 : 0);
    assert_canonical(bed->s.exemplars[0].labels, buf_str(&labels));
    assert_int_equal(bed->s.exemplars[0].ts_ms, 1001);
    assert_true(bed->s.exemplars[0].value == 0.25);
}

static void version_1_comes_back_as_it_was(void **state)
{
    struct rw_write_row rows[ROWS];
    struct rw_write_exemplar e;
    struct buf out;
    buf_init(&out, 1 << 20);
    make_rows(rows, &e, NULL);
    rw_write_v1(&writer, rows, ROWS, &out);
    read_back(1, &out, 5);
    assert_int_equal(bed->s.exemplars_n, 2); /* that of the bare row too */
    buf_done(&out);
}

static void version_2_comes_back_with_starts_and_metadata(void **state)
{
    static const struct metadata m = {
        .metric = {"a", 1}, .type = METRIC_COUNTER, .help = {"Helps.", 6}, .unit = {"s", 1}};
    struct rw_write_row rows[ROWS];
    struct rw_write_exemplar e;
    struct buf out;
    buf_init(&out, 1 << 20);
    make_rows(rows, &e, &m);
    for (int i = 0; i < 2; i++) { /* symbols of one request are not those of the next */
        buf_clear(&out);
        rw_write_v2(&writer, rows, ROWS, &out);
        read_back(2, &out, 5);
        assert_int_equal(bed->s.exemplars_n, 1);
        assert_int_equal(bed->s.metadata_n, 1);
        assert_int_equal(bed->s.metadata[0].type, METRIC_COUNTER);
        assert_true(str_eq(bed->s.metadata[0].help, STR("Helps.")));
        assert_true(str_eq(bed->s.metadata[0].unit, STR("s")));
    }
    buf_done(&out);
}

static void labels_are_sorted_by_their_bytes(void **state)
{
    struct rw_write_row row = {.key = buf_str(&key_a), .ts_ms = 1, .value = 1};
    struct buf out, want;
    buf_init(&out, 1 << 20);
    buf_init(&want, 1000);
    rw_write_v1(&writer, &row, 1, &out);
    labels_put(&want, STR("Zone"), STR("x"));
    labels_put(&want, LABEL_METRIC, STR("a_total"));
    labels_put(&want, STR("job"), STR("y"));
    assert_true(str_search(buf_str(&out), buf_str(&want)) < out.n);
    buf_done(&out);
    buf_done(&want);
}

static void metadata_of_version_1_comes_back(void **state)
{
    static const struct metadata m[] = {
        {.metric = {"a", 1}, .type = METRIC_STATESET, .help = {"h", 1}, .unit = {"u", 1}},
        {.metric = {"b", 1}, .type = METRIC_GAUGE}};
    struct buf out;
    buf_init(&out, 1 << 20);
    rw_write_v1_metadata(&writer, m, 2, &out);
    mem_free(copy);
    copy = rw_testbed_copy(buf_str(&out));
    rw1_begin(&bed->r1, str_of((const char *)copy, out.n));
    assert_int_equal(rw1_next(&bed->r1, &bed->b, &bed->s, &bed->why), 1);
    assert_int_equal(bed->s.metadata_n, 2);
    assert_int_equal(bed->s.metadata[0].type, METRIC_STATESET);
    assert_true(str_eq(bed->s.metadata[0].unit, STR("u")));
    assert_true(str_eq(bed->s.metadata[1].metric, STR("b")));
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_1_comes_back_as_it_was),
        cmocka_unit_test(version_2_comes_back_with_starts_and_metadata),
        cmocka_unit_test(labels_are_sorted_by_their_bytes),
        cmocka_unit_test(metadata_of_version_1_comes_back),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
