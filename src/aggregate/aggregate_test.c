#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "aggregate/aggregate.h"
#include "base/mem.h"
#include "base/rand.h"
#include "base/str.h"
#include "model/labels.h"
#include "model/sample.h"

enum { MINUTE = 60000, START = 6000000 /* a multiple of the minute */ };

/* A store that keeps what it is given as lines. */
static struct {
    struct sink sink;
    struct buf text;
    size_t commits;
} store;

static char tenants[2];

static int store_tenant(struct sink *s, struct str name, struct tenant **ret, struct why *why)
{
    *ret = (struct tenant *)(void *)&tenants[str_eq(name, STR("b"))];
    return 0;
}

static int store_append(struct sink *s, size_t lane, struct tenant *t, struct batch *b,
                        struct why *why)
{
    for (size_t i = 0; i < b->n; i++) {
        struct buf canonical;
        buf_init(&canonical, LABELS_KEY_MAX);
        assert_int_equal(labels_canonical(b->key[i], &canonical, NULL), 0);
        if ((void *)t == &tenants[1])
            buf_put_str(&store.text, STR("b: "));
        labels_print(buf_str(&canonical), &store.text);
        if (b->histogram[i])
            buf_put_str(&store.text, STR(" histogram"));
        else if (sample_is_stale(b->value[i]))
            buf_put_str(&store.text, STR(" stale"));
        else
            buf_printf(&store.text, " %g", b->value[i]);
        buf_printf(&store.text, " %lld\n", (long long)(b->ts_ms[i] - START));
        b->err[i] = 0;
        buf_done(&canonical);
    }
    return (int)b->n;
}

static void store_commit(struct sink *s, size_t lane, void (*done)(void *context, int err),
                         void *context)
{
    store.commits++;
    done(context, 0);
}

static const struct sink_ops STORE = {
    .tenant = store_tenant, .append = store_append, .commit = store_commit};

static struct clock_manual now;
static struct aggregate *aggregate;

#define LIST(...)                                                                                  \
    {                                                                                              \
        (const char *[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)      \
    }

static void open_with(struct aggregate_row row)
{
    struct option_rows rows = {&row, 1};
    if (row.interval_ms == 0)
        row.interval_ms = MINUTE;
    assert_int_equal(aggregate_check(&rows, NULL), 0);
    store.sink.ops = &STORE;
    buf_init(&store.text, 1 << 24);
    clock_manual_init(&now, START + 1000);
    aggregate = aggregate_new(&rows, &store.sink, 3, &now.clock);
}

static void done(void)
{
    aggregate_free(aggregate);
    buf_done(&store.text);
}

/* A sample of name{label pairs}, dated at_ms behind START. */
static void put(const char *tenant, const char *labels[][2], int64_t at_ms, double value)
{
    struct sink *s = aggregate_sink(aggregate);
    struct batch *b = mem_new(sizeof *b);
    struct buf key;
    struct tenant *t;
    buf_init(&key, LABELS_KEY_MAX);
    for (size_t i = 0; labels[i][0]; i++)
        labels_put(&key, str_c(labels[i][0]), str_c(labels[i][1]));
    assert_int_equal(s->ops->tenant(s, str_c(tenant), &t, NULL), 0);
    b->n = 1;
    b->key[0] = buf_str(&key);
    b->ts_ms[0] = START + at_ms;
    b->value[0] = value;
    assert_int_equal(s->ops->append(s, 0, t, b, NULL), 1);
    buf_done(&key);
    mem_free(b);
}

#define SERIES(name, ...)                                                                          \
    (const char *[][2])                                                                            \
    {                                                                                              \
        {"__name__", name}, __VA_ARGS__,                                                           \
        {                                                                                          \
            NULL, NULL                                                                             \
        }                                                                                          \
    }
#define JOB(j, i)                                                                                  \
    {"instance", i},                                                                               \
    {                                                                                              \
        "job", j                                                                                   \
    }

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* What the store has got, its lines sorted; then it is empty again. */
static void assert_stored(const char *want)
{
    struct str lines[100], line, rest = buf_str(&store.text);
    size_t n = 0;
    while (rest.n && n < COUNTOF(lines) && str_split(&rest, '\n', &line))
        if (line.n)
            lines[n++] = line;
    qsort(lines, n, sizeof *lines, by_text);
    struct buf have;
    buf_init(&have, 1 << 20);
    for (size_t i = 0; i < n; i++)
        buf_printf(&have, STR_FMT "\n", STR_ARG(lines[i]));
    buf_put_c(&have, '\0');
    assert_string_equal(have.p, want);
    buf_done(&have);
    buf_clear(&store.text);
}

static void move_to(int64_t at_ms)
{
    clock_manual_pass(&now, START + at_ms - now.wall_ms);
    aggregate_flush(aggregate);
}

static void gauges_are_joined_by_the_labels_that_are_named(void **state)
{
    open_with((struct aggregate_row){
        .metrics = LIST("temp.*"),
        .by = LIST("job"),
        .outputs = LIST("sum", "avg", "min", "max", "last", "count", "series")});
    put("a", SERIES("temperature", JOB("x", "1")), 1000, 10);
    put("a", SERIES("temperature", JOB("x", "1")), 2000, 20);
    put("a", SERIES("temperature", JOB("x", "2")), 3000, 60);
    put("a", SERIES("temperature", JOB("y", "1")), 1000, 5);
    put("a", SERIES("other", JOB("y", "1")), 1000, 7);
    assert_stored("other{instance=\"1\", job=\"y\"} 7 1000\n");
    move_to(MINUTE - 1);
    assert_stored("");
    move_to(MINUTE + 1);
    assert_stored("temperature:1m_by_job_avg{job=\"x\"} 30 60000\n"
                  "temperature:1m_by_job_avg{job=\"y\"} 5 60000\n"
                  "temperature:1m_by_job_count{job=\"x\"} 3 60000\n"
                  "temperature:1m_by_job_count{job=\"y\"} 1 60000\n"
                  "temperature:1m_by_job_last{job=\"x\"} 60 60000\n"
                  "temperature:1m_by_job_last{job=\"y\"} 5 60000\n"
                  "temperature:1m_by_job_max{job=\"x\"} 60 60000\n"
                  "temperature:1m_by_job_max{job=\"y\"} 5 60000\n"
                  "temperature:1m_by_job_min{job=\"x\"} 10 60000\n"
                  "temperature:1m_by_job_min{job=\"y\"} 5 60000\n"
                  "temperature:1m_by_job_series{job=\"x\"} 2 60000\n"
                  "temperature:1m_by_job_series{job=\"y\"} 1 60000\n"
                  "temperature:1m_by_job_sum{job=\"x\"} 80 60000\n"
                  "temperature:1m_by_job_sum{job=\"y\"} 5 60000\n");
    done();
}

static void counters_gain_what_their_series_gain_over_resets(void **state)
{
    open_with((struct aggregate_row){.metrics = LIST("hits_total"),
                                     .without = LIST("instance"),
                                     .outputs = LIST("increase", "rate", "total")});
    put("a", SERIES("hits_total", JOB("x", "1")), 1000, 100);
    put("a", SERIES("hits_total", JOB("x", "1")), 11000, 130);
    put("a", SERIES("hits_total", JOB("x", "2")), 1000, 1000);
    put("a", SERIES("hits_total", JOB("x", "2")), 30000, 10);
    put("a", SERIES("hits_total", JOB("x", "2")), 40000, 30);
    move_to(MINUTE + 1);
    assert_stored("hits_total:1m_without_instance_increase{job=\"x\"} 60 60000\n"
                  "hits_total:1m_without_instance_rate{job=\"x\"} 1 60000\n"
                  "hits_total:1m_without_instance_total{job=\"x\"} 60 60000\n");
    put("a", SERIES("hits_total", JOB("x", "1")), MINUTE + 10000, 133);
    move_to(2 * MINUTE + 1);
    assert_stored("hits_total:1m_without_instance_increase{job=\"x\"} 3 120000\n"
                  "hits_total:1m_without_instance_rate{job=\"x\"} 0.05 120000\n"
                  "hits_total:1m_without_instance_total{job=\"x\"} 63 120000\n");
    done();
}

static void a_window_waits_for_its_delay_and_takes_nothing_after_it(void **state)
{
    open_with(
        (struct aggregate_row){.metrics = LIST("m"), .outputs = LIST("sum"), .delay_ms = 5000});
    put("a", SERIES("m", JOB("x", "1")), MINUTE, 1); /* its end belongs to it */
    move_to(MINUTE + 4000);
    assert_stored("");
    put("a", SERIES("m", JOB("x", "2")), 5, 2); /* late, but in time */
    put("a", SERIES("m", JOB("x", "1")), MINUTE + 1, 10);
    move_to(MINUTE + 5001);
    assert_stored("m:1m_sum 3 60000\n");
    put("a", SERIES("m", JOB("x", "3")), 7, 4);          /* too late */
    put("a", SERIES("m", JOB("x", "3")), 9 * MINUTE, 4); /* from the future */
    move_to(2 * MINUTE + 5001);
    assert_stored("m:1m_sum 10 120000\n");
    done();
}

static void labels_decide_and_tenants_stay_apart(void **state)
{
    open_with((struct aggregate_row){
        .labels = LIST("job=~x|y", "instance!=2"), .outputs = LIST("sum"), .keep_input = true});
    put("a", SERIES("m", JOB("x", "1")), 1000, 1);
    put("a", SERIES("m", JOB("y", "1")), 1000, 2);
    put("a", SERIES("m", JOB("z", "1")), 1000, 4);
    put("a", SERIES("m", JOB("x", "2")), 1000, 8);
    put("b", SERIES("m", JOB("x", "1")), 1000, 16);
    buf_clear(&store.text);
    move_to(MINUTE + 1);
    assert_stored("b: m:1m_sum 16 60000\n"
                  "m:1m_sum 3 60000\n");
    done();
}

static void what_is_kept_is_stored_as_it_came(void **state)
{
    open_with(
        (struct aggregate_row){.metrics = LIST("m"), .outputs = LIST("sum"), .keep_input = true});
    put("a", SERIES("m", JOB("x", "1")), 1000, 1);
    assert_stored("m{instance=\"1\", job=\"x\"} 1 1000\n");
    done();
}

static void a_group_without_samples_ends_with_staleness_markers(void **state)
{
    open_with(
        (struct aggregate_row){.metrics = LIST("m"), .by = LIST("job"), .outputs = LIST("sum")});
    put("a", SERIES("m", JOB("x", "1")), 1000, 1);
    put("a", SERIES("m", JOB("y", "1")), 1000, 1);
    move_to(MINUTE + 1);
    buf_clear(&store.text);
    for (int i = 1; i < 9; i++) {
        put("a", SERIES("m", JOB("y", "1")), i * MINUTE + 1000, 1);
        move_to((i + 1) * MINUTE + 1);
    }
    assert_stored("m:1m_by_job_sum{job=\"x\"} stale 480000\n"
                  "m:1m_by_job_sum{job=\"y\"} 1 120000\n"
                  "m:1m_by_job_sum{job=\"y\"} 1 180000\n"
                  "m:1m_by_job_sum{job=\"y\"} 1 240000\n"
                  "m:1m_by_job_sum{job=\"y\"} 1 300000\n"
                  "m:1m_by_job_sum{job=\"y\"} 1 360000\n"
                  "m:1m_by_job_sum{job=\"y\"} 1 420000\n"
                  "m:1m_by_job_sum{job=\"y\"} 1 480000\n"
                  "m:1m_by_job_sum{job=\"y\"} 1 540000\n");
    done();
}

static void a_stop_and_a_reload_write_windows_as_far_as_they_are(void **state)
{
    open_with((struct aggregate_row){.metrics = LIST("m"), .outputs = LIST("sum")});
    aggregate_start(aggregate);
    put("a", SERIES("m", JOB("x", "1")), 1000, 1);
    struct aggregate_row other = {
        .metrics = LIST("n"), .outputs = LIST("max"), .interval_ms = MINUTE};
    struct option_rows rows = {&other, 1};
    aggregate_reload(aggregate, &rows);
    assert_stored("m:1m_sum 1 60000\n");
    put("a", SERIES("n", JOB("x", "1")), 1000, 3);
    put("a", SERIES("m", JOB("x", "1")), 1000, 2);
    aggregate_stop(aggregate);
    assert_stored("m{instance=\"1\", job=\"x\"} 2 1000\n"
                  "n:1m_max 3 60000\n");
    assert_true(store.commits > 0);
    done();
}

/* A plain sum over everything, for what the windows give. */
static void random_samples_add_up_to_what_a_plain_sum_gives(void **state)
{
    enum { SERIES_N = 20, SAMPLES = 5000 };
    open_with((struct aggregate_row){.metrics = LIST("m"), .outputs = LIST("count", "max")});
    struct rand r;
    rand_init(&r, 7);
    for (int window = 0; window < 5; window++) {
        double most = -1;
        for (int i = 0; i < SAMPLES; i++) {
            char instance[16];
            snprintf(instance, sizeof instance, "%d", (int)rand_below(&r, SERIES_N));
            double value = (double)rand_below(&r, 1000000);
            most = value > most ? value : most;
            put("a", SERIES("m", JOB("x", instance)),
                window * MINUTE + 1 + (int64_t)rand_below(&r, MINUTE), value);
        }
        move_to((window + 1) * MINUTE + 1);
        char want[200];
        snprintf(want, sizeof want, "m:1m_count %d %d\nm:1m_max %g %d\n", SAMPLES,
                 (window + 1) * MINUTE, most, (window + 1) * MINUTE);
        assert_stored(want);
    }
    done();
}

static void bad_rules_are_refused_with_what_is_wrong(void **state)
{
    const struct {
        struct aggregate_row row;
        const char *says;
    } cases[] = {
        {{.outputs = LIST("sum"), .interval_ms = 1000}, "name what is aggregated"},
        {{.metrics = LIST("("), .outputs = LIST("sum"), .interval_ms = 1000}, "missing closing )"},
        {{.metrics = LIST("m"), .interval_ms = 1000}, "outputs is empty"},
        {{.metrics = LIST("m"), .outputs = LIST("p99"), .interval_ms = 1000}, "\"p99\""},
        {{.labels = LIST("job"), .outputs = LIST("sum"), .interval_ms = 1000}, "NAME=VALUE"},
        {{.labels = LIST("job!x"), .outputs = LIST("sum"), .interval_ms = 1000}, "NAME=VALUE"},
        {{.metrics = LIST("m"),
          .outputs = LIST("sum"),
          .by = LIST("a"),
          .without = LIST("b"),
          .interval_ms = 1000},
         "exclude"},
        {{.metrics = LIST("m"), .outputs = LIST("sum"), .interval_ms = 1000, .delay_ms = 1001},
         "delay_ms is 1001"},
    };
    for (size_t i = 0; i < COUNTOF(cases); i++) {
        struct aggregate_row row = cases[i].row;
        struct option_rows rows = {&row, 1};
        struct why why = {0};
        assert_true(aggregate_check(&rows, &why) < 0);
        if (!strstr(why.text, cases[i].says))
            fail_msg("%zu: %s", i, why.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gauges_are_joined_by_the_labels_that_are_named),
        cmocka_unit_test(counters_gain_what_their_series_gain_over_resets),
        cmocka_unit_test(a_window_waits_for_its_delay_and_takes_nothing_after_it),
        cmocka_unit_test(labels_decide_and_tenants_stay_apart),
        cmocka_unit_test(what_is_kept_is_stored_as_it_came),
        cmocka_unit_test(a_group_without_samples_ends_with_staleness_markers),
        cmocka_unit_test(a_stop_and_a_reload_write_windows_as_far_as_they_are),
        cmocka_unit_test(random_samples_add_up_to_what_a_plain_sum_gives),
        cmocka_unit_test(bad_rules_are_refused_with_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
