/* client/error/error_bench.c - what a capture costs its thread: kept, left out as alike, left out
 * by the limits; and what the library adds to the resident set.
 *
 * usage: bench.client.error.error [ROUNDS]
 */
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sonde/error.h"

static double now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Twenty frames deep, as programs are. */
__attribute__((noinline)) static sonde_error_ref deep(int depth, const char *type)
{
    sonde_error_ref ref = depth ? deep(depth - 1, type)
                                : sonde_error_capture(SONDE_LEVEL_ERROR, type,
                                                      "connection 17 to the store was refused");
    __asm__ volatile("" ::: "memory"); /* no tail call */
    return ref;
}

static long resident_kib(void)
{
    long pages = 0, size = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%ld %ld", &size, &pages) != 2) {
        pages = 0;
    }
    if (f) {
        fclose(f);
    }
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static char folder[96];

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *place)
{
    (void)st;
    (void)kind;
    (void)place;
    return remove(path);
}

static void start(const char *dedup, const char *limit, const char *alike)
{
    snprintf(folder, sizeof folder, "spool.dir=/tmp/sonde-error-bench-%d", (int)getpid());
    const char *settings[] = {"socket=", folder, dedup, limit, alike, NULL};
    sonde_options o = SONDE_OPTIONS_INIT;
    o.service = "bench";
    o.settings = settings;
    if (sonde_init(&o)) {
        fprintf(stderr, "%s\n", sonde_last_problem());
        exit(1);
    }
    sonde_error_before_send(NULL, NULL);
}

static bool none(sonde_error_event *event, void *user)
{
    (void)event;
    (void)user;
    return false;
}

/* The kept ones, one by one: the worker is given time, so that the queue never fills. */
static void kept(int rounds)
{
    start("error.dedup_ms=0", "error.per_second_max=0", "error.alike_per_minute_max=0");
    sonde_error_before_send(none, NULL); /* the worker's part is not what is measured */
    double *took = calloc((size_t)rounds, sizeof *took);
    int n = 0;
    for (int i = 0; took && i < rounds; i++) {
        double begin = now_ns();
        sonde_error_ref ref = deep(20, "BenchError");
        double end = now_ns();
        if (ref) {
            took[n++] = end - begin;
        }
        usleep(300);
    }
    if (n) {
        qsort(took, (size_t)n, sizeof *took, by_value);
        printf("error_capture_ns median %.0f p99 %.0f kept %d of %d\n", took[n / 2],
               took[n * 99 / 100], n, rounds);
    }
    free(took);
    sonde_shutdown(2000);
}

static void dropped(const char *name, const char *dedup, const char *limit, int rounds)
{
    start(dedup, limit, "error.alike_per_minute_max=0");
    (void)deep(20, "BenchError");
    (void)deep(20, "BenchError");
    double begin = now_ns();
    for (int i = 0; i < rounds; i++) {
        (void)sonde_error_capture(SONDE_LEVEL_ERROR, "BenchError",
                                  "connection 17 to the store was refused");
    }
    printf("%s_ns %.0f\n", name, (now_ns() - begin) / rounds);
    sonde_shutdown(2000);
}

enum { THREADS = 8, THREAD_ROUNDS = 200000 };

static void *drop_many(void *took)
{
    double begin = now_ns();
    for (int i = 0; i < THREAD_ROUNDS; i++) {
        (void)sonde_error_capture(SONDE_LEVEL_ERROR, "BenchError",
                                  "connection 17 to the store was refused");
    }
    *(double *)took = (now_ns() - begin) / THREAD_ROUNDS;
    return NULL;
}

/* The same error from eight threads at once: the most that they can be in each other's way. */
static void dropped_by_many(void)
{
    start("error.dedup_ms=60000", "error.per_second_max=10", "error.alike_per_minute_max=0");
    pthread_t threads[THREADS];
    double took[THREADS] = {0}, all = 0;
    int n = 0;
    while (n < THREADS && pthread_create(&threads[n], NULL, drop_many, &took[n]) == 0) {
        n++;
    }
    for (int i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
        all += took[i];
    }
    printf("error_deduplicated_8_threads_ns %.0f\n", n ? all / n : 0);
    sonde_shutdown(2000);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 2000;
    long before = resident_kib();
    kept(rounds);
    printf("error_resident_kib %ld\n", resident_kib() - before);
    dropped("error_deduplicated", "error.dedup_ms=60000", "error.per_second_max=10", 1000000);
    dropped("error_limited", "error.dedup_ms=0", "error.per_second_max=1", 1000000);
    dropped_by_many();
    (void)nftw(folder + sizeof "spool.dir=" - 1, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
