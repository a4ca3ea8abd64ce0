/* How much processor time the way from a remote-write body to the log takes, step by step.
 *
 * usage: bench.daemon.ingest DIR FILE...   FILE: [u32 length][u32 samples][snappy body] again and
 * again; DIR: a data directory. One thread per file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/must.h"
#include "codec/rw1.h"
#include "os/thread.h"
#include "pack/snappy.h"
#include "store/series/store.h"

enum { FEEDS_MAX = 8, BODY_MAX = 64 << 20 };

struct feed {
    const char *path;
    struct sink *sink;
    size_t lane;
    struct thread thread;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done;
    uint64_t samples;
    int64_t unpack_ns, scan_ns, append_ns;
};

static void committed(void *context, int err)
{
    struct feed *f = context;
    must(err == 0);
    thread_lock(&f->lock);
    f->done = true;
    thread_wake(&f->cond);
    thread_unlock(&f->lock);
}

static void commit(struct feed *f)
{
    f->done = false;
    f->sink->ops->commit(f->sink, f->lane, committed, f);
    thread_lock(&f->lock);
    while (!f->done)
        thread_wait(&f->cond, &f->lock);
    thread_unlock(&f->lock);
}

static void append_all(struct feed *f, struct tenant *t, struct rw1_reader *r, struct str bytes)
{
    static _Thread_local struct batch b;
    static _Thread_local struct sides sides;
    struct why why = {0};
    rw1_begin(r, bytes);
    for (;;) {
        int64_t t0 = thread_cpu_ns();
        int got = rw1_next(r, &b, &sides, &why);
        int64_t t1 = thread_cpu_ns();
        f->scan_ns += t1 - t0;
        must(got >= 0);
        if (got == 0)
            return;
        int taken = f->sink->ops->append(f->sink, f->lane, t, &b, &why);
        if (taken != (int)b.n)
            fprintf(stderr, "%d of %zu: %s\n", taken, b.n, why.text);
        f->append_ns += thread_cpu_ns() - t1;
        f->samples += (uint64_t)MAX(taken, 0);
    }
}

static void feed(void *context)
{
    struct feed *f = context;
    struct tenant *t;
    struct rw1_reader reader;
    uint32_t head[2];
    uint8_t *out = mem_raw(BODY_MAX + SNAPPY_SLACK);
    char *body = mem_raw(BODY_MAX);
    FILE *in = fopen(f->path, "rb");
    must(in != NULL);
    must(f->sink->ops->tenant(f->sink, STR("default"), &t, NULL) == 0);
    rw1_init(&reader);
    while (fread(head, sizeof head, 1, in) == 1) {
        size_t n;
        must(head[0] <= BODY_MAX && fread(body, head[0], 1, in) == 1);
        int64_t t0 = thread_cpu_ns();
        must(snappy_length(str_of(body, head[0]), &n) == 0 && n <= BODY_MAX);
        must(snappy_decode(str_of(body, head[0]), out, n) == 0);
        f->unpack_ns += thread_cpu_ns() - t0;
        append_all(f, t, &reader, str_of((char *)out, n));
        commit(f);
    }
    rw1_done(&reader);
    mem_free(body);
    mem_free(out);
    fclose(in);
}

static double process_cpu(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void warn(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "warn: %s\n", text);
}

static void print_stats(struct store *store, const char *when)
{
    struct store_stats s;
    long rss = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f) {
        must(fscanf(f, "%*s %ld", &rss) == 1);
        fclose(f);
    }
    store_stats(store, &s);
    printf("%s: %llu series, %llu samples in the head, head %.1f MB, log %.1f MB, %llu parts of "
           "%.2f MB, RSS %.1f MB\n",
           when, (unsigned long long)s.series, (unsigned long long)s.samples_in_head,
           (double)s.head_bytes / 1e6, (double)s.log_bytes / 1e6, (unsigned long long)s.parts,
           (double)s.bytes_on_disk / 1e6, (double)rss * 4096 / 1e6);
}

static void run_feeds(struct store *store, char **paths, int n)
{
    struct feed feeds[FEEDS_MAX] = {0}, sum = {0};
    double cpu = process_cpu(), wall = (double)clock_monotonic_ns(&clock_real) / 1e9;
    for (int i = 0; i < n; i++) {
        feeds[i] = (struct feed){.path = paths[i], .sink = store_sink(store), .lane = (size_t)i};
        thread_lock_init(&feeds[i].lock);
        thread_cond_init(&feeds[i].cond);
        thread_start(&feeds[i].thread, "feed", feed, &feeds[i]);
    }
    for (int i = 0; i < n; i++) {
        thread_join(&feeds[i].thread);
        sum.samples += feeds[i].samples;
        sum.unpack_ns += feeds[i].unpack_ns;
        sum.scan_ns += feeds[i].scan_ns;
        sum.append_ns += feeds[i].append_ns;
    }
    double samples = (double)MAX(sum.samples, 1u);
    cpu = process_cpu() - cpu;
    wall = (double)clock_monotonic_ns(&clock_real) / 1e9 - wall;
    printf("%.0f samples, %.2f s, %.2f cpu-s: %.2f M samples a cpu-second; ns a sample: unpack "
           "%.1f, scan %.1f, append %.1f\n",
           samples, wall, cpu, samples / cpu / 1e6, (double)sum.unpack_ns / samples,
           (double)sum.scan_ns / samples, (double)sum.append_ns / samples);
}

static void step(struct store *store, const char *what, int (*f)(struct store *, struct why *))
{
    struct why why = {0};
    double cpu = process_cpu(), wall = (double)clock_monotonic_ns(&clock_real) / 1e9;
    if (f(store, &why))
        fprintf(stderr, "%s: %s\n", what, why.text);
    printf("%s: %.2f s, %.2f cpu-s\n", what, (double)clock_monotonic_ns(&clock_real) / 1e9 - wall,
           process_cpu() - cpu);
    print_stats(store, what);
}

static int merge(struct store *store, struct why *why)
{
    return store_merge(store, true, why);
}

int main(int argc, char **argv)
{
    struct why why = {0};
    struct disk *disk;
    struct store_settings settings;
    struct store *store;
    if (argc < 2 || argc > 2 + FEEDS_MAX)
        return fprintf(stderr, "usage: %s DIR FILE...\n", argv[0]), 2;
    if (mkdir(argv[1], 0700)) {
        /* It may be there already: opening it tells. */
    }
    store_settings_init(&settings);
    settings.acknowledge = getenv("APPENDED") ? "appended" : "durable";
    settings.out_of_order_window_s = 100000000;
    if (getenv("FLUSH"))
        settings.flush_samples_max = strtoll(getenv("FLUSH"), NULL, 10);
    must(disk_real_open(argv[1], &disk, &why) == 0);
    struct store_config config = {.disk = disk,
                                  .clock = &clock_real,
                                  .settings = &settings,
                                  .lanes = FEEDS_MAX,
                                  .warn = warn};
    double wall = (double)clock_monotonic_ns(&clock_real) / 1e9, cpu = process_cpu();
    if (store_open(&config, &store, &why))
        return fprintf(stderr, "%s\n", why.text), 1;
    printf("open: %.3f s, %.3f cpu-s\n", (double)clock_monotonic_ns(&clock_real) / 1e9 - wall,
           process_cpu() - cpu);
    print_stats(store, "open");
    run_feeds(store, argv + 2, argc - 2);
    print_stats(store, "fed");
    if (getenv("KILL")) { /* ends without a flush, as kill -9 would */
        fflush(stdout);
        _Exit(0);
    }
    step(store, "flush", store_flush);
    step(store, "merge", merge);
    store_close(store);
    disk_free(disk);
    return 0;
}
