#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "codec/metric_family.h"
#include "codec/wire.h"

enum { ROOM = 1 << 20, DOUBLES_MAX = 32, SPANS_MAX = 8, LABELS_READ_MAX = 8 };

/* ---- a reader of what was written: messages as the field numbers of metrics.proto have them */

struct read_histogram {
    double sum, count, zero_threshold, zero_count;
    int64_t schema;
    double positive[DOUBLES_MAX], negative[DOUBLES_MAX], bound[DOUBLES_MAX], total[DOUBLES_MAX];
    struct histogram_span positive_spans[SPANS_MAX], negative_spans[SPANS_MAX];
    size_t positive_n, negative_n, positive_spans_n, negative_spans_n, buckets_n;
};

struct read_metric {
    struct label labels[LABELS_READ_MAX];
    size_t labels_n;
    bool untyped, has_histogram;
    double value;
    int64_t ts_ms;
    struct read_histogram h;
};

struct read_family {
    struct str name;
    uint64_t type;
    struct read_metric metrics[4];
    size_t metrics_n;
};

static struct str bytes_of(const struct wire_field *f)
{
    return str_of((const char *)f->p, f->n);
}

#define EACH(field, p, n)                                                                          \
    const uint8_t *at_ = (p), *end_ = (p) + (n);                                                   \
    for (struct wire_field field; at_ < end_;)                                                     \
        if ((at_ = wire_next(at_, end_, &field)) == NULL)                                          \
            fail_msg("a malformed field");                                                         \
        else

static void read_span(const struct wire_field *in, struct histogram_span *ret)
{
    *ret = (struct histogram_span){0};
    EACH(f, in->p, in->n)
    {
        if (f.number == 1)
            ret->offset = (int32_t)unzigzag(f.v);
        else if (f.number == 2)
            ret->length = (uint32_t)f.v;
    }
}

static void read_bucket(const struct wire_field *in, struct read_histogram *h)
{
    EACH(f, in->p, in->n)
    {
        if (f.number == 2)
            h->bound[h->buckets_n] = bits_double(f.v);
        else if (f.number == 4)
            h->total[h->buckets_n] = bits_double(f.v);
    }
    h->buckets_n++;
}

static void read_histogram(const struct wire_field *in, struct read_histogram *h)
{
    EACH(f, in->p, in->n)
    {
        switch (f.number) {
        case 2:
            h->sum = bits_double(f.v);
            break;
        case 3:
            read_bucket(&f, h);
            break;
        case 4:
            h->count = bits_double(f.v);
            break;
        case 5:
            h->schema = unzigzag(f.v);
            break;
        case 6:
            h->zero_threshold = bits_double(f.v);
            break;
        case 8:
            h->zero_count = bits_double(f.v);
            break;
        case 9:
            read_span(&f, &h->negative_spans[h->negative_spans_n++]);
            break;
        case 11:
            h->negative[h->negative_n++] = bits_double(f.v);
            break;
        case 12:
            read_span(&f, &h->positive_spans[h->positive_spans_n++]);
            break;
        case 14:
            h->positive[h->positive_n++] = bits_double(f.v);
            break;
        default:
            fail_msg("field %u of a histogram", (unsigned)f.number);
        }
    }
}

static void read_label(const struct wire_field *in, struct label *ret)
{
    EACH(f, in->p, in->n)
    {
        *(f.number == 1 ? &ret->name : &ret->value) = bytes_of(&f);
    }
}

static double read_value(const struct wire_field *in)
{
    double value = 0;
    EACH(f, in->p, in->n)
    {
        value = bits_double(f.v);
    }
    return value;
}

static void read_metric(const struct wire_field *in, struct read_metric *m)
{
    *m = (struct read_metric){0};
    EACH(f, in->p, in->n)
    {
        if (f.number == 1) {
            read_label(&f, &m->labels[m->labels_n++]);
        } else if (f.number == 5) {
            m->untyped = true;
            m->value = read_value(&f);
        } else if (f.number == 6) {
            m->ts_ms = (int64_t)f.v;
        } else if (f.number == 7) {
            m->has_histogram = true;
            read_histogram(&f, &m->h);
        }
    }
}

/* The family at *at, which moves behind it. */
static void read_family(struct str all, size_t *at, struct read_family *ret)
{
    const uint8_t *p = (const uint8_t *)all.p + *at, *end = (const uint8_t *)all.p + all.n;
    uint64_t n = 0;
    *ret = (struct read_family){0};
    p = varint_get(p, end, &n);
    assert_non_null(p);
    assert_true(n <= (uint64_t)(end - p));
    EACH(f, p, n)
    {
        if (f.number == 1)
            ret->name = bytes_of(&f);
        else if (f.number == 3)
            ret->type = f.v;
        else if (f.number == 4)
            read_metric(&f, &ret->metrics[ret->metrics_n++]);
    }
    *at = (size_t)(p + n - (const uint8_t *)all.p);
}

/* ---- tests */

static struct str key_of(struct buf *b, const char *metric, const char *name, const char *value)
{
    buf_clear(b);
    labels_put(b, LABEL_METRIC, str_c(metric));
    labels_put(b, str_c(name), str_c(value));
    labels_put(b, STR("instance"), STR(""));
    return buf_str(b);
}

static void floats_come_back_with_labels_and_times(void **state)
{
    struct buf out, key;
    struct metric_family_writer w;
    struct read_family f;
    size_t at = 0;
    (void)state;
    buf_init(&out, ROOM);
    buf_init(&key, ROOM);
    metric_family_init(&w, &out);
    metric_family_begin(&w, STR("up"), METRIC_FAMILY_UNTYPED);
    metric_family_untyped(&w, key_of(&key, "up", "job", "a"), -0.0, 1600096945479);
    metric_family_untyped(&w, key_of(&key, "up", "job", "b"), NAN, -1500);
    metric_family_begin(&w, STR("other"), METRIC_FAMILY_UNTYPED);
    metric_family_untyped(&w,
                          key_of(&key, "other", "x",
                                 "Gr\xc3\xbc\xc3\x9f"
                                 "e"),
                          1e300, 0);
    metric_family_done(&w);
    read_family(buf_str(&out), &at, &f);
    assert_true(str_eq(f.name, STR("up")));
    assert_int_equal(f.type, 3);
    assert_int_equal(f.metrics_n, 2);
    assert_int_equal(f.metrics[0].labels_n, 2);
    assert_true(str_eq(f.metrics[0].labels[0].name, STR("job")));
    assert_true(str_eq(f.metrics[0].labels[0].value, STR("a")));
    assert_true(str_eq(f.metrics[0].labels[1].name, STR("instance")));
    assert_int_equal(f.metrics[0].labels[1].value.n, 0);
    assert_true(f.metrics[0].untyped && !f.metrics[0].has_histogram);
    assert_int_equal(double_bits(f.metrics[0].value), double_bits(-0.0));
    assert_int_equal(f.metrics[0].ts_ms, 1600096945479);
    assert_true(isnan(f.metrics[1].value));
    assert_int_equal(f.metrics[1].ts_ms, -1500);
    read_family(buf_str(&out), &at, &f);
    assert_true(str_eq(f.name, STR("other")));
    assert_true(f.metrics[0].value == 1e300);
    assert_int_equal(at, out.n);
    buf_done(&key);
    buf_done(&out);
}

/* One histogram there and back; what was read lies in out. */
static void write_and_read(const struct histogram *h, enum metric_family_type type, struct buf *out,
                           struct read_family *ret)
{
    struct buf key;
    struct metric_family_writer w;
    size_t at = 0;
    buf_init(out, ROOM);
    buf_init(&key, ROOM);
    metric_family_init(&w, out);
    metric_family_begin(&w, STR("h"), type);
    metric_family_histogram(&w, key_of(&key, "h", "job", "a"), h, 1000);
    metric_family_done(&w);
    read_family(buf_str(out), &at, ret);
    buf_done(&key);
}

static void a_histogram_comes_back_whole(void **state)
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
    struct buf out;
    struct read_family f;
    (void)state;
    write_and_read(&h, METRIC_FAMILY_GAUGE_HISTOGRAM, &out, &f);
    const struct read_histogram *got = &f.metrics[0].h;
    assert_int_equal(f.type, 5);
    assert_true(f.metrics[0].has_histogram && !f.metrics[0].untyped);
    assert_int_equal(got->schema, -2);
    assert_true(got->sum == -7.25 && got->count == 15.5);
    assert_true(got->zero_threshold == 0.001 && got->zero_count == 5);
    assert_int_equal(got->positive_spans_n, 2);
    assert_memory_equal(got->positive_spans, POSITIVE, sizeof POSITIVE);
    assert_int_equal(got->negative_spans_n, 1);
    assert_memory_equal(got->negative_spans, NEGATIVE, sizeof NEGATIVE);
    assert_int_equal(got->positive_n, 3);
    assert_memory_equal(got->positive, COUNTS, sizeof COUNTS);
    assert_int_equal(got->negative_n, 1);
    assert_true(got->negative[0] == 4);
    assert_int_equal(got->buckets_n, 0);
    buf_done(&out);
}

static void custom_bounds_become_classic_buckets(void **state)
{
    static const struct histogram_span SPANS[] = {{0, 1}, {1, 1}};
    static const double COUNTS[] = {2, 3}, BOUNDS[] = {0.5, 1};
    const struct histogram h = {.schema = HISTOGRAM_SCHEMA_CUSTOM,
                                .count = 5,
                                .sum = 9,
                                .positive_spans = SPANS,
                                .positive_spans_n = 2,
                                .positive = COUNTS,
                                .positive_n = 2,
                                .custom_bounds = BOUNDS,
                                .custom_n = 2};
    struct buf out;
    struct read_family f;
    (void)state;
    write_and_read(&h, METRIC_FAMILY_HISTOGRAM, &out, &f);
    const struct read_histogram *got = &f.metrics[0].h;
    assert_int_equal(got->buckets_n, 3);
    assert_true(got->bound[0] == 0.5 && got->total[0] == 2);
    assert_true(got->bound[1] == 1 && got->total[1] == 2);
    assert_true(isinf(got->bound[2]) && got->total[2] == 5);
    assert_int_equal(got->positive_n, 0);
    buf_done(&out);
}

static void clients_take_it_as_their_accept_header_says(void **state)
{
    static const struct {
        const char *accept;
        double weight;
        enum name_escape escape;
    } CASES[] = {
        {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
         "encoding=delimited;escaping=allow-utf-8;q=0.7,text/plain;q=0.3",
         0.7, NAME_ESCAPE_NONE},
        {"application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
         "encoding=delimited",
         1, NAME_ESCAPE_UNDERSCORES},
        {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text", 0,
         NAME_ESCAPE_UNDERSCORES},
        {"application/vnd.google.protobuf;encoding=delimited", 0, NAME_ESCAPE_UNDERSCORES},
        {"text/plain", 0, NAME_ESCAPE_UNDERSCORES},
        {"", 0, NAME_ESCAPE_UNDERSCORES},
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        enum name_escape escape = NAME_ESCAPE_UNDERSCORES;
        assert_true(metric_family_weight(str_c(CASES[i].accept), &escape) == CASES[i].weight);
        assert_int_equal(escape, CASES[i].escape);
    }
}

static void a_message_that_does_not_fit_is_noticed(void **state)
{
    struct buf out, key;
    struct metric_family_writer w;
    (void)state;
    buf_init(&out, 64);
    buf_init(&key, ROOM);
    metric_family_init(&w, &out);
    metric_family_begin(&w, STR("up"), METRIC_FAMILY_UNTYPED);
    for (int i = 0; i < 10; i++)
        metric_family_untyped(&w, key_of(&key, "up", "job", "a"), i, 0);
    metric_family_done(&w);
    assert_true(buf_failed(&out));
    buf_done(&key);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats_come_back_with_labels_and_times),
        cmocka_unit_test(a_histogram_comes_back_whole),
        cmocka_unit_test(custom_bounds_become_classic_buckets),
        cmocka_unit_test(clients_take_it_as_their_accept_header_says),
        cmocka_unit_test(a_message_that_does_not_fit_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
