/* What an operation costs its thread: begin and complete, alone and from 8 threads at once, in CPU
 * time of the threads; beside two bare clock reads, and a mutex around the counts. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sonde/operation.h"

enum { THREADS = 8, ROUNDS = 5, CALLS = 2000000 };

static sonde_operation *operation;

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void run_pair(int n)
{
    for (int i = 0; i < n; i++) {
        sonde_tracker t = sonde_operation_begin(operation);
        sonde_operation_complete(&t);
    }
}

static void run_fail(int n)
{
    for (int i = 0; i < n / 10; i++) {
        for (int k = 0; k < 10; k++) { /* counted as ten */
            sonde_tracker t = sonde_operation_begin(operation);
            sonde_operation_fail(&t, "connection refused");
        }
    }
}

static void run_scope(int n)
{
    for (int i = 0; i < n; i++) {
        SONDE_OPERATION(t, operation);
        sonde_operation_complete(&t);
    }
}

static void run_get(int n)
{
    for (int i = 0; i < n; i++) {
        if (sonde_operation_get("bench", "call") != operation) {
            abort();
        }
    }
}

static void run_clocks(int n)
{
    struct timespec a, b;
    for (int i = 0; i < n; i++) {
        clock_gettime(CLOCK_MONOTONIC, &a);
        clock_gettime(CLOCK_MONOTONIC, &b);
        __asm__ volatile("" : : "r"(&a), "r"(&b) : "memory");
    }
}

/* As a library with one lock does it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    unsigned long count, bucket[64];
    double sum, least, most;
} locked = {.least = 1e9};

static void run_locked(int n)
{
    struct timespec a, b;
    for (int i = 0; i < n; i++) {
        clock_gettime(CLOCK_MONOTONIC, &a);
        clock_gettime(CLOCK_MONOTONIC, &b);
        double s = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) * 1e-9;
        pthread_mutex_lock(&lock);
        locked.count++;
        locked.sum += s;
        locked.least = s < locked.least ? s : locked.least;
        locked.most = s > locked.most ? s : locked.most;
        locked.bucket[(unsigned long)(s * 1e9) % 64]++;
        pthread_mutex_unlock(&lock);
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
    j->run(1000); /* first use */
    double from = cpu_ns();
    j->run(j->n);
    j->ns = (cpu_ns() - from) / j->n;
    return NULL;
}

/* The best of some rounds, as the mean of the threads. */
static double measure(void (*run)(int n), int threads, int n)
{
    double best = 1e9;
    for (int r = 0; r < ROUNDS; r++) {
        struct job jobs[THREADS];
        double sum = 0;
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

int main(void)
{
    const char *settings[] = {"socket=none", NULL};
    sonde_options o = SONDE_OPTIONS_INIT;
    o.service = "bench";
    o.settings = settings;
    if (sonde_init(&o) != 0) {
        o.settings = NULL;
        if (sonde_init(&o) != 0) {
            fprintf(stderr, "%s\n", sonde_last_problem());
            return 1;
        }
    }
    operation = sonde_operation_get("bench", "call");
    double alone = measure(run_pair, 1, CALLS), together = measure(run_pair, THREADS, CALLS / 4);
    printf("operation_ns %.1f\n", alone);
    printf("operation_8_threads_ns %.1f\n", together);
    printf("operation_8_threads_ratio %.2f\n", together / alone);
    printf("operation_scope_ns %.1f\n", measure(run_scope, 1, CALLS));
    printf("operation_fail_ns %.1f\n", measure(run_fail, 1, CALLS));
    printf("operation_get_ns %.1f\n", measure(run_get, 1, CALLS));
    printf("two_clock_reads_ns %.1f\n", measure(run_clocks, 1, CALLS));
    printf("locked_ns %.1f\n", measure(run_locked, 1, CALLS));
    printf("locked_8_threads_ns %.1f\n", measure(run_locked, THREADS, CALLS / 8));
    return sonde_shutdown(1000) == 0 ? 0 : 1;
}
