/* The text that libsonde writes, read and checked by the daemon's own reader of expositions. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "codec/exposition.h"
#include "sonde/metric.h"

static int start(void **state)
{
    static char spool[] = "/tmp/sonde-metric-peer-XXXXXX";
    static bool made;
    if (!made && !mkdtemp(spool)) {
        return -1;
    }
    made = true;
    setenv("SONDE_SOCKET", "", 1);
    setenv("SONDE_SPOOL_DIR", spool, 1);
    sonde_options o = SONDE_OPTIONS_INIT;
    o.service = "shop";
    return sonde_init(&o);
}

static int end(void **state)
{
    return sonde_shutdown(1000);
}

/* Some of everything, with odd values. */
static void fill(void)
{
    const char *names[] = {"path", "code", NULL};
    sonde_context context = {.trace_id = {1}, .span_id = {2}, .flags = SONDE_CONTEXT_SAMPLED};
    sonde_family *f = sonde_counter_family("requests_total", "Requests \"served\"\nand \\.", names);
    const char *values[] = {"/a\"b\\c\nd\xff", "200"}, *empty[] = {"", "500"};
    sonde_counter_add_in(sonde_counter_with(f, values), 3.5, &context);
    sonde_counter_add(sonde_counter_with(f, empty), 1e21);
    sonde_gauge_set(sonde_gauge_get("level_celsius", "Level.", NULL), -0.1);
    sonde_gauge_set(sonde_gauge_get("not_a_number", NULL, NULL), (double)NAN);
    sonde_gauge_set(sonde_gauge_get("endless", NULL, NULL), -(double)INFINITY);
    sonde_histogram_options native = SONDE_HISTOGRAM_OPTIONS_INIT;
    native.native = true;
    const sonde_label l[] = {{"zone", "x"}, {NULL, NULL}};
    sonde_histogram *c = sonde_histogram_get("took_seconds", "Took.", l, NULL);
    sonde_histogram *n = sonde_histogram_get("size_bytes", "Size.", l, &native);
    sonde_summary *s = sonde_summary_get("wait_seconds", "Wait.", l, NULL);
    sonde_summary_get("idle_seconds", "Nothing yet.", NULL, NULL);
    for (int i = 0; i < 1000; i++) {
        sonde_histogram_observe_in(c, i / 50.0, &context);
        sonde_histogram_observe(n, i * i * 10.0);
        sonde_summary_observe(s, i);
    }
}

/* The one value of a series, by its labels as they are printed. */
static double value_of(struct str text, enum exposition_format format, const char *series)
{
    struct exposition_reader *r = mem_new(sizeof *r);
    struct batch *b = mem_new(sizeof *b);
    struct sides *s = mem_new(sizeof *s);
    double found = -12345;
    size_t times = 0;
    exposition_init(r);
    exposition_begin(r, text, format, 7);
    while (exposition_next(r, b, s) > 0) {
        assert_int_equal(s->bad_n, 0);
        for (size_t i = 0; i < b->n; i++) {
            struct buf sorted, printed;
            buf_init(&sorted, 1 << 16);
            buf_init(&printed, 1 << 16);
            assert_int_equal(labels_canonical(b->key[i], &sorted, NULL), 0);
            labels_print(buf_str(&sorted), &printed);
            if (str_eq(buf_str(&printed), str_c(series))) {
                found = b->value[i];
                times++;
            }
            buf_done(&printed);
            buf_done(&sorted);
        }
    }
    exposition_done(r);
    mem_free(s);
    mem_free(b);
    mem_free(r);
    if (times != 1) {
        print_error("%s is there %zu times\n", series, times);
    }
    assert_int_equal(times, 1);
    return found;
}

static struct str text_in(int format, char **ret_room)
{
    *ret_room = sonde_metrics_new_text(format);
    assert_non_null(*ret_room);
    return str_c(*ret_room);
}

static void both_formats_are_what_their_specifications_ask_for(void **state)
{
    static const struct {
        int ours;
        enum exposition_format theirs;
    } formats[] = {{SONDE_METRICS_TEXT, EXPOSITION_TEXT},
                   {SONDE_METRICS_OPENMETRICS, EXPOSITION_OPENMETRICS}};
    fill();
    for (size_t i = 0; i < 2; i++) {
        char *room;
        struct why why = {0};
        struct str t = text_in(formats[i].ours, &room);
        int err = exposition_check(t, formats[i].theirs, &why);
        if (err) {
            print_error("%s\n%s\n", why.text, room);
        }
        assert_int_equal(err, 0);
        free(room);
    }
}

static void the_reader_finds_the_values_that_were_counted(void **state)
{
    fill();
    fill(); /* twice */
    for (int format = 0; format < 2; format++) {
        enum exposition_format f = format ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT;
        char *room;
        struct str t = text_in(format, &room);
        assert_true(
            value_of(t, f, "requests_total{code=\"200\", path=\"/a\\\"b\\\\c\\nd\xef\xbf\xbd\"}") ==
            7);
        assert_true(value_of(t, f, "level_celsius") == -0.1);
        assert_true(isnan(value_of(t, f, "not_a_number")));
        assert_true(isinf(value_of(t, f, "endless")));
        assert_true(value_of(t, f, "took_seconds_bucket{le=\"0.1\", zone=\"x\"}") == 12);
        assert_true(value_of(t, f, "took_seconds_bucket{le=\"+Inf\", zone=\"x\"}") == 2000);
        assert_true(value_of(t, f, "took_seconds_count{zone=\"x\"}") == 2000);
        assert_true(value_of(t, f, "size_bytes_bucket{le=\"1024.0\", zone=\"x\"}") == 22);
        assert_true(value_of(t, f, "size_bytes_count{zone=\"x\"}") == 2000);
        assert_true(value_of(t, f, "wait_seconds_count{zone=\"x\"}") == 2000);
        assert_true(isnan(value_of(t, f, "idle_seconds{quantile=\"0.5\"}")));
        double q = value_of(t, f, "wait_seconds{quantile=\"0.5\", zone=\"x\"}");
        assert_true(q > 450 && q < 550);
        free(room);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(both_formats_are_what_their_specifications_ask_for, start,
                                        end),
        cmocka_unit_test_setup_teardown(the_reader_finds_the_values_that_were_counted, start, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
