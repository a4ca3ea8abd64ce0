/* What a span costs its thread: start, four attributes, end; alone and from 8 threads at once, in
 * CPU time of the threads. What is not kept: a child in a trace that is not kept, its root, a
 * program without the library's start; logs and breadcrumbs beside them.
 *
 * The rings are emptied between the rounds, which the clock does not count: a round fits a ring. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sonde/log.h"
#include "sonde/span.h"

enum { THREADS = 8, ROUNDS = 40, CALLS = 4000, CHEAP = 2000000 };

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void run_spans(int n)
{
    for (int i = 0; i < n; i++) {
        sonde_span *s = sonde_span_start("GET /cart", SONDE_SPAN_SERVER);
        sonde_span_set_string(s, "http.request.method", "GET");
        sonde_span_set_int(s, "http.response.status_code", 200);
        sonde_span_set_double(s, "load", 0.5);
        sonde_span_set_bool(s, "cached", true);
        sonde_span_end(s);
    }
}

static void run_disabled_logs(int n)
{
    for (int i = 0; i < n; i++) {
        sonde_log(SONDE_LEVEL_DEBUG, "bench", "%d", i);
    }
}

static void run_breadcrumbs(int n)
{
    sonde_attr a = sonde_attr_int("status", 200);
    for (int i = 0; i < n; i++) {
        sonde_breadcrumb(SONDE_LEVEL_INFO, "http", "GET /cart", &a, 1);
    }
}

struct job {
    pthread_t thread;
    void (*run)(int n);
    int n;
    double ns;
};

static void *run_job(void *context)
{
    struct job *j = context;
    j->run(100); /* first use */
    double from = cpu_ns();
    j->run(j->n);
    j->ns = (cpu_ns() - from) / j->n;
    return NULL;
}

/* The best of some rounds, as the mean of the threads. */
static double measure(void (*run)(int n), int threads, int n, int rounds)
{
    double best = 1e9;
    for (int r = 0; r < rounds; r++) {
        struct job jobs[THREADS];
        double sum = 0;
        sonde_flush(1000);
        for (int i = 0; i < threads; i++) {
            jobs[i] = (struct job){.run = run, .n = n};
            pthread_create(&jobs[i].thread, NULL, run_job, &jobs[i]);
        }
        for (int i = 0; i < threads; i++) {
            pthread_join(jobs[i].thread, NULL);
            sum += jobs[i].ns;
        }
        best = sum / threads < best ? sum / threads : best;
    }
    return best;
}

static void run_unsampled_children(int n)
{
    char answer[200];
    sonde_query("sampling 0", answer, sizeof answer, NULL);
    sonde_span *root = sonde_span_start("root", SONDE_SPAN_SERVER);
    run_spans(n);
    sonde_span_end(root);
}

int main(void)
{
    const char *settings[] = {"socket=none", "trace.ring_bytes=4194304",
                              "export.interval_ms=3600000", NULL};
    sonde_options o = SONDE_OPTIONS_INIT;
    o.service = "bench";
    o.settings = settings;
    printf("span_off_ns %.2f\n", measure(run_spans, 1, CHEAP, 5));
    if (sonde_init(&o) != 0) {
        fprintf(stderr, "%s\n", sonde_last_problem());
        return 1;
    }
    double alone = measure(run_spans, 1, CALLS, ROUNDS);
    double together = measure(run_spans, THREADS, CALLS, ROUNDS);
    printf("span_4_attributes_ns %.1f\n", alone);
    printf("span_8_threads_ns %.1f\n", together);
    printf("span_8_threads_ratio %.2f\n", together / alone);
    printf("log_disabled_ns %.2f\n", measure(run_disabled_logs, 1, CHEAP, 5));
    printf("breadcrumb_ns %.1f\n", measure(run_breadcrumbs, 1, CHEAP / 10, 5));
    printf("span_disabled_ns %.2f\n", measure(run_unsampled_children, 1, CHEAP, 5));
    printf("span_not_sampled_root_ns %.1f\n", measure(run_spans, 1, CHEAP / 10, 5));
    return sonde_shutdown(1000) == 0 ? 0 : 1;
}
