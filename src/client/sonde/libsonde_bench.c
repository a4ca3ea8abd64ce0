/* What libsonde costs the program that uses it: nanoseconds of thread-CPU time for each call, from
 * one thread and from eight at once, beside a metric that is looked up under a lock, a pair of
 * clock readings and the time-stamp counter. One line a case: NAME ONE EIGHT. */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sonde/sonde.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

enum { THREADS = 8, REPEATS = 9 };

struct bench_case {
    const char *name;
    void (*run)(unsigned n, unsigned thread);
    unsigned n; /* calls of one repeat */
};

static double cpu_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* ---- metrics */

static sonde_counter *counter;
static sonde_gauge *gauge;
static sonde_histogram *classic, *native;
static sonde_summary *summary;
static sonde_family *family;

static void counter_add(unsigned n, unsigned thread)
{
    for (unsigned i = 0; i < n; i++) {
        sonde_counter_add(counter, 1);
    }
}

static void counter_with(unsigned n, unsigned thread)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "DELETE"};
    static const char *const codes[] = {"200", "204", "404", "500"};
    for (unsigned i = 0; i < n; i++) {
        const char *values[] = {methods[i & 3], codes[i >> 2 & 3]};
        sonde_counter_add(sonde_counter_with(family, values), 1);
    }
}

static void gauge_set(unsigned n, unsigned thread)
{
    for (unsigned i = 0; i < n; i++) {
        sonde_gauge_set(gauge, i);
    }
}

/* Values of many sizes, so that neither buckets nor branches are always the same. */
static double value_of(unsigned i)
{
    static double values[1024];
    if (values[0] == 0) {
        for (unsigned k = 1024; k-- > 0;) {
            unsigned x = k * 2654435761u;
            values[k] = (1 + (double)(x >> 8 & 1023) / 1024) * (1u << (x >> 28)) / 1000;
        }
    }
    return values[i & 1023];
}

static void histogram_observe(unsigned n, unsigned thread)
{
    for (unsigned i = 0; i < n; i++) {
        sonde_histogram_observe(classic, value_of(i));
    }
}

static void histogram_native(unsigned n, unsigned thread)
{
    for (unsigned i = 0; i < n; i++) {
        sonde_histogram_observe(native, value_of(i));
    }
}

static void summary_observe(unsigned n, unsigned thread)
{
    for (unsigned i = 0; i < n; i++) {
        sonde_summary_observe(summary, value_of(i));
    }
}

static void start_metrics(void)
{
    const char *names[] = {"method", "code", NULL};
    sonde_histogram_options o = SONDE_HISTOGRAM_OPTIONS_INIT;
    counter = sonde_counter_get("bench_calls_total", "Calls.", NULL);
    gauge = sonde_gauge_get("bench_level", "Level.", NULL);
    classic = sonde_histogram_get("bench_classic_seconds", "Durations.", NULL, &o);
    o.native = true;
    native = sonde_histogram_get("bench_native_seconds", "Durations.", NULL, &o);
    summary = sonde_summary_get("bench_summary_seconds", "Durations.", NULL, NULL);
    family = sonde_counter_family("bench_requests_total", "Requests.", names);
}

/* ---- what others do */

/* A counter that is found by its labels under a lock at each call, as client libraries do that keep
 * a map of samples: the key is put together, looked up, and the value changed atomically. */
struct locked_sample {
    char key[96];
    _Atomic double value;
    struct locked_sample *next;
};
static struct locked_sample *locked_table[64];
static pthread_mutex_t locked_lock = PTHREAD_MUTEX_INITIALIZER;

static struct locked_sample *locked_find(const char *key)
{
    uint32_t h = 2166136261u;
    for (const char *k = key; *k; k++) {
        h = (h ^ (uint8_t)*k) * 16777619u;
    }
    struct locked_sample *s = locked_table[h % 64];
    while (s && strcmp(s->key, key) != 0) {
        s = s->next;
    }
    if (!s) {
        s = calloc(1, sizeof *s);
        if (!s) {
            abort();
        }
        snprintf(s->key, sizeof s->key, "%s", key);
        s->next = locked_table[h % 64];
        locked_table[h % 64] = s;
    }
    return s;
}

static void locked_lookup(unsigned n, unsigned thread)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "DELETE"};
    static const char *const codes[] = {"200", "204", "404", "500"};
    for (unsigned i = 0; i < n; i++) {
        char key[96];
        snprintf(key, sizeof key, "requests_total{method=\"%s\",code=\"%s\"}", methods[i & 3],
                 codes[i >> 2 & 3]);
        pthread_mutex_lock(&locked_lock);
        struct locked_sample *s = locked_find(key);
        pthread_mutex_unlock(&locked_lock);
        double old = atomic_load(&s->value);
        while (!atomic_compare_exchange_weak(&s->value, &old, old + 1)) {
        }
    }
}

static void clock_pair(unsigned n, unsigned thread)
{
    struct timespec a, b;
    for (unsigned i = 0; i < n; i++) {
        clock_gettime(CLOCK_MONOTONIC, &a);
        clock_gettime(CLOCK_MONOTONIC, &b);
    }
}

static void time_stamp(unsigned n, unsigned thread)
{
#if defined(__x86_64__)
    static volatile uint64_t sink;
    uint64_t sum = 0;
    for (unsigned i = 0; i < n; i++) {
        sum += __rdtsc();
    }
    sink = sum;
    (void)sink;
#endif
}

/* ---- the cases */

static const struct bench_case cases[] = {
    {"counter_add", counter_add, 2000000},
    {"counter_with", counter_with, 1000000},
    {"gauge_set", gauge_set, 2000000},
    {"histogram_observe", histogram_observe, 1000000},
    {"histogram_native", histogram_native, 1000000},
    {"summary_observe", summary_observe, 1000000},
    {"locked_lookup", locked_lookup, 200000},
    {"clock_pair", clock_pair, 300000},
    {"time_stamp", time_stamp, 1000000},
};

static double one_thread(const struct bench_case *c)
{
    double least = INFINITY;
    c->run(c->n / 10, 0);
    for (int i = 0; i < REPEATS; i++) {
        double from = cpu_ns();
        c->run(c->n, 0);
        double took = (cpu_ns() - from) / c->n;
        least = took < least ? took : least;
    }
    return least;
}

struct runner {
    const struct bench_case *c;
    unsigned number;
    pthread_barrier_t *barrier;
    double took[REPEATS];
};

static void *run_thread(void *context)
{
    struct runner *r = context;
    r->c->run(r->c->n / 10, r->number);
    for (int i = 0; i < REPEATS; i++) {
        pthread_barrier_wait(r->barrier);
        double from = cpu_ns();
        r->c->run(r->c->n, r->number);
        r->took[i] = (cpu_ns() - from) / r->c->n;
    }
    return NULL;
}

/* The mean of the threads, of the repeat in which it was least. */
static double eight_threads(const struct bench_case *c)
{
    pthread_t threads[THREADS];
    struct runner runners[THREADS];
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (unsigned i = 0; i < THREADS; i++) {
        runners[i] = (struct runner){.c = c, .number = i, .barrier = &barrier};
        if (pthread_create(&threads[i], NULL, run_thread, &runners[i]) != 0) {
            abort();
        }
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    double least = INFINITY;
    for (int k = 0; k < REPEATS; k++) {
        double sum = 0;
        for (unsigned i = 0; i < THREADS; i++) {
            sum += runners[i].took[k];
        }
        least = sum / THREADS < least ? sum / THREADS : least;
    }
    pthread_barrier_destroy(&barrier);
    return least;
}

static void measure(const char *prefix, const char *wanted)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (!wanted || strcmp(wanted, cases[i].name) == 0) {
            double one = one_thread(&cases[i]);
            printf("%s%s %.2f %.2f\n", prefix, cases[i].name, one, eight_threads(&cases[i]));
            fflush(stdout);
        }
    }
}

/* usage: bench [CASE] */
int main(int argc, char **argv)
{
    const char *wanted = argc > 1 ? argv[1] : NULL;
    static char spool[] = "/tmp/sonde-bench-XXXXXX";
    if (!mkdtemp(spool)) {
        return 1;
    }
    setenv("SONDE_SOCKET", "", 1);
    setenv("SONDE_SPOOL_DIR", spool, 1);
    measure("disabled_", wanted ? wanted : "counter_add"); /* before the start all does nothing */
    if (sonde_init(NULL) != 0) {
        fprintf(stderr, "%s\n", sonde_last_problem());
        return 1;
    }
    start_metrics();
    measure("", wanted);
    sonde_shutdown(1000);
    rmdir(spool);
    return 0;
}
