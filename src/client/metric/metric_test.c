#include "sonde/metric.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/core/lost.h"
#include "client/metric/exemplar.h"
#include "client/metric/export.h"
#include "client/metric/family.h"
#include "client/metric/object_writer.h"
#include "client/metric/registry.h"

/* Started without a daemon, and with a spool of its own. */
static int start_with(const char *extra)
{
    static char spool[] = "/tmp/sonde-metric-test-XXXXXX";
    static bool made;
    if (!made) {
        made = mkdtemp(spool) != NULL;
        setenv("SONDE_SOCKET", "", 1);
        setenv("SONDE_SPOOL_DIR", spool, 1);
    }
    const char *settings[] = {extra, NULL};
    sonde_options o = SONDE_OPTIONS_INIT;
    o.service = "shop";
    o.instance = "one";
    o.settings = settings;
    return sonde_init(&o);
}

static int start(void **state)
{
    return start_with(NULL);
}

static int end(void **state)
{
    sonde_shutdown(1000);
    return 0;
}

static char *text(int format)
{
    char *t = sonde_metrics_new_text(format);
    assert_non_null(t);
    return t;
}

static void assert_has(int format, const char *line)
{
    char *t = text(format);
    if (!strstr(t, line)) {
        print_error("missing: %s\nin:\n%s\n", line, t);
    }
    assert_non_null(strstr(t, line));
    free(t);
}

static void assert_has_not(int format, const char *line)
{
    char *t = text(format);
    assert_null(strstr(t, line));
    free(t);
}

static void a_counter_counts_and_one_name_is_one_handle(void **state)
{
    sonde_counter *c = sonde_counter_get("jobs_total", "Jobs.", NULL);
    assert_non_null(c);
    assert_ptr_equal(c, sonde_counter_get("jobs_total", "Jobs.", NULL));
    assert_ptr_equal(c, sonde_counter_get("jobs", NULL, NULL));
    sonde_counter_add(c, 1);
    sonde_counter_add(c, 2.5);
    assert_true(sonde_counter_value(c) == 3.5);
    uint64_t lost = lost_count(LOST_METRIC, LOST_REFUSED);
    sonde_counter_add(c, -1);
    sonde_counter_add(c, NAN);
    assert_true(sonde_counter_value(c) == 3.5);
    assert_int_equal(lost_count(LOST_METRIC, LOST_REFUSED), lost + 2);
    assert_has(SONDE_METRICS_TEXT,
               "# HELP jobs_total Jobs.\n# TYPE jobs_total counter\njobs_total 3.5\n");
    assert_has(SONDE_METRICS_OPENMETRICS,
               "# HELP jobs Jobs.\n# TYPE jobs counter\njobs_total 3.5\n");
}

static void whole_numbers_stay_exact_to_two_to_the_53(void **state)
{
    sonde_counter *c = sonde_counter_get("exact_total", NULL, NULL);
    sonde_counter_add(c, 9007199254740000.0);
    for (unsigned i = 0; i < 992; i++) {
        sonde_counter_add(c, 1);
    }
    assert_true(sonde_counter_value(c) == 9007199254740992.0);
    assert_has(SONDE_METRICS_TEXT, "exact_total 9007199254740992\n");
}

static void labels_in_any_order_are_the_same_series(void **state)
{
    const sonde_label a[] = {{"method", "GET"}, {"code", "200"}, {NULL, NULL}};
    const sonde_label b[] = {{"code", "200"}, {"method", "GET"}, {NULL, NULL}};
    const sonde_label other[] = {{"code", "500"}, {"method", "GET"}, {NULL, NULL}};
    sonde_counter *c = sonde_counter_get("requests_total", "Requests.", a);
    assert_ptr_equal(c, sonde_counter_get("requests_total", NULL, b));
    assert_ptr_not_equal(c, sonde_counter_get("requests_total", NULL, other));
    sonde_counter_add(c, 7);
    assert_has(SONDE_METRICS_TEXT, "requests_total{method=\"GET\",code=\"200\"} 7\n");
    const char *names[] = {"method", "code", NULL};
    sonde_family *f = sonde_counter_family("requests_total", NULL, names);
    const char *values[] = {"GET", "200"};
    assert_ptr_equal(c, sonde_counter_with(f, values));
    assert_ptr_equal(c, sonde_counter_with(f, values));
}

static void what_does_not_fit_is_null_with_a_reason(void **state)
{
    sonde_counter *c = sonde_counter_get("taken_total", NULL, NULL);
    assert_non_null(c);
    const sonde_label x[] = {{"x", "1"}, {NULL, NULL}};
    assert_null(sonde_counter_get("taken_total", NULL, x));
    assert_non_null(strstr(sonde_last_problem(), "taken_total"));
    assert_null(sonde_gauge_get("taken_total", NULL, NULL));
    assert_non_null(strstr(sonde_last_problem(), "another type"));
    static const char *const names[] = {"", "1a", "a-b", "a b", "\xc3\xa4", NULL};
    for (int i = 0; names[i]; i++) {
        assert_null(sonde_gauge_get(names[i], NULL, NULL));
    }
    assert_null(sonde_gauge_get(NULL, NULL, NULL));
    assert_non_null(sonde_gauge_get("a:b_c1", NULL, NULL));
    const sonde_label bad[][3] = {{{"1", "x"}, {NULL, NULL}},
                                  {{"__x", "x"}, {NULL, NULL}},
                                  {{"a:b", "x"}, {NULL, NULL}},
                                  {{"a", "x"}, {"a", "y"}, {NULL, NULL}}};
    for (int i = 0; i < 4; i++) {
        assert_null(sonde_gauge_get("labelled", NULL, bad[i]));
    }
    const sonde_label le[] = {{"le", "x"}, {NULL, NULL}};
    const sonde_label quantile[] = {{"quantile", "x"}, {NULL, NULL}};
    assert_null(sonde_histogram_get("h1", NULL, le, NULL));
    assert_null(sonde_summary_get("s1", NULL, quantile, NULL));
    assert_null(sonde_counter_with(NULL, NULL));
    sonde_family *gauges = sonde_gauge_family("gauges", NULL, NULL);
    assert_null(sonde_counter_with(gauges, NULL));
    sonde_counter_add(NULL, 1);
    sonde_gauge_set(NULL, 1);
    sonde_histogram_observe(NULL, 1);
    sonde_summary_observe(NULL, 1);
}

static void metrics_whose_samples_would_clash_are_refused(void **state)
{
    assert_non_null(sonde_histogram_get("took", NULL, NULL, NULL));
    assert_null(sonde_gauge_get("took_count", NULL, NULL));
    assert_null(sonde_gauge_get("took_sum", NULL, NULL));
    assert_null(sonde_gauge_get("took_bucket", NULL, NULL));
    assert_non_null(sonde_gauge_get("took_else", NULL, NULL));
    assert_non_null(sonde_gauge_get("sizes_count", NULL, NULL));
    assert_null(sonde_summary_get("sizes", NULL, NULL, NULL));
    assert_non_null(sonde_counter_get("visits_total", NULL, NULL));
    assert_null(sonde_gauge_get("visits", NULL, NULL));
    assert_non_null(sonde_gauge_get("depth", NULL, NULL));
    assert_null(sonde_counter_get("depth_total", NULL, NULL));
}

static void too_many_series_count_as_other(void **state)
{
    const char *names[] = {"user", NULL};
    sonde_family *f = sonde_counter_family("logins_total", NULL, names);
    uint64_t lost = lost_count(LOST_METRIC, LOST_QUEUE_FULL);
    char user[20];
    const char *values[] = {user};
    for (int i = 0; i < 50; i++) {
        snprintf(user, sizeof user, "u%d", i);
        sonde_counter_add(sonde_counter_with(f, values), 1);
    }
    assert_int_equal(lost_count(LOST_METRIC, LOST_QUEUE_FULL), lost + 40);
    assert_has(SONDE_METRICS_TEXT, "logins_total{user=\"other\"} 40\n");
    assert_has(SONDE_METRICS_TEXT, "logins_total{user=\"u9\"} 1\n");
    assert_has_not(SONDE_METRICS_TEXT, "logins_total{user=\"u10\"}");
    assert_has(SONDE_METRICS_TEXT, "sonde_client_lost_total{category=\"metric\",reason=");
}

static int start_small(void **state)
{
    return start_with("metric.series_max=10");
}

static void a_gauge_is_set_added_to_and_read_from(void **state)
{
    sonde_gauge *g = sonde_gauge_get("queue_length", "Waiting.", NULL);
    sonde_gauge_set(g, 4);
    sonde_gauge_add(g, 2);
    sonde_gauge_add(g, -5);
    assert_true(sonde_gauge_value(g) == 1);
    sonde_metrics_reset();
    assert_true(sonde_gauge_value(g) == 1);
}

static double answer(void *user)
{
    assert_int_equal(sonde_metrics_text(0, NULL, 0, NULL), SONDE_ERROR_STATE);
    assert_null(sonde_metrics_new_text(0));
    return *(double *)user;
}

static void a_callback_is_read_at_each_export(void **state)
{
    double v = 42;
    sonde_gauge *g = sonde_gauge_get("answer", NULL, NULL);
    sonde_counter *c = sonde_counter_get("answers_total", NULL, NULL);
    assert_int_equal(sonde_gauge_read_from(g, answer, &v), 0);
    assert_int_equal(sonde_counter_read_from(c, answer, &v), 0);
    assert_has(SONDE_METRICS_TEXT, "\nanswer 42\n");
    v = 43;
    assert_has(SONDE_METRICS_TEXT, "\nanswer 43\n");
    assert_has(SONDE_METRICS_TEXT, "\nanswers_total 43\n");
    assert_int_equal(sonde_gauge_read_from(g, NULL, NULL), 0);
    assert_int_equal(sonde_counter_read_from(c, NULL, NULL), 0);
    assert_has(SONDE_METRICS_TEXT, "\nanswer 0\n");
}

static void a_classic_histogram_counts_into_its_buckets(void **state)
{
    const double bounds[] = {1, 2, 5};
    sonde_histogram_options o = SONDE_HISTOGRAM_OPTIONS_INIT;
    o.bounds = bounds;
    o.bounds_n = 3;
    sonde_histogram *h = sonde_histogram_get("size_bytes", "Sizes.", NULL, &o);
    const double values[] = {0.5, 1, 1.5, 2, 2.5, 5, 6, INFINITY, -1};
    for (size_t i = 0; i < 9; i++) {
        sonde_histogram_observe(h, values[i]);
    }
    sonde_histogram_observe(h, NAN);
    assert_int_equal(sonde_histogram_count(h), 9);
    assert_true(isinf(sonde_histogram_sum(h)));
    assert_has(SONDE_METRICS_TEXT, "# TYPE size_bytes histogram\n"
                                   "size_bytes_bucket{le=\"1.0\"} 3\n"
                                   "size_bytes_bucket{le=\"2.0\"} 5\n"
                                   "size_bytes_bucket{le=\"5.0\"} 7\n"
                                   "size_bytes_bucket{le=\"+Inf\"} 9\n"
                                   "size_bytes_sum +Inf\n"
                                   "size_bytes_count 9\n");
    assert_has(SONDE_METRICS_OPENMETRICS, "# UNIT size_bytes bytes\n");
    assert_null(sonde_histogram_get("size_bytes", NULL, NULL, NULL));
    const double bad[] = {1, 1};
    o.bounds = bad;
    o.bounds_n = 2;
    assert_null(sonde_histogram_get("bad_bounds", NULL, NULL, &o));
}

static void any_number_of_bounds_finds_the_bucket_of_a_plain_search(void **state)
{
    double bounds[FAMILY_BOUNDS_MAX];
    srand48(11);
    for (uint32_t n = 1; n <= FAMILY_BOUNDS_MAX; n += n < 20 ? 1 : 11) {
        char name[32];
        uint64_t plain[FAMILY_BOUNDS_MAX + 1] = {0};
        for (uint32_t i = 0; i < n; i++) {
            bounds[i] = (i ? bounds[i - 1] : -3) + 0.01 + drand48();
        }
        sonde_histogram_options o = SONDE_HISTOGRAM_OPTIONS_INIT;
        o.bounds = bounds;
        o.bounds_n = n;
        snprintf(name, sizeof name, "plain_%u", n);
        sonde_histogram *h = sonde_histogram_get(name, NULL, NULL, &o);
        assert_non_null(h);
        for (int k = 0; k < 2000; k++) {
            double v = k % 5 ? drand48() * (n + 6) - 5 : bounds[(uint32_t)k % n];
            uint32_t i = 0;
            while (i < n && v > bounds[i]) {
                i++;
            }
            plain[i]++;
            sonde_histogram_observe(h, v);
        }
        struct registry_distribution d;
        export_lock();
        registry_distribution((const struct series *)h, &d);
        export_unlock();
        assert_memory_equal(d.bucket, plain, (n + 1) * sizeof *plain);
    }
}

static void a_native_histogram_is_shown_by_powers_of_two(void **state)
{
    sonde_histogram_options o = SONDE_HISTOGRAM_OPTIONS_INIT;
    o.native = true;
    sonde_histogram *h = sonde_histogram_get("latency_seconds", NULL, NULL, &o);
    const double values[] = {0, 0.3, 0.5, 0.6, 1, 3, 3.5, 4};
    for (size_t i = 0; i < 8; i++) {
        sonde_histogram_observe(h, values[i]);
    }
    assert_has(SONDE_METRICS_TEXT, "latency_seconds_bucket{le=\"0.25\"} 1\n"
                                   "latency_seconds_bucket{le=\"0.5\"} 3\n"
                                   "latency_seconds_bucket{le=\"1.0\"} 5\n"
                                   "latency_seconds_bucket{le=\"2.0\"} 5\n"
                                   "latency_seconds_bucket{le=\"4.0\"} 8\n"
                                   "latency_seconds_bucket{le=\"+Inf\"} 8\n"
                                   "latency_seconds_sum 12.9\n"
                                   "latency_seconds_count 8\n");
    double q = sonde_histogram_quantile(h, 0.99);
    assert_true(q > 3.6 && q <= 4);
}

static void a_histogram_times_what_lies_between_begin_and_end(void **state)
{
    sonde_histogram *h = sonde_histogram_get("pause_seconds", NULL, NULL, NULL);
    uint64_t t = sonde_histogram_begin();
    usleep(20000);
    sonde_histogram_end(h, t);
    assert_int_equal(sonde_histogram_count(h), 1);
    assert_true(sonde_histogram_sum(h) >= 0.0199 && sonde_histogram_sum(h) < 2);
}

static void a_summary_forgets_what_is_older_than_its_window(void **state)
{
    const double quantiles[] = {0.5, 0.9};
    sonde_summary_options o = SONDE_SUMMARY_OPTIONS_INIT;
    o.quantiles = quantiles;
    o.quantiles_n = 2;
    o.window_s = 50;
    sonde_summary *s = sonde_summary_get("wait_seconds", NULL, NULL, &o);
    const uint64_t second = 1000000000u;
    export_lock();
    registry_slide(1000 * second);
    export_unlock();
    for (int i = 0; i < 100; i++) {
        sonde_summary_observe(s, 10);
    }
    double q = sonde_summary_quantile(s, 0.5);
    assert_true(q > 9 && q < 11);
    for (unsigned t = 1010; t <= 1030; t += 10) {
        export_lock();
        registry_slide(t * second);
        export_unlock();
    }
    for (int i = 0; i < 50; i++) {
        sonde_summary_observe(s, 1);
    }
    q = sonde_summary_quantile(s, 0.9);
    assert_true(q > 9 && q < 11); /* the old ones are still most of it */
    for (unsigned t = 1040; t <= 1060; t += 10) {
        export_lock();
        registry_slide(t * second);
        export_unlock();
    }
    q = sonde_summary_quantile(s, 0.9);
    assert_true(q > 0.9 && q < 1.1);
    assert_has(SONDE_METRICS_TEXT, "wait_seconds_sum 1050\nwait_seconds_count 150\n");
    assert_has(SONDE_METRICS_TEXT, "# TYPE wait_seconds summary\nwait_seconds{quantile=\"0.5\"} ");
    export_lock();
    registry_slide(9000 * second); /* nobody slid for long: all of it is old */
    export_unlock();
    assert_true(isnan(sonde_summary_quantile(s, 0.5)));
}

static void a_reset_lets_all_but_gauges_begin_at_zero(void **state)
{
    sonde_histogram_options o = SONDE_HISTOGRAM_OPTIONS_INIT;
    o.native = true;
    sonde_counter *c = sonde_counter_get("reset_total", NULL, NULL);
    sonde_histogram *h = sonde_histogram_get("reset_classic", NULL, NULL, NULL);
    sonde_histogram *n = sonde_histogram_get("reset_native", NULL, NULL, &o);
    sonde_summary *s = sonde_summary_get("reset_summary", NULL, NULL, NULL);
    for (int round = 0; round < 3; round++) {
        sonde_counter_add(c, 3);
        sonde_histogram_observe(h, 3);
        sonde_histogram_observe(n, 3);
        sonde_summary_observe(s, 3);
        assert_true(sonde_counter_value(c) == 3);
        assert_int_equal(sonde_histogram_count(h), 1);
        assert_int_equal(sonde_histogram_count(n), 1);
        assert_true(sonde_histogram_sum(h) == 3);
        assert_true(!isnan(sonde_summary_quantile(s, 0.5)));
        assert_int_equal(sonde_metrics_reset(), 0);
        assert_true(sonde_counter_value(c) == 0);
        assert_int_equal(sonde_histogram_count(h), 0);
        assert_int_equal(sonde_histogram_count(n), 0);
        assert_true(isnan(sonde_summary_quantile(s, 0.5)));
    }
}

static void a_metric_that_is_removed_is_gone_and_begins_again_at_zero(void **state)
{
    sonde_counter *c = sonde_counter_get("plugin_calls_total", "Calls.", NULL);
    sonde_counter_add(c, 5);
    assert_int_equal(sonde_metrics_remove("plugin_calls"), 0);
    assert_int_equal(sonde_metrics_remove("plugin_calls"), SONDE_ERROR_NOT_FOUND);
    sonde_counter_add(c, 5);
    assert_has_not(SONDE_METRICS_TEXT, "plugin_calls");
    sonde_gauge *g = sonde_gauge_get("plugin_calls_total", NULL, NULL); /* another type now */
    assert_non_null(g);
    sonde_gauge_set(g, 8);
    assert_has(SONDE_METRICS_TEXT, "# TYPE plugin_calls_total gauge\nplugin_calls_total 8\n");
    assert_int_equal(sonde_metrics_remove("plugin_calls_total"), 0);
    assert_ptr_equal(c, sonde_counter_get("plugin_calls_total", NULL, NULL));
    assert_true(sonde_counter_value(c) == 0);
    sonde_counter_add(c, 1);
    assert_has(SONDE_METRICS_TEXT, "plugin_calls_total 1\n");
    for (int i = 0; i < 1000; i++) { /* coming and going costs no memory */
        assert_int_equal(sonde_metrics_remove("plugin_calls"), 0);
        assert_ptr_equal(c, sonde_counter_get("plugin_calls_total", NULL, NULL));
    }
}

static void a_series_that_is_removed_comes_back_from_zero(void **state)
{
    const char *names[] = {"peer", NULL}, *a[] = {"a"}, *b[] = {"b"};
    sonde_family *f = sonde_counter_family("peer_bytes_total", NULL, names);
    sonde_counter_add(sonde_counter_with(f, a), 3);
    sonde_counter_add(sonde_counter_with(f, b), 4);
    assert_int_equal(sonde_family_remove(f, a), 0);
    assert_int_equal(sonde_family_remove(f, a), SONDE_ERROR_NOT_FOUND);
    assert_has_not(SONDE_METRICS_TEXT, "peer_bytes_total{peer=\"a\"}");
    assert_has(SONDE_METRICS_TEXT, "peer_bytes_total{peer=\"b\"} 4\n");
    sonde_counter_add(sonde_counter_with(f, a), 1);
    assert_has(SONDE_METRICS_TEXT, "peer_bytes_total{peer=\"a\"} 1\n");
}

static void values_are_escaped_cut_and_made_utf8(void **state)
{
    const char *names[] = {"v", NULL};
    sonde_family *f = sonde_gauge_family("odd", "back\\slash\nand \"quote\"", names);
    char big[3000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = 0;
    const char *quoted[] = {"a\"b\\c\nd"}, *broken[] = {"x\xff\xc0y"}, *large[] = {big};
    sonde_gauge_set(sonde_gauge_with(f, quoted), 1);
    sonde_gauge_set(sonde_gauge_with(f, broken), 2);
    sonde_gauge *l = sonde_gauge_with(f, large);
    assert_non_null(l);
    assert_ptr_equal(l, sonde_gauge_with(f, large));
    assert_has(SONDE_METRICS_TEXT, "# HELP odd back\\\\slash\\nand \"quote\"\n");
    assert_has(SONDE_METRICS_OPENMETRICS, "# HELP odd back\\\\slash\\nand \\\"quote\\\"\n");
    assert_has(SONDE_METRICS_TEXT, "odd{v=\"a\\\"b\\\\c\\nd\"} 1\n");
    assert_has(SONDE_METRICS_TEXT, "odd{v=\"x\xef\xbf\xbd\xef\xbf\xbdy\"} 2\n");
    char *t = text(0);
    const char *at = strstr(t, "odd{v=\"xxx");
    assert_non_null(at);
    assert_true(strcspn(at, "\n") < 1100);
    free(t);
}

static void an_exemplar_is_kept_of_sampled_traces_and_rarely(void **state)
{
    sonde_context context = {.trace_id = {1, 2}, .span_id = {3}, .flags = SONDE_CONTEXT_SAMPLED};
    sonde_context none = {.trace_id = {9}, .span_id = {9}};
    sonde_counter *c = sonde_counter_get("seen_total", NULL, NULL);
    sonde_histogram *h = sonde_histogram_get("seen_seconds", NULL, NULL, NULL);
    sonde_counter_add_in(c, 1, &none);
    assert_has(SONDE_METRICS_OPENMETRICS, "seen_total 1\n");
    sonde_counter_add_in(c, 2, &context);
    context.trace_id[0] = 7; /* too soon after the first */
    sonde_counter_add_in(c, 3, &context);
    sonde_histogram_observe_in(h, 0.3, &context);
    sonde_histogram_observe_in(h, 0.3, NULL);
    assert_has(SONDE_METRICS_OPENMETRICS,
               "seen_total 6 # {trace_id=\"01020000000000000000000000000000\",span_id="
               "\"0300000000000000\"} 2 ");
    assert_has(SONDE_METRICS_OPENMETRICS,
               "seen_seconds_bucket{le=\"0.5\"} 2 # {trace_id=\"0702000000");
    assert_has(SONDE_METRICS_TEXT, "seen_seconds_bucket{le=\"0.5\"} 2\n");
}

static void text_says_how_much_it_needs(void **state)
{
    char small[8];
    size_t n = 0;
    assert_int_equal(sonde_metrics_text(0, small, sizeof small, &n), SONDE_ERROR_LIMIT);
    assert_true(n > sizeof small && strlen(small) == 7);
    char *room = malloc(n + 4096);
    assert_int_equal(sonde_metrics_text(0, room, n + 4096, NULL), 0);
    assert_memory_equal(room, small, 7);
    free(room);
    assert_int_equal(sonde_metrics_text(7, NULL, 0, NULL), SONDE_ERROR_ARGUMENT);
    assert_has(SONDE_METRICS_OPENMETRICS, "\n# EOF\n");
    assert_has(SONDE_METRICS_TEXT, "\nprocess_resident_memory_bytes ");
    assert_has(SONDE_METRICS_TEXT, "\nprocess_start_time_seconds ");
    assert_has(SONDE_METRICS_TEXT, "\nprocess_cpu_seconds_total ");
    assert_has(SONDE_METRICS_TEXT, "\nprocess_max_fds ");
}

static void commands_answer_with_metrics(void **state)
{
    char answer_text[1 << 16];
    sonde_counter_add(sonde_counter_get("asked_total", "Asked.", NULL), 4);
    assert_int_equal(sonde_query("metrics asked*", answer_text, sizeof answer_text, NULL), 0);
    assert_non_null(strstr(answer_text, "\"name\":\"asked_total\",\"type\":\"counter\""));
    assert_non_null(strstr(answer_text, "\"value\":4"));
    assert_null(strstr(answer_text, "process_"));
    assert_int_equal(sonde_query("prometheus", answer_text, sizeof answer_text, NULL), 0);
    assert_non_null(strstr(answer_text, "{\"text\":\""));
    assert_non_null(strstr(answer_text, "asked_total 4\\n"));
    assert_int_equal(sonde_query("prometheus openmetrics", answer_text, sizeof answer_text, NULL),
                     0);
    assert_non_null(strstr(answer_text, "# EOF"));
    assert_int_equal(sonde_query("metrics-reset", answer_text, sizeof answer_text, NULL), 0);
    assert_has(SONDE_METRICS_TEXT, "asked_total 0\n");
}

static void a_pattern_matches_with_stars_and_question_marks(void **state)
{
    assert_true(object_writer_match("*", ""));
    assert_true(object_writer_match("a*c", "abbc"));
    assert_true(object_writer_match("*_total", "x_total"));
    assert_true(object_writer_match("a?c*", "abc"));
    assert_true(object_writer_match("*a*b*", "xxaxxaxxbxx"));
    assert_false(object_writer_match("a*c", "abb"));
    assert_false(object_writer_match("?", ""));
    assert_false(object_writer_match("", "a"));
}

static void *count_and_end(void *counter)
{
    for (int i = 0; i < 1000; i++) {
        sonde_counter_add(counter, 1);
    }
    return NULL;
}

static void what_a_thread_counted_stays_when_it_has_ended(void **state)
{
    sonde_counter *c = sonde_counter_get("by_threads_total", NULL, NULL);
    for (int i = 0; i < 20; i++) {
        pthread_t t;
        assert_int_equal(pthread_create(&t, NULL, count_and_end, c), 0);
        pthread_join(t, NULL);
    }
    assert_true(sonde_counter_value(c) == 20000);
}

static void a_forked_child_counts_from_zero(void **state)
{
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    skip(); /* locks of sanitizers are held in a child, and it may start no thread */
#endif
    sonde_counter *c = sonde_counter_get("forked_total", NULL, NULL);
    sonde_counter_add(c, 5);
    pid_t child = fork();
    if (child == 0) {
        sonde_counter_add(c, 2);
        char *t = sonde_metrics_new_text(0);
        _exit(t && strstr(t, "\nforked_total 2\n") ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(sonde_counter_value(c) == 5);
}

static void before_the_start_and_after_the_end_nothing_happens(void **state)
{
    assert_null(sonde_counter_get("early_total", NULL, NULL));
    assert_true(strlen(sonde_last_problem()) > 0);
    assert_null(sonde_metrics_new_text(0));
    assert_int_equal(sonde_metrics_reset(), SONDE_ERROR_STATE);
    assert_int_equal(sonde_metrics_remove("x"), SONDE_ERROR_STATE);
    assert_int_equal(start_with(NULL), 0);
    sonde_counter *c = sonde_counter_get("twice_total", NULL, NULL);
    sonde_counter_add(c, 1);
    sonde_shutdown(1000);
    sonde_counter_add(c, 1);
    assert_int_equal(start_with(NULL), 0);
    assert_ptr_equal(c, sonde_counter_get("twice_total", NULL, NULL));
    sonde_counter_add(c, 1);
    assert_true(sonde_counter_value(c) == 1); /* of this run alone */
    sonde_shutdown(1000);
}

#define CASE(t) cmocka_unit_test_setup_teardown(t, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_the_start_and_after_the_end_nothing_happens),
        CASE(a_counter_counts_and_one_name_is_one_handle),
        CASE(whole_numbers_stay_exact_to_two_to_the_53),
        CASE(labels_in_any_order_are_the_same_series),
        CASE(what_does_not_fit_is_null_with_a_reason),
        CASE(metrics_whose_samples_would_clash_are_refused),
        cmocka_unit_test_setup_teardown(too_many_series_count_as_other, start_small, end),
        CASE(a_gauge_is_set_added_to_and_read_from),
        CASE(a_callback_is_read_at_each_export),
        CASE(a_classic_histogram_counts_into_its_buckets),
        CASE(any_number_of_bounds_finds_the_bucket_of_a_plain_search),
        CASE(a_native_histogram_is_shown_by_powers_of_two),
        CASE(a_histogram_times_what_lies_between_begin_and_end),
        CASE(a_summary_forgets_what_is_older_than_its_window),
        CASE(a_reset_lets_all_but_gauges_begin_at_zero),
        CASE(a_metric_that_is_removed_is_gone_and_begins_again_at_zero),
        CASE(a_series_that_is_removed_comes_back_from_zero),
        CASE(values_are_escaped_cut_and_made_utf8),
        CASE(an_exemplar_is_kept_of_sampled_traces_and_rarely),
        CASE(text_says_how_much_it_needs),
        CASE(commands_answer_with_metrics),
        CASE(a_pattern_matches_with_stars_and_question_marks),
        CASE(what_a_thread_counted_stays_when_it_has_ended),
        CASE(a_forked_child_counts_from_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
