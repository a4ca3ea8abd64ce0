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

enum { THREADS = 8, REPEATS = 9, FLUSH_MS = 5000, DEEP = 20, PAUSE_US = 2000 };

struct bench_case {
    const char *name;
    void (*run)(unsigned n, unsigned thread);
    unsigned n; /* calls of one repeat: as many as rings hold, where there are rings */
    bool flush; /* hand over what was recorded after each repeat */
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

/* ---- operations, spans, logs, errors */

static sonde_operation *operation;

static void operation_pair(unsigned n, unsigned thread)
{
    for (unsigned i = 0; i < n; i++) {
        sonde_tracker t = sonde_operation_begin(operation);
        sonde_operation_complete(&t);
    }
}

static void operation_failed(unsigned n, unsigned thread)
{
    for (unsigned i = 0; i < n; i++) {
        sonde_tracker t = sonde_operation_begin(operation);
        sonde_operation_fail(&t, "connection refused");
    }
}

static sonde_frames *frames[THREADS];

static void frame_mark(unsigned n, unsigned thread)
{
    for (unsigned i = 0; i < n; i++) {
        sonde_frame_mark(frames[thread]);
    }
}

static void span_four(unsigned n, unsigned thread)
{
    for (unsigned i = 0; i < n; i++) {
        sonde_span *s = sonde_span_start("GET /orders/{id}", SONDE_SPAN_SERVER);
        sonde_span_set_string(s, "http.request.method", "GET");
        sonde_span_set_int(s, "http.response.status_code", 200);
        sonde_span_set_double(s, "order.value", 12.5);
        sonde_span_set_bool(s, "cache.hit", true);
        sonde_span_end(s);
    }
}

static void breadcrumb(unsigned n, unsigned thread)
{
    for (unsigned i = 0; i < n; i++) {
        sonde_breadcrumb(SONDE_LEVEL_INFO, "http", "GET /orders answered 200", NULL, 0);
    }
}

static void log_record(unsigned n, unsigned thread)
{
    const sonde_attr attrs[] = {sonde_attr_string("order", "4711"), sonde_attr_int("items", 3)};
    for (unsigned i = 0; i < n; i++) {
        sonde_log_write(SONDE_LEVEL_INFO, "shop", "the order was taken", attrs, 2);
    }
}

static void log_below(unsigned n, unsigned thread)
{
    for (unsigned i = 0; i < n; i++) {
        sonde_log(SONDE_LEVEL_DEBUG, "shop", "item %u", i);
    }
}

static void error_dropped(unsigned n, unsigned thread)
{
    for (unsigned i = 0; i < n; i++) {
        (void)sonde_error_capture(SONDE_LEVEL_ERROR, "StoreError",
                                  "the store refused a connection");
    }
}

/* Twenty frames deep, as programs are. */
__attribute__((noinline)) static sonde_error_ref deep(unsigned depth)
{
    sonde_error_ref ref = depth ? deep(depth - 1)
                                : sonde_error_capture(SONDE_LEVEL_ERROR, "StoreError",
                                                      "the store refused a connection");
    __asm__ volatile("" ::: "memory"); /* no tail call */
    return ref;
}

static _Atomic unsigned captured;
static _Thread_local double left_out_ns; /* of what is measured */

static void error_captured(unsigned n, unsigned thread)
{
    for (unsigned i = 0; i < n; i++) {
        atomic_fetch_add(&captured, deep(DEEP) != 0);
        double from = cpu_ns();
        usleep(PAUSE_US); /* so that the queue never fills */
        left_out_ns += cpu_ns() - from;
    }
}

static bool keep_none(sonde_error_event *event, void *user)
{
    return false; /* the library's thread is not what is measured */
}

static void start_errors(void)
{
    sonde_error_before_send(keep_none, NULL);
}

static void start_operations(void)
{
    operation = sonde_operation_get("shop", "order");
    for (unsigned i = 0; i < sizeof frames / sizeof *frames; i++) {
        char name[16];
        snprintf(name, sizeof name, "loop %u", i);
        sonde_frames_options o = SONDE_FRAMES_OPTIONS_INIT;
        o.name = name;
        frames[i] = sonde_frames_new(&o);
    }
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

/* ---- caches, counted allocators */

static sonde_cache *cache;
static sonde_memory *memory;

static void cache_hit(unsigned n, unsigned thread)
{
    for (unsigned i = 0; i < n; i++) {
        sonde_cache_hit(cache);
    }
}

static void cache_lookup(unsigned n, unsigned thread)
{
    for (unsigned i = 0; i < n; i++) {
        sonde_cache_lookup l = sonde_cache_begin(cache);
        sonde_cache_end(&l, i % 8 != 0, "key");
    }
}

enum { BLOCKS = 64 }; /* of many sizes, held at a time */

static void memory_counted(unsigned n, unsigned thread)
{
    void *volatile held[BLOCKS] = {NULL};
    for (unsigned i = 0; i < n; i++) {
        sonde_memory_free(memory, held[i % BLOCKS]);
        held[i % BLOCKS] = sonde_memory_alloc(memory, 16 + i % 200);
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
        sonde_memory_free(memory, held[i]);
    }
}

static void memory_plain(unsigned n, unsigned thread)
{
    void *volatile held[BLOCKS] = {NULL};
    for (unsigned i = 0; i < n; i++) {
        free(held[i % BLOCKS]);
        held[i % BLOCKS] = malloc(16 + i % 200);
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
        free(held[i]);
    }
}

static void start_resources(void)
{
    cache = sonde_cache_get("bench");
    memory = sonde_memory_get("bench");
}

/* ---- the cases */

static const struct bench_case before_start[] = {
    {"disabled_counter_add", counter_add, 2000000, false},
    {"disabled_span", span_four, 1000000, false},
    {"disabled_operation", operation_pair, 1000000, false},
    {NULL, NULL, 0, false},
};

static const struct bench_case metrics[] = {
    {"counter_add", counter_add, 2000000, false},
    {"counter_with", counter_with, 1000000, false},
    {"gauge_set", gauge_set, 2000000, false},
    {"histogram_observe", histogram_observe, 1000000, false},
    {"histogram_native", histogram_native, 1000000, false},
    {"summary_observe", summary_observe, 1000000, false},
    {"locked_lookup", locked_lookup, 200000, false},
    {"clock_pair", clock_pair, 300000, false},
    {"time_stamp", time_stamp, 1000000, false},
    {NULL, NULL, 0, false},
};

static const struct bench_case operations[] = {
    {"operation", operation_pair, 500000, false},
    {"operation_failed", operation_failed, 500000, false},
    {"frame_mark", frame_mark, 500000, false},
    {"breadcrumb", breadcrumb, 100000, false},
    {"log_below_level", log_below, 1000000, false},
    {"error_dropped", error_dropped, 100000, false},
    {NULL, NULL, 0, false},
};

static const struct bench_case resources[] = {
    {"cache_hit", cache_hit, 2000000, false},
    {"cache_lookup", cache_lookup, 300000, false},
    {"memory_counted", memory_counted, 300000, false},
    {"memory_plain", memory_plain, 300000, false},
    {NULL, NULL, 0, false},
};

static const struct bench_case recorded[] = {
    {"span", span_four, 10000, true},
    {"log_record", log_record, 10000, true},
    {NULL, NULL, 0, false},
};

static const struct bench_case unsampled[] = {
    {"span_unsampled", span_four, 500000, false},
    {NULL, NULL, 0, false},
};

static const struct bench_case untraced[] = {
    {"span_disabled", span_four, 1000000, false},
    {NULL, NULL, 0, false},
};

static const struct bench_case errors[] = {
    {"error_captured", error_captured, 40, false},
    {NULL, NULL, 0, false},
};

static const struct phase {
    const char *settings[4];
    void (*start)(void);
    const struct bench_case *cases;
} phases[] = {
    {{NULL}, start_metrics, metrics},
    {{NULL}, start_operations, operations},
    {{NULL}, start_resources, resources},
    {{"trace.ring_bytes=16777216", "log.ring_bytes=16777216", "log.rate_max=0"}, NULL, recorded},
    {{"trace.sample_rate=0"}, NULL, unsampled},
    {{"trace.enabled=false"}, NULL, untraced},
    {{"error.dedup_ms=0", "error.per_second_max=0", "error.alike_per_minute_max=0"},
     start_errors,
     errors},
};

static double one_thread(const struct bench_case *c)
{
    double least = 1e18;
    c->run(c->n / 10, 0);
    for (int i = 0; i < REPEATS; i++) {
        if (c->flush) {
            (void)sonde_flush(FLUSH_MS);
        }
        left_out_ns = 0;
        double from = cpu_ns();
        c->run(c->n, 0);
        double took = (cpu_ns() - from - left_out_ns) / c->n;
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
        if (r->c->flush && r->number == 0) {
            (void)sonde_flush(FLUSH_MS);
        }
        pthread_barrier_wait(r->barrier);
        left_out_ns = 0;
        double from = cpu_ns();
        r->c->run(r->c->n, r->number);
        r->took[i] = (cpu_ns() - from - left_out_ns) / r->c->n;
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
    double least = 1e18;
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

static void measure(const struct bench_case *c, const char *wanted)
{
    for (; c->name; c++) {
        if (!wanted || strcmp(wanted, c->name) == 0) {
            double one = one_thread(c);
            printf("%s %.2f %.2f\n", c->name, one, eight_threads(c));
            fflush(stdout);
        }
    }
}

/* usage: bench [CASE]; SONDE_SPOOL_DIR: a folder of its own. */
int main(int argc, char **argv)
{
    const char *wanted = argc > 1 ? argv[1] : NULL;
    static char spool[] = "/tmp/sonde-bench-XXXXXX";
    if (!getenv("SONDE_SPOOL_DIR") && mkdtemp(spool)) {
        setenv("SONDE_SPOOL_DIR", spool, 1);
    }
    setenv("SONDE_SOCKET", "", 1);
    measure(before_start, wanted);
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++) {
        sonde_options o = SONDE_OPTIONS_INIT;
        o.service = "bench";
        o.settings = phases[i].settings;
        if (sonde_init(&o) != 0) {
            fprintf(stderr, "%s\n", sonde_last_problem());
            return 1;
        }
        if (phases[i].start) {
            phases[i].start();
        }
        measure(phases[i].cases, wanted);
        sonde_shutdown(FLUSH_MS);
    }
    printf("captured %u\n", atomic_load(&captured));
    return 0;
}
