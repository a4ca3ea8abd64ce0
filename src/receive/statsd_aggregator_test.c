#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/stat.h"
#include "conf/conf.h"
#include "model/sample.h"
#include "receive/statsd_aggregator.h"

enum { STEP_MS = 1000 };

static const int64_t FIRST_MS = 1700000000000;

/* ---- a sink in memory */

static struct {
    struct sink sink;
    struct buf seen; /* "series value @seconds after FIRST_MS" lines */
    struct buf metadata;
    size_t appends, commits;
    int append_err;
} store;

static int store_tenant(struct sink *s, struct str name, struct tenant **ret, struct why *why)
{
    *ret = (struct tenant *)(void *)&store;
    return 0;
}

static int store_append(struct sink *s, size_t lane, struct tenant *t, struct batch *b,
                        struct why *why)
{
    store.appends++;
    assert_int_equal(lane, 3);
    assert_true(b->n > 0 && b->n <= BATCH_MAX);
    if (store.append_err)
        return store.append_err;
    for (size_t i = 0; i < b->n; i++) {
        labels_print(b->key[i], &store.seen);
        const struct histogram *h = b->histogram[i];
        if (h != NULL && histogram_is_stale(h))
            buf_printf(&store.seen, " end");
        else if (h != NULL)
            buf_printf(&store.seen, " %g/%g", h->sum, h->count);
        else if (sample_is_stale(b->value[i]))
            buf_printf(&store.seen, " end");
        else
            buf_printf(&store.seen, " %g", b->value[i]);
        if (h != NULL)
            assert_int_equal(histogram_check(h, NULL), 0);
        buf_printf(&store.seen, " @%g\n", (double)(b->ts_ms[i] - FIRST_MS) / 1000);
        b->err[i] = 0;
    }
    return (int)b->n;
}

static int store_metadata(struct sink *s, size_t lane, struct tenant *t, const struct metadata *m)
{
    buf_printf(&store.metadata, STR_FMT " %s\n", STR_ARG(m->metric), metric_type_text(m->type));
    return 0;
}

static void store_commit(struct sink *s, size_t lane, void (*done)(void *context, int err),
                         void *context)
{
    store.commits++;
    done(context, 0);
}

static const struct sink_ops OPS = {.tenant = store_tenant,
                                    .append = store_append,
                                    .metadata = store_metadata,
                                    .commit = store_commit};

/* ---- an aggregator with a configuration */

static struct conf *conf;
static struct statsd_aggregator *aggregator;
static int64_t now_ms;
static struct buf events;

static void note_event(void *context, const struct statsd_event *e)
{
    buf_printf(&events, STR_FMT "/" STR_FMT "\n", STR_ARG(e->title), STR_ARG(e->text));
}

static int open_with(const char *text, struct why *why)
{
    static const struct option_table *const TABLES[] = {&statsd_options};
    static const struct conf_tables ALL = {TABLES, 1};
    struct buf problems;
    buf_init(&problems, 65536);
    assert_int_equal(conf_read(str_c(text), "test", &ALL, NULL, 0, &conf, &problems), 0);
    buf_done(&problems);
    buf_init(&store.seen, 1 << 24);
    buf_init(&store.metadata, 1 << 20);
    buf_init(&events, 1 << 20);
    store.sink.ops = &OPS;
    store.appends = store.commits = 0;
    store.append_err = 0;
    now_ms = FIRST_MS;
    struct statsd_plan plan = {.settings = conf_get(conf, &statsd_options),
                               .sink = &store.sink,
                               .lane = 3,
                               .start_ms = FIRST_MS - 10 * STEP_MS,
                               .event = note_event};
    return statsd_aggregator_new(&plan, &aggregator, why);
}

static void start(const char *text)
{
    struct why why = {0};
    if (open_with(text, &why) != 0)
        fail_msg("%s", why.text);
}

static void end(void)
{
    statsd_aggregator_free(aggregator);
    aggregator = NULL;
    conf_free(conf);
    buf_done(&store.seen);
    buf_done(&store.metadata);
    buf_done(&events);
}

static void take(const char *datagram)
{
    statsd_aggregator_take(aggregator, str_c(datagram));
}

/* Ends the present interval. */
static void flush(void)
{
    statsd_aggregator_flush(aggregator, now_ms);
    while (statsd_aggregator_step(aggregator))
        continue;
    statsd_aggregator_tell(aggregator);
    now_ms += STEP_MS;
}

/* What was written since the last call. */
static void wrote(const char *wanted)
{
    buf_put_c(&store.seen, '\0');
    assert_string_equal(store.seen.p, wanted);
    buf_clear(&store.seen);
}

struct sum {
    const char *name, *labels;
    double value;
};

static void add_stat(void *context, const struct stat_sample *s)
{
    struct sum *sum = context;
    if (strcmp(s->family, sum->name) == 0 && strcmp(s->labels, sum->labels) == 0)
        sum->value += s->value;
}

static double stat_of(const char *name, const char *labels)
{
    struct sum sum = {name, labels, 0};
    stat_each(add_stat, &sum);
    return sum.value;
}

/* ---- cases */

static void counters_grow_over_all_intervals_and_begin_with_zero(void **state)
{
    start("");
    take("a.b:1|c\na.b:2|c");
    flush();
    wrote("a_b 0 @-1\na_b 3 @0\n");
    flush();
    wrote("a_b 3 @1\n");
    take("a.b:0.5|c");
    flush();
    wrote("a_b 3.5 @2\n");
    assert_int_equal(store.commits, 3);
    end();
}

static void sampled_counters_are_scaled_up(void **state)
{
    start("");
    take("a:1|c|@0.1\na:3|c|@0.5");
    flush();
    wrote("a 0 @-1\na 16 @0\n");
    end();
}

static void counters_do_not_go_back(void **state)
{
    start("");
    double bad = stat_of("sonde_statsd_bad_lines_total", "reason=\"value\"");
    take("a:5|c\na:-1|c\na:x|c\na:nan|c");
    flush();
    wrote("a 0 @-1\na 5 @0\n");
    assert_true(stat_of("sonde_statsd_bad_lines_total", "reason=\"value\"") == bad + 3);
    end();
}

static void nothing_is_written_for_a_time_before_the_start(void **state)
{
    start("");
    now_ms = FIRST_MS - 10 * STEP_MS + 300;
    take("a:1|c");
    flush();
    wrote("a 0 @-10\na 1 @-9.7\n");
    end();
}

static void gauges_keep_the_last_value_and_signs_change_it(void **state)
{
    start("");
    take("g:3|g\ng:7|g");
    flush();
    wrote("g 7 @0\n");
    take("g:-2|g\ng:+0.5|g");
    flush();
    flush();
    wrote("g 5.5 @1\ng 5.5 @2\n");
    take("h:-4|g");
    flush();
    wrote("g 5.5 @3\nh -4 @3\n");
    end();
}

static void signs_of_gauges_can_be_part_of_the_value(void **state)
{
    start("[statsd]\nrelative_gauges = false\n");
    take("g:7|g\ng:-2|g");
    flush();
    wrote("g -2 @0\n");
    end();
}

static void a_gauge_with_a_time_is_written_at_that_time(void **state)
{
    start("");
    take("g:7|g|T1699999990");
    flush();
    wrote("g 7 @-10\ng 7 @0\n");
    end();
}

static void sets_count_different_values_of_each_interval(void **state)
{
    start("");
    take("s:a|s\ns:b|s\ns:a|s\ns:a:b|s");
    flush();
    wrote("s 3 @0\n");
    take("s:a|s");
    flush();
    flush();
    wrote("s 1 @1\ns 0 @2\n");
    end();
}

static void large_sets_are_counted_exactly_up_to_their_limit(void **state)
{
    start("[statsd]\nset_values_max = 5000\n");
    double refused = stat_of("sonde_statsd_set_values_refused_total", "");
    char line[64];
    for (int turn = 0; turn < 2; turn++)
        for (int i = 0; i < 3000; i++) {
            snprintf(line, sizeof line, "s:user-%d|s", i);
            take(line);
        }
    flush();
    wrote("s 3000 @0\n");
    for (int i = 0; i < 6000; i++) {
        snprintf(line, sizeof line, "%s:user-%d|s", i % 2 ? "s" : "z", i);
        take(line);
    }
    flush();
    wrote("s 2500 @1\nz 2500 @1\n");
    assert_true(stat_of("sonde_statsd_set_values_refused_total", "") == refused + 1000);
    end();
}

static void timers_are_native_histograms_of_seconds(void **state)
{
    start("");
    take("t:320|ms\nt:100|ms|@0.5\nd:3|d\nh:1:2:3|h");
    flush();
    wrote("t 0/0 @-1\nt 0.52/3 @0\nd 0/0 @-1\nd 3/1 @0\nh 0/0 @-1\nh 6/3 @0\n");
    take("t:1000|ms");
    flush();
    wrote("t 1.52/4 @1\nd 3/1 @1\nh 6/3 @1\n");
    end();
}

static void classic_histograms_have_a_series_for_each_bound(void **state)
{
    start("[statsd]\nhistograms = \"classic\"\nbuckets = [\"0.1\", \"0.5\"]\n");
    take("t:100|ms|#a:b\nt:320|ms|#a:b\nt:900|ms|@0.5|#a:b");
    flush();
    wrote("t_bucket{a=\"b\", le=\"0.1\"} 0 @-1\nt_bucket{a=\"b\", le=\"0.5\"} 0 @-1\n"
          "t_bucket{a=\"b\", le=\"+Inf\"} 0 @-1\nt_sum{a=\"b\"} 0 @-1\nt_count{a=\"b\"} 0 @-1\n"
          "t_bucket{a=\"b\", le=\"0.1\"} 1 @0\nt_bucket{a=\"b\", le=\"0.5\"} 2 @0\n"
          "t_bucket{a=\"b\", le=\"+Inf\"} 4 @0\nt_sum{a=\"b\"} 2.22 @0\nt_count{a=\"b\"} 4 @0\n");
    buf_put_c(&store.metadata, '\0');
    assert_string_equal(store.metadata.p, "t histogram\n");
    end();
}

static void tags_become_labels_in_every_manner(void **state)
{
    start("");
    take("a:1|g|#env:prod,canary,ver.sion:1:2");
    take("b,host=x,zone=y:1|g");
    take("c#host=x:1|g|#zone:z");
    take("d:1|g|#a:1,a:2");
    flush();
    wrote("a{canary=\"true\", env=\"prod\", ver_sion=\"1:2\"} 1 @0\n"
          "b{host=\"x\", zone=\"y\"} 1 @0\nc{host=\"x\", zone=\"z\"} 1 @0\nd{a=\"2\"} 1 @0\n");
    end();
}

static void the_same_series_in_other_words_is_one(void **state)
{
    start("");
    take("a.b:1|c|#x:1,y:2\na_b:1|c|#y:2,x:1\na-b,x=1,y=2:1|c");
    flush();
    wrote("a_b{x=\"1\", y=\"2\"} 0 @-1\na_b{x=\"1\", y=\"2\"} 3 @0\n");
    take("t:100|ms\nt:2|h\nt:3|d");
    flush();
    wrote("a_b{x=\"1\", y=\"2\"} 3 @1\nt 0/0 @0\nt 5.1/3 @1\n");
    end();
}

static void a_name_with_another_type_is_refused(void **state)
{
    start("");
    double bad = stat_of("sonde_statsd_bad_lines_total", "reason=\"kind\"");
    take("a:1|c\na:5|g\na:7|ms");
    flush();
    wrote("a 0 @-1\na 1 @0\n");
    assert_true(stat_of("sonde_statsd_bad_lines_total", "reason=\"kind\"") == bad + 2);
    end();
}

static void tags_that_cannot_be_labels_are_refused(void **state)
{
    start("");
    double bad = stat_of("sonde_statsd_bad_lines_total", "reason=\"tags\"");
    take("a:1|c|#x:\xff\na:1|c|#__name__:b\n\x80:1|c");
    flush();
    wrote("");
    assert_true(stat_of("sonde_statsd_bad_lines_total", "reason=\"tags\"") == bad + 3);
    end();
}

static void containers_become_a_label_where_one_is_named(void **state)
{
    start("");
    take("a:1|g|c:x\na:2|g|c:y");
    flush();
    wrote("a 2 @0\n");
    end();
    start("[statsd]\ncontainer_label = \"container_id\"\nprefix = \"app_\"\n");
    take("a:1|g|c:x\na:2|g|c:y");
    flush();
    wrote("app_a{container_id=\"x\"} 1 @0\napp_a{container_id=\"y\"} 2 @0\n");
    end();
}

static void service_checks_are_gauges_by_name(void **state)
{
    start("");
    take("_sc|db up|0|h:web|#env:x\n_sc|db up|2|h:web|#env:x|m:down");
    flush();
    wrote("statsd_service_check_status{env=\"x\", host=\"web\", name=\"db up\"} 2 @0\n");
    end();
}

static void events_are_counted_and_told(void **state)
{
    start("");
    double before = stat_of("sonde_statsd_events_total", "alert_type=\"error\"");
    take("_e{3,4}:out|disk|t:error\n_e{2,2}:up|ok|t:success");
    flush();
    wrote("");
    buf_put_c(&events, '\0');
    assert_string_equal(events.p, "out/disk\nup/ok\n");
    assert_true(stat_of("sonde_statsd_events_total", "alert_type=\"error\"") == before + 1);
    end();
}

static void series_end_when_nothing_comes_and_begin_anew(void **state)
{
    start("[statsd]\nexpiry_ms = 2000\n");
    take("a:1|c\nb:1|c\nt:100|ms\ng:1|g");
    flush();
    flush();
    buf_clear(&store.seen);
    take("b:1|c");
    flush();
    flush();
    wrote("a end @2\ng end @2\nt end @2\nb 2 @2\nb 2 @3\n");
    take("a:4|c\nb:1|c");
    flush();
    wrote("b 3 @4\na 0 @3\na 4 @4\n");
    end();
}

static void series_beyond_the_limit_are_refused_until_others_end(void **state)
{
    start("[statsd]\nexpiry_ms = 1000\nseries_max = 2\n");
    double bad = stat_of("sonde_statsd_bad_lines_total", "reason=\"limit\"");
    take("a:1|g\nb:1|g\nc:1|g\na:2|g");
    flush();
    wrote("a 2 @0\nb 1 @0\n");
    assert_true(stat_of("sonde_statsd_bad_lines_total", "reason=\"limit\"") == bad + 1);
    flush();
    flush();
    buf_clear(&store.seen);
    take("c:1|g\nd:1|g");
    flush();
    wrote("c 1 @3\nd 1 @3\n");
    end();
}

static void many_series_come_and_go_without_a_mix_up(void **state)
{
    start("[statsd]\nexpiry_ms = 3000\n");
    char line[64];
    for (int turn = 0; turn < 12; turn++) {
        for (int i = turn * 700; i < turn * 700 + 2000; i++) {
            snprintf(line, sizeof line, "m.%d:1|c|#n:%d", i, i);
            take(line);
        }
        flush();
    }
    /* The last turn's series have been counted once for each of the turns that they were in. */
    buf_put_c(&store.seen, '\0');
    for (int i = 11 * 700; i < 11 * 700 + 2000; i += 37) {
        int turns = 0;
        for (int turn = 0; turn < 12; turn++)
            turns += i >= turn * 700 && i < turn * 700 + 2000;
        snprintf(line, sizeof line, "\nm_%d{n=\"%d\"} %d @11\n", i, i, turns);
        assert_non_null(strstr(store.seen.p, line));
    }
    assert_null(strstr(store.seen.p, "m_10{n=\"10\"} 2"));
    assert_non_null(strstr(store.seen.p, "m_10{n=\"10\"} end @3\n"));
    end();
}

static void a_store_that_takes_nothing_is_counted_and_survived(void **state)
{
    start("");
    double refused = stat_of("sonde_statsd_samples_refused_total", "");
    store.append_err = -ERR_FULL;
    take("a:1|c");
    flush();
    assert_true(stat_of("sonde_statsd_samples_refused_total", "") == refused + 2);
    store.append_err = 0;
    flush();
    wrote("a 1 @1\n");
    end();
}

static void batches_are_as_full_as_they_can_be(void **state)
{
    start("");
    char line[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(line, sizeof line, "g%d:1|g", i);
        take(line);
    }
    flush();
    assert_int_equal(store.appends, 4);
    end();
}

static void settings_that_cannot_be_are_refused_with_a_reason(void **state)
{
    static const char *const BAD[][2] = {
        {"[statsd]\nprefix = \"a.b\"\n", "statsd.prefix: \"a.b\" is not the beginning of a name"},
        {"[statsd]\ncontainer_label = \"a-b\"\n",
         "statsd.container_label: \"a-b\" is no name of a label"},
        {"[statsd]\nbuckets = []\n", "statsd.buckets has 0 bounds, not 1 to 100"},
        {"[statsd]\nbuckets = [\"1\", \"1\"]\n",
         "statsd.buckets: \"1\" is no bound above those before"},
        {"[statsd]\nbuckets = [\"x\"]\n", "statsd.buckets: \"x\" is no bound above those before"},
    };
    for (size_t i = 0; i < COUNTOF(BAD); i++) {
        struct why why = {0};
        assert_true(open_with(BAD[i][0], &why) < 0);
        assert_string_equal(why.text, BAD[i][1]);
        end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_grow_over_all_intervals_and_begin_with_zero),
        cmocka_unit_test(sampled_counters_are_scaled_up),
        cmocka_unit_test(counters_do_not_go_back),
        cmocka_unit_test(nothing_is_written_for_a_time_before_the_start),
        cmocka_unit_test(gauges_keep_the_last_value_and_signs_change_it),
        cmocka_unit_test(signs_of_gauges_can_be_part_of_the_value),
        cmocka_unit_test(a_gauge_with_a_time_is_written_at_that_time),
        cmocka_unit_test(sets_count_different_values_of_each_interval),
        cmocka_unit_test(large_sets_are_counted_exactly_up_to_their_limit),
        cmocka_unit_test(timers_are_native_histograms_of_seconds),
        cmocka_unit_test(classic_histograms_have_a_series_for_each_bound),
        cmocka_unit_test(tags_become_labels_in_every_manner),
        cmocka_unit_test(the_same_series_in_other_words_is_one),
        cmocka_unit_test(a_name_with_another_type_is_refused),
        cmocka_unit_test(tags_that_cannot_be_labels_are_refused),
        cmocka_unit_test(containers_become_a_label_where_one_is_named),
        cmocka_unit_test(service_checks_are_gauges_by_name),
        cmocka_unit_test(events_are_counted_and_told),
        cmocka_unit_test(series_end_when_nothing_comes_and_begin_anew),
        cmocka_unit_test(series_beyond_the_limit_are_refused_until_others_end),
        cmocka_unit_test(many_series_come_and_go_without_a_mix_up),
        cmocka_unit_test(a_store_that_takes_nothing_is_counted_and_survived),
        cmocka_unit_test(batches_are_as_full_as_they_can_be),
        cmocka_unit_test(settings_that_cannot_be_are_refused_with_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
