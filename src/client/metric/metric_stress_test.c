/* Threads that come and go count while others read, look up, reset, remove, start and end the
 * library. Meant for TSan; sums are held against plain ones. */
#include "client/metric/metric.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "sonde/metric.h"

enum { WORKERS = 6, GENERATIONS = 25, ROUNDS = 2000, LABELS = 12, CHAOS_MS = 1500 };

static _Atomic bool over;
static _Atomic uint64_t plain[LABELS];
static _Atomic uint64_t plain_sum;

static void prepare(void)
{
    static char spool[] = "/tmp/sonde-stress-test-XXXXXX";
    static bool made;
    if (!made) {
        made = mkdtemp(spool) != NULL;
        setenv("SONDE_SOCKET", "", 1);
        setenv("SONDE_SPOOL_DIR", spool, 1);
        setenv("SONDE_METRIC_EXEMPLAR_MS", "1", 1);
    }
}

struct handles {
    sonde_family *counters, *histograms;
    sonde_counter *all;
    sonde_histogram *classic, *native;
    sonde_summary *summary;
    sonde_gauge *gauge;
};

static struct handles get_handles(void)
{
    const char *names[] = {"label", NULL};
    sonde_histogram_options native = SONDE_HISTOGRAM_OPTIONS_INIT;
    native.native = true;
    return (struct handles){
        .counters = sonde_counter_family("stress_by_label_total", NULL, names),
        .histograms = sonde_histogram_family("stress_seconds", NULL, names, NULL),
        .all = sonde_counter_get("stress_all_total", NULL, NULL),
        .classic = sonde_histogram_get("stress_classic", NULL, NULL, NULL),
        .native = sonde_histogram_get("stress_native", NULL, NULL, &native),
        .summary = sonde_summary_get("stress_summary", NULL, NULL, NULL),
        .gauge = sonde_gauge_get("stress_gauge", NULL, NULL),
    };
}

static void count_once(const struct handles *h, unsigned i, unsigned label)
{
    char text[16];
    const char *values[] = {text};
    sonde_context context = {.trace_id = {1}, .span_id = {2}, .flags = SONDE_CONTEXT_SAMPLED};
    snprintf(text, sizeof text, "l%u", label);
    sonde_counter_add(sonde_counter_with(h->counters, values), 1);
    sonde_histogram_observe(sonde_histogram_with(h->histograms, values), i % 13);
    sonde_counter_add(h->all, i % 7);
    sonde_histogram_observe_in(h->classic, i % 17, &context);
    sonde_histogram_observe(h->native, i % 17);
    sonde_summary_observe(h->summary, i % 17);
    sonde_gauge_add(h->gauge, i & 1 ? 1 : -1);
}

static void *short_life(void *context)
{
    const struct handles *h = context;
    uint64_t sum = 0, by_label[LABELS] = {0};
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned label = i * 7 % LABELS;
        count_once(h, i, label);
        by_label[label]++;
        sum += i % 7;
    }
    for (unsigned l = 0; l < LABELS; l++) {
        atomic_fetch_add(&plain[l], by_label[l]);
    }
    atomic_fetch_add(&plain_sum, sum);
    return NULL;
}

static void *generations(void *context)
{
    for (int g = 0; g < GENERATIONS; g++) {
        pthread_t t;
        if (pthread_create(&t, NULL, short_life, context) == 0) {
            pthread_join(t, NULL);
        }
    }
    return NULL;
}

static void take_frame(void *context, const struct text *payload, bool more)
{
    *(size_t *)context += payload->len;
}

static void *read_all_the_time(void *unused)
{
    size_t bytes = 0;
    double before = 0;
    struct handles h = get_handles();
    while (!atomic_load(&over)) {
        free(sonde_metrics_new_text(bytes & 1));
        metric_export_frames(1700000000000, take_frame, &bytes);
        double now = sonde_counter_value(h.all);
        assert_true(now >= before);
        before = now;
        usleep(1000);
    }
    return NULL;
}

static void sums_of_many_threads_are_those_of_plain_counting(void **state)
{
    pthread_t workers[WORKERS], reader;
    prepare();
    assert_int_equal(sonde_init(NULL), 0);
    struct handles h = get_handles();
    atomic_store(&over, false);
    assert_int_equal(pthread_create(&reader, NULL, read_all_the_time, NULL), 0);
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_create(&workers[i], NULL, generations, &h), 0);
    }
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(workers[i], NULL);
    }
    atomic_store(&over, true);
    pthread_join(reader, NULL);
    uint64_t n = 0;
    for (unsigned l = 0; l < LABELS; l++) {
        char text[16];
        const char *values[] = {text};
        snprintf(text, sizeof text, "l%u", l);
        assert_true(sonde_counter_value(sonde_counter_with(h.counters, values)) ==
                    (double)atomic_load(&plain[l]));
        assert_int_equal(sonde_histogram_count(sonde_histogram_with(h.histograms, values)),
                         atomic_load(&plain[l]));
        n += atomic_load(&plain[l]);
    }
    assert_int_equal(n, (uint64_t)WORKERS * GENERATIONS * ROUNDS);
    assert_true(sonde_counter_value(h.all) == (double)atomic_load(&plain_sum));
    assert_int_equal(sonde_histogram_count(h.classic), n);
    assert_int_equal(sonde_histogram_count(h.native), n);
    assert_true(sonde_histogram_sum(h.classic) == sonde_histogram_sum(h.native));
    assert_true(sonde_gauge_value(h.gauge) == 0);
    assert_int_equal(sonde_shutdown(2000), 0);
}

static void *chaos_life(void *context)
{
    struct handles h = get_handles();
    for (unsigned i = 0; i < 300; i++) {
        count_once(&h, i, i % 40);
    }
    return NULL;
}

static void *chaos_threads(void *unused)
{
    while (!atomic_load(&over)) {
        pthread_t t;
        if (pthread_create(&t, NULL, chaos_life, NULL) == 0) {
            pthread_join(t, NULL);
        }
    }
    return NULL;
}

static double read_level(void *user)
{
    return 1;
}

static void *chaos_orders(void *unused)
{
    static const char *const names[] = {"stress_by_label", "stress_classic", "stress_native",
                                        "stress_summary",  "stress_gauge",   "stress_seconds"};
    char answer[4096];
    for (unsigned i = 0; !atomic_load(&over); i++) {
        sonde_metrics_reset();
        sonde_metrics_remove(names[i % 6]);
        sonde_gauge_read_from(sonde_gauge_get("stress_level", NULL, NULL), read_level, NULL);
        sonde_query("metrics stress_*", answer, sizeof answer, NULL);
        free(sonde_metrics_new_text(SONDE_METRICS_OPENMETRICS));
        struct handles h = get_handles();
        const char *values[] = {"l3"};
        if (h.counters) {
            sonde_family_remove(h.counters, values);
        }
        usleep(500);
    }
    return NULL;
}

static void *chaos_starts(void *unused)
{
    while (!atomic_load(&over)) {
        usleep(20000);
        sonde_shutdown(2000);
        usleep(1000);
        (void)sonde_init(NULL); /* SONDE_ERROR_STATE where the end was too slow */
    }
    return NULL;
}

static void nothing_breaks_whatever_is_done_at_the_same_time(void **state)
{
    pthread_t threads[5];
    prepare();
    assert_int_equal(sonde_init(NULL), 0);
    atomic_store(&over, false);
    assert_int_equal(pthread_create(&threads[0], NULL, chaos_threads, NULL), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, chaos_threads, NULL), 0);
    assert_int_equal(pthread_create(&threads[2], NULL, chaos_threads, NULL), 0);
    assert_int_equal(pthread_create(&threads[3], NULL, chaos_orders, NULL), 0);
    assert_int_equal(pthread_create(&threads[4], NULL, chaos_starts, NULL), 0);
    usleep(CHAOS_MS * 1000);
    atomic_store(&over, true);
    for (int i = 0; i < 5; i++) {
        pthread_join(threads[i], NULL);
    }
    sonde_shutdown(2000);
    assert_int_equal(sonde_init(NULL), 0); /* and it still works */
    sonde_counter *c = sonde_counter_get("stress_after_total", NULL, NULL);
    sonde_counter_add(c, 2);
    assert_true(sonde_counter_value(c) == 2);
    assert_int_equal(sonde_shutdown(2000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_of_many_threads_are_those_of_plain_counting),
        cmocka_unit_test(nothing_breaks_whatever_is_done_at_the_same_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
