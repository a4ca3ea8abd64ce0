/* What libsonde sends as metrics, taken from its socket and decoded by the daemon's reader of
 * remote write: labels, values, native histograms, exemplars and metadata are those that were
 * recorded. */
#include <math.h>

#include "client/send/stand_in.h"
#include "codec/rw_testbed.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "sonde/metric.h"

struct seen {
    struct rw_testbed *t;
    char *lines; /* "up{..} 1", "up{..} histogram 3 4.5", "exemplar ..", "metadata .." */
    size_t frames, more;
    const char *want;            /* a native histogram to keep a copy of */
    struct histogram *histogram; /* by histogram_copy() */
    int64_t ts_ms;
};

static void print_key(struct str key, struct buf *out)
{
    struct buf sorted;
    buf_init(&sorted, 1 << 16);
    assert_int_equal(labels_canonical(key, &sorted, NULL), 0);
    assert_true(str_eq(key, buf_str(&sorted))); /* sorted and in the shortest form already */
    labels_print(buf_str(&sorted), out);
    buf_done(&sorted);
}

static void take_rows(struct seen *s, struct buf *out)
{
    struct rw_testbed *t = s->t;
    for (size_t i = 0; i < t->b.n; i++) {
        const struct histogram *h = t->b.histogram[i];
        size_t from = out->n;
        print_key(t->b.key[i], out);
        assert_true(s->ts_ms == 0 || s->ts_ms == t->b.ts_ms[i]); /* one instant */
        s->ts_ms = t->b.ts_ms[i];
        if (!h) {
            buf_printf(out, " %.17g\n", t->b.value[i]);
            continue;
        }
        struct why why = {0};
        if (histogram_check(h, &why)) {
            fail_msg("%s", why.text);
        }
        if (s->want && out->n - from >= strlen(s->want) &&
            memcmp(out->p + from, s->want, strlen(s->want)) == 0) {
            mem_free(s->histogram);
            s->histogram = histogram_copy(h);
        }
        buf_printf(out, " histogram %.17g %.17g\n", h->count, h->sum);
    }
}

static void take_sides(const struct sides *s, struct buf *out)
{
    assert_int_equal(s->bad_n, 0);
    for (size_t i = 0; i < s->exemplars_n; i++) {
        buf_put_str(out, STR("exemplar "));
        labels_print(s->exemplars[i].key, out);
        labels_print(s->exemplars[i].labels, out);
        buf_printf(out, " %.17g\n", s->exemplars[i].value);
    }
    for (size_t i = 0; i < s->metadata_n; i++) {
        buf_printf(out, "metadata %.*s %s %.*s|%.*s\n", (int)s->metadata[i].metric.n,
                   s->metadata[i].metric.p, metric_type_text(s->metadata[i].type),
                   (int)s->metadata[i].help.n, s->metadata[i].help.p, (int)s->metadata[i].unit.n,
                   s->metadata[i].unit.p);
    }
}

static void take_frame(struct seen *s, const struct stand_in_frame *f, struct buf *out)
{
    struct rw_testbed *t = s->t;
    int got;
    uint8_t *copy = rw_testbed_copy(str_of(f->payload, f->header.length));
    rw1_begin(&t->r1, str_of((const char *)copy, f->header.length));
    while ((got = rw1_next(&t->r1, &t->b, &t->s, &t->why)) > 0) {
        take_rows(s, out);
        take_sides(&t->s, out);
    }
    if (got < 0) {
        fail_msg("%s", t->why.text);
    }
    mem_free(copy);
    s->frames++;
    s->more += (f->header.flags & FRAME_MORE) != 0;
}

/* The next whole snapshot. */
static void take_snapshot(struct stand_in *s, struct seen *seen)
{
    struct stand_in_frame f = {.payload = NULL};
    struct buf out;
    buf_init(&out, 1 << 26);
    free(seen->lines);
    seen->frames = seen->more = 0;
    seen->ts_ms = 0;
    for (bool more = true; more;) {
        assert_true(stand_in_read(s, &f));
        if (f.header.kind == FRAME_METRICS) {
            take_frame(seen, &f, &out);
            more = f.header.flags & FRAME_MORE;
            if (f.header.flags & FRAME_ACK_WANTED) {
                stand_in_say(s, FRAME_ACK, 0, f.header.sequence, "");
            }
        }
    }
    buf_put_c(&out, 0);
    seen->lines = strdup(out.p);
    assert_non_null(seen->lines);
    buf_done(&out);
    free(f.payload);
}

static void assert_line(const struct seen *s, const char *line)
{
    if (!strstr(s->lines, line)) {
        fail_msg("%s is missing in\n%.3000s", line, s->lines);
    }
}

static void begin(struct stand_in *s, struct seen *seen, const char *setting)
{
    struct stand_in_frame f = {.payload = NULL};
    *seen = (struct seen){.t = rw_testbed_new()};
    stand_in_init(s);
    stand_in_listen(s);
    stand_in_start(s, setting);
    stand_in_welcome(s, &f);
    free(f.payload);
}

static void end(struct stand_in *s, struct seen *seen)
{
    stand_in_close(s);
    (void)sonde_shutdown(200); /* SONDE_ERROR_TIMEOUT: nobody takes the last ones */
    stand_in_done(s);
    free(seen->lines);
    mem_free(seen->histogram);
    rw_testbed_free(seen->t);
}

static void what_was_counted_arrives_with_job_and_instance(void **state)
{
    struct stand_in s;
    struct seen seen;
    begin(&s, &seen, "instance=one");
    const char *names[] = {"job", "zone", NULL}, *values[] = {"night", "x\"y\n"};
    sonde_context context = {.trace_id = {0xab}, .span_id = {0xcd}, .flags = SONDE_CONTEXT_SAMPLED};
    sonde_family *f = sonde_counter_family("runs", "Runs.", names);
    sonde_counter_add_in(sonde_counter_with(f, values), 2.5, &context);
    const char *none[] = {"", ""};
    sonde_counter_add(sonde_counter_with(f, none), 1);
    sonde_gauge_set(sonde_gauge_get("room_celsius", "Warmth.", NULL), -3);
    const double bounds[] = {1, 2.5};
    sonde_histogram_options o = SONDE_HISTOGRAM_OPTIONS_INIT;
    o.bounds = bounds;
    o.bounds_n = 2;
    sonde_histogram *h = sonde_histogram_get("took_seconds", NULL, NULL, &o);
    sonde_histogram_observe(h, 0.5);
    sonde_histogram_observe(h, 2);
    sonde_histogram_observe(h, 9);
    sonde_summary_observe(sonde_summary_get("wait", NULL, NULL, NULL), 4);
    take_snapshot(&s, &seen);
    while (!strstr(seen.lines, "wait_count")) { /* one that began before all was there */
        take_snapshot(&s, &seen);
    }
    assert_line(&seen, "runs_total{exported_job=\"night\", instance=\"one\", job=\"shop\", "
                       "zone=\"x\\\"y\\n\"} 2.5\n");
    assert_line(&seen, "runs_total{instance=\"one\", job=\"shop\"} 1\n");
    assert_line(&seen, "room_celsius{instance=\"one\", job=\"shop\"} -3\n");
    assert_line(&seen, "took_seconds_bucket{instance=\"one\", job=\"shop\", le=\"1.0\"} 1\n");
    assert_line(&seen, "took_seconds_bucket{instance=\"one\", job=\"shop\", le=\"2.5\"} 2\n");
    assert_line(&seen, "took_seconds_bucket{instance=\"one\", job=\"shop\", le=\"+Inf\"} 3\n");
    assert_line(&seen, "took_seconds_sum{instance=\"one\", job=\"shop\"} 11.5\n");
    assert_line(&seen, "wait{instance=\"one\", job=\"shop\", quantile=\"0.5\"} ");
    assert_line(&seen, "process_threads{instance=\"one\", job=\"shop\"} ");
    end(&s, &seen);
}

static void exemplars_and_metadata_come_once(void **state)
{
    struct stand_in s;
    struct seen seen;
    begin(&s, &seen, "instance=one");
    sonde_context context = {.trace_id = {0xab}, .span_id = {0xcd}, .flags = SONDE_CONTEXT_SAMPLED};
    sonde_counter *c = sonde_counter_get("kept_seconds_total", "Kept.", NULL);
    sonde_counter_add_in(c, 2.5, &context);
    unsigned exemplars = 0, metadata = 0;
    for (int i = 0; i < 6; i++) {
        take_snapshot(&s, &seen);
        exemplars +=
            strstr(seen.lines, "exemplar kept_seconds_total{instance=\"one\", "
                               "job=\"shop\"}{span_id=\"cd00000000000000\", "
                               "trace_id=\"ab000000000000000000000000000000\"} 2.5\n") != NULL;
        metadata +=
            strstr(seen.lines, "metadata kept_seconds_total counter Kept.|seconds\n") != NULL;
    }
    assert_int_equal(exemplars, 1);
    assert_in_range(metadata, 1, 2); /* with all others, and as something new */
    end(&s, &seen);
}

static void a_native_histogram_is_that_of_plain_counting(void **state)
{
    struct stand_in s;
    struct seen seen;
    uint64_t plain[800] = {0}, n = 0;
    double sum = 0;
    begin(&s, &seen, NULL);
    sonde_histogram_options o = SONDE_HISTOGRAM_OPTIONS_INIT;
    o.native = true;
    sonde_histogram *h = sonde_histogram_get("native_seconds", NULL, NULL, &o);
    srand48(5);
    for (; n < 3000; n++) {
        double v = n % 50 ? exp(drand48() * 12 - 6) : 0;
        sonde_histogram_observe(h, v);
        sum += v;
        plain[v > 0 ? (long)ceil(log2(v) * 8) + 400 : 0]++; /* nothing lies on a bound */
    }
    seen.want = "native_seconds{";
    do {
        take_snapshot(&s, &seen);
    } while (!seen.histogram || seen.histogram->count < (double)n);
    const struct histogram *got = seen.histogram;
    assert_int_equal(got->schema, 3);
    assert_true(got->zero_count == (double)plain[0] && got->count == (double)n);
    assert_true(fabs(got->sum - sum) < 1e-6 * sum);
    assert_int_equal(got->negative_n, 0);
    long index = 0;
    size_t at = 0;
    plain[0] = 0;
    for (size_t i = 0; i < got->positive_spans_n; i++) {
        index += got->positive_spans[i].offset;
        for (uint32_t k = 0; k < got->positive_spans[i].length; k++, index++, at++) {
            assert_true(got->positive[at] == (double)plain[index + 400]);
            plain[index + 400] = 0;
        }
    }
    for (size_t i = 0; i < 800; i++) {
        assert_int_equal(plain[i], 0); /* none is left out */
    }
    end(&s, &seen);
}

static void many_series_come_in_several_frames(void **state)
{
    struct stand_in s;
    struct seen seen;
    begin(&s, &seen, "metric.series_max=20000");
    const char *names[] = {"number", NULL};
    sonde_family *f = sonde_gauge_family("many", "Many.", names);
    for (int i = 0; i < 12000; i++) {
        char number[16];
        const char *values[] = {number};
        snprintf(number, sizeof number, "%d", i);
        sonde_gauge_set(sonde_gauge_with(f, values), i);
    }
    take_snapshot(&s, &seen);
    while (!strstr(seen.lines, "number=\"11999\"")) {
        take_snapshot(&s, &seen);
    }
    assert_true(seen.frames >= 2);
    assert_int_equal(seen.more, seen.frames - 1);
    size_t lines = 0;
    for (const char *at = seen.lines; (at = strstr(at, "\nmany{")) != NULL; at++) {
        lines++;
    }
    assert_int_equal(lines, 12000);
    end(&s, &seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_counted_arrives_with_job_and_instance),
        cmocka_unit_test(exemplars_and_metadata_come_once),
        cmocka_unit_test(a_native_histogram_is_that_of_plain_counting),
        cmocka_unit_test(many_series_come_in_several_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
