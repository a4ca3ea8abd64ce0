#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "collect/collector.h"
#include "collect/runner.h"
#include "model/labels.h"
#include "model/sample.h"
#include "os/thread.h"

/* ---- a sink that writes down what it is given */

static struct {
    struct sink sink;
    pthread_mutex_t lock;
    struct buf text; /* "1000 up{...} 5" a line; "stale" for the marker */
    struct buf metadata;
    size_t commits;
    int answer; /* 0: takes all */
} notes;

static int note_tenant(struct sink *s, struct str name, struct tenant **ret, struct why *why)
{
    (void)s;
    (void)why;
    assert_true(str_eq(name, STR("default")));
    *ret = NULL;
    return 0;
}

static int note_append(struct sink *s, size_t lane, struct tenant *t, struct batch *b,
                       struct why *why)
{
    (void)s;
    (void)t;
    assert_int_equal(lane, 3);
    if (notes.answer)
        return why_set(why, ERR_FULL, "no room");
    thread_lock(&notes.lock);
    for (size_t i = 0; i < b->n; i++) {
        struct str name = labels_get(b->key[i], STR("__name__"));
        if (str_starts(name, STR("node_scrape")) || str_starts(name, STR("sonde_collector")))
            continue;
        buf_printf(&notes.text, "%lld " STR_FMT "{" STR_FMT "} ", (long long)b->ts_ms[i],
                   STR_ARG(name), STR_ARG(labels_get(b->key[i], STR("device"))));
        if (sample_is_stale(b->value[i]))
            buf_put_str(&notes.text, STR("stale\n"));
        else
            buf_printf(&notes.text, "%g\n", b->value[i]);
    }
    thread_unlock(&notes.lock);
    return (int)b->n;
}

static int note_metadata(struct sink *s, size_t lane, struct tenant *t, const struct metadata *m)
{
    (void)s;
    (void)lane;
    (void)t;
    if (!str_starts(m->metric, STR("node_")) && !str_starts(m->metric, STR("sonde_")))
        buf_printf(&notes.metadata, STR_FMT " %s " STR_FMT "\n", STR_ARG(m->metric),
                   metric_type_text(m->type), STR_ARG(m->help));
    return 0;
}

static void note_commit(struct sink *s, size_t lane, void (*done)(void *context, int err),
                        void *context)
{
    (void)s;
    (void)lane;
    notes.commits++;
    done(context, 0);
}

static const struct sink_ops NOTE_OPS = {
    .tenant = note_tenant, .append = note_append, .metadata = note_metadata, .commit = note_commit};

/* What was written since the last call. */
static void assert_written(const char *wanted)
{
    thread_lock(&notes.lock);
    buf_put_c(&notes.text, 0);
    assert_string_equal(notes.text.p, wanted);
    buf_clear(&notes.text);
    thread_unlock(&notes.lock);
}

/* ---- collectors made for the test */

static const struct family VALUE = {"value", METRIC_COUNTER, "A value.", {"device"}};
static const struct family OTHER = {"other", METRIC_GAUGE, "Another.", {"device"}};

static bool device_there[3];
static _Atomic double next_value; /* the late one may still read it */
static int fails_with;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* held: the slow one hangs */

static int run_devices(void *state, const struct collector_host *host, struct emit *e,
                       struct why *why)
{
    (void)state;
    (void)host;
    static const char *const names[] = {"a", "b", "c"};
    for (size_t i = 0; i < 3; i++)
        if (device_there[i])
            emit(e, &VALUE, next_value, str_c(names[i]));
    return fails_with ? why_set(why, (enum err)fails_with, "it broke") : 0;
}

static int run_slow(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)state;
    (void)host;
    (void)why;
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    emit(e, &OTHER, next_value, STR("s"));
    return 0;
}

static int open_broken(const struct collector_host *host, void **ret, struct why *why)
{
    (void)host;
    (void)ret;
    return why_set(why, ERR_DENIED, "not for you");
}

static const struct collector_ops DEVICES = {.open = NULL, .run = run_devices, .close = NULL};
static const struct collector_ops SLOW = {.open = NULL, .run = run_slow, .close = NULL};
static const struct collector_ops BROKEN = {.open = open_broken, .run = run_slow, .close = NULL};
static const struct collector MADE[] = {{"broken", "", 1000, &BROKEN},
                                        {"slow", "", 1000, &SLOW},
                                        {"devices", "", 1000, &DEVICES},
                                        {"rare", "", 5000, &DEVICES}};

static struct settings settings;
static struct runner *runner;

static void begin(const struct collector *all, size_t n)
{
    const struct runner_plan plan = {.settings = &settings,
                                     .clock = &clock_real,
                                     .sink = &notes.sink,
                                     .lane = 3,
                                     .tenant = STR("default"),
                                     .collectors = all,
                                     .collectors_n = n};
    struct why why = {0};
    assert_int_equal(runner_new(&plan, &runner, &why), 0);
}

static int prepare(void **state)
{
    (void)state;
    notes.sink.ops = &NOTE_OPS;
    notes.answer = 0;
    notes.commits = 0;
    pthread_mutex_init(&notes.lock, NULL);
    buf_init(&notes.text, 1 << 20);
    buf_init(&notes.metadata, 1 << 20);
    settings_default(&settings);
    settings.deadline_ms = 50;
    memset(device_there, 1, sizeof device_there);
    next_value = 1;
    fails_with = 0;
    return 0;
}

static int finish(void **state)
{
    (void)state;
    runner_free(runner);
    runner = NULL;
    buf_done(&notes.text);
    buf_done(&notes.metadata);
    return 0;
}

struct found {
    const char *text;
    double value;
    size_t n;
};

static void look(void *context, const struct runner_row *row)
{
    struct found *f = context;
    if (!str_eq(row->text, str_c(f->text)))
        return;
    f->value = row->value;
    f->n++;
}

static double shown(const char *text, size_t *ret_n)
{
    struct found f = {.text = text};
    runner_each(runner, look, &f);
    *ret_n = f.n;
    return f.value;
}

static void collectors_that_are_due_together_share_their_timestamp(void **state)
{
    (void)state;
    begin(MADE + 1, 2);
    runner_tick(runner, 5000);
    assert_written("5000 other{s} 1\n5000 value{a} 1\n5000 value{b} 1\n5000 value{c} 1\n");
    next_value = 2;
    runner_tick(runner, 6000);
    assert_written("6000 other{s} 2\n6000 value{a} 2\n6000 value{b} 2\n6000 value{c} 2\n");
    runner_tick(runner, 6500); /* none is due */
    assert_written("");
    assert_int_equal(notes.commits, 2);
    buf_put_c(&notes.metadata, 0);
    assert_string_equal(notes.metadata.p, "other gauge Another.\nvalue counter A value.\n");
}

static void each_collector_keeps_its_own_interval(void **state)
{
    (void)state;
    device_there[1] = device_there[2] = false;
    begin(MADE + 3, 1);
    for (int64_t ts = 4000; ts <= 11000; ts += 1000) {
        next_value = (double)ts;
        runner_tick(runner, ts);
    }
    assert_written("4000 value{a} 4000\n5000 value{a} 5000\n10000 value{a} 10000\n");
}

static void a_series_that_is_gone_gets_a_staleness_marker_once(void **state)
{
    (void)state;
    size_t n;
    begin(MADE + 2, 1);
    runner_tick(runner, 1000);
    assert_written("1000 value{a} 1\n1000 value{b} 1\n1000 value{c} 1\n");
    device_there[1] = false;
    runner_tick(runner, 2000);
    assert_written("2000 value{b} stale\n2000 value{a} 1\n2000 value{c} 1\n");
    (void)shown("value{device=\"b\"}", &n);
    assert_int_equal(n, 0);
    runner_tick(runner, 3000);
    assert_written("3000 value{a} 1\n3000 value{c} 1\n");
    device_there[1] = true;
    runner_tick(runner, 4000);
    assert_written("4000 value{a} 1\n4000 value{b} 1\n4000 value{c} 1\n");
}

static void a_collector_that_fails_keeps_what_it_gave_and_says_so(void **state)
{
    (void)state;
    size_t n;
    begin(MADE, 3);
    fails_with = ERR_IO;
    runner_tick(runner, 1000);
    assert_written("1000 other{s} 1\n1000 value{a} 1\n1000 value{b} 1\n1000 value{c} 1\n");
    assert_true(shown("node_scrape_collector_success{collector=\"devices\"}", &n) == 0);
    assert_int_equal(n, 1);
    assert_true(shown("node_scrape_collector_success{collector=\"slow\"}", &n) == 1);
    (void)shown("node_scrape_collector_success{collector=\"broken\"}", &n);
    assert_int_equal(n, 0); /* could not be opened: left out */
    fails_with = 0;
    runner_tick(runner, 2000);
    assert_true(shown("node_scrape_collector_success{collector=\"devices\"}", &n) == 1);
}

static void a_collector_that_hangs_holds_nobody_up_and_comes_back(void **state)
{
    (void)state;
    size_t n;
    begin(MADE + 1, 2);
    runner_tick(runner, 1000);
    assert_written("1000 other{s} 1\n1000 value{a} 1\n1000 value{b} 1\n1000 value{c} 1\n");
    pthread_mutex_lock(&gate);
    int64_t before = clock_monotonic_ns(&clock_real);
    runner_tick(runner, 2000);
    assert_true(clock_monotonic_ns(&clock_real) - before < 2000000000);
    assert_written("2000 other{s} stale\n2000 value{a} 1\n2000 value{b} 1\n2000 value{c} 1\n");
    assert_true(shown("node_scrape_collector_success{collector=\"slow\"}", &n) == 0);
    assert_int_equal(n, 1);
    (void)shown("other{device=\"s\"}", &n);
    assert_int_equal(n, 0);
    runner_tick(runner, 3000); /* still away: no second marker */
    assert_written("3000 value{a} 1\n3000 value{b} 1\n3000 value{c} 1\n");
    pthread_mutex_unlock(&gate);
    for (int64_t ts = 4000; n == 0 && ts < 400000; ts += 1000) {
        usleep(10000);
        runner_tick(runner, ts);
        (void)shown("other{device=\"s\"}", &n);
    }
    assert_int_equal(n, 1);
    assert_true(shown("node_scrape_collector_success{collector=\"slow\"}", &n) == 1);
}

static void a_runner_ends_even_while_a_collector_hangs(void **state)
{
    (void)state;
    begin(MADE + 1, 2);
    pthread_mutex_lock(&gate);
    runner_tick(runner, 1000);
    int64_t before = clock_monotonic_ns(&clock_real);
    runner_free(runner);
    runner = NULL;
    assert_true(clock_monotonic_ns(&clock_real) - before < 2000000000);
    pthread_mutex_unlock(&gate);
    usleep(50000); /* the late one ends and frees the rest; ASan would tell */
}

static void a_store_that_refuses_does_not_stop_collecting(void **state)
{
    (void)state;
    size_t n;
    begin(MADE + 2, 1);
    notes.answer = -ERR_FULL;
    runner_tick(runner, 1000);
    assert_true(shown("value{device=\"a\"}", &n) == 1);
    notes.answer = 0;
    next_value = 7;
    runner_tick(runner, 2000);
    assert_written("2000 value{a} 7\n2000 value{b} 7\n2000 value{c} 7\n");
}

static void the_thread_collects_on_full_seconds(void **state)
{
    (void)state;
    device_there[1] = device_there[2] = false;
    static const struct collector fast = {"fast", "", 200, &DEVICES};
    begin(&fast, 1);
    runner_start(runner);
    usleep(1100000);
    runner_free(runner);
    runner = NULL;
    buf_put_c(&notes.text, 0);
    long long ts, last = 0;
    int lines = 0, used;
    for (const char *p = notes.text.p; sscanf(p, "%lld value{a} 1\n%n", &ts, &used) == 1;
         p += used) {
        assert_int_equal(ts % 200, 0);
        assert_true(ts > last);
        last = ts;
        lines++;
    }
    assert_in_range(lines, 2, 7);
}

static void settings_are_checked_before_they_are_used(void **state)
{
    (void)state;
    struct why why = {0};
    const char *names[] = {"cpu", "no_such"};
    assert_int_equal(settings_check(&settings, &why), 0);
    settings.disabled = (struct option_list){names, 2};
    assert_int_equal(settings_check(&settings, &why), -ERR_NOENT);
    assert_non_null(strstr(why.text, "no_such"));
    settings.disabled = (struct option_list){0};
    settings.vmstat_fields = "(";
    assert_int_equal(settings_check(&settings, &why), -ERR_FORMAT);
    settings_default(&settings);
    struct settings_group groups[] = {{.name = "a", .comm_regex = "x.*", .cmdline_regex = ""},
                                      {.name = "a", .comm_regex = "y", .cmdline_regex = ""}};
    settings.groups = (struct option_rows){groups, 2};
    assert_int_equal(settings_check(&settings, &why), -ERR_EXISTS);
    groups[1].name = "b";
    groups[1].comm_regex = "";
    assert_int_equal(settings_check(&settings, &why), -ERR_FORMAT);
    settings.groups.n = 1;
    assert_int_equal(settings_check(&settings, &why), 0);
}

static void disabled_collectors_do_not_run(void **state)
{
    (void)state;
    const char *names[] = {"devices"};
    settings.disabled = (struct option_list){names, 1};
    begin(MADE + 1, 2);
    runner_tick(runner, 1000);
    assert_written("1000 other{s} 1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(collectors_that_are_due_together_share_their_timestamp,
                                        prepare, finish),
        cmocka_unit_test_setup_teardown(each_collector_keeps_its_own_interval, prepare, finish),
        cmocka_unit_test_setup_teardown(a_series_that_is_gone_gets_a_staleness_marker_once, prepare,
                                        finish),
        cmocka_unit_test_setup_teardown(a_collector_that_fails_keeps_what_it_gave_and_says_so,
                                        prepare, finish),
        cmocka_unit_test_setup_teardown(a_collector_that_hangs_holds_nobody_up_and_comes_back,
                                        prepare, finish),
        cmocka_unit_test_setup_teardown(a_runner_ends_even_while_a_collector_hangs, prepare,
                                        finish),
        cmocka_unit_test_setup_teardown(a_store_that_refuses_does_not_stop_collecting, prepare,
                                        finish),
        cmocka_unit_test_setup_teardown(the_thread_collects_on_full_seconds, prepare, finish),
        cmocka_unit_test_setup_teardown(settings_are_checked_before_they_are_used, prepare, finish),
        cmocka_unit_test_setup_teardown(disabled_collectors_do_not_run, prepare, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
