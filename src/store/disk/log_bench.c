/* How fast the log commits on the directory of the first argument (default "."): one small commit
 * after the other, and batches of 2000 samples at 3 bytes with several commits on their way.
 *
 *   bench.store.disk.log DIR [encrypted]
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "os/thread.h"
#include "store/disk/log.h"

enum { SECONDS = 2, SAMPLES = 2000, SAMPLE_BYTES = 3, ON_THEIR_WAY = 8 };

static _Atomic uint64_t answered;

static void done(void *context, int err)
{
    if (err)
        abort();
    atomic_fetch_add(&answered, 1);
}

static void put(struct log *l, const void *p, size_t n)
{
    uint64_t segment;
    if (log_enter(l, 0, &segment) || log_append(l, 0, 1, p, n))
        abort();
    log_commit(l, 0, done, NULL);
    log_leave(l, 0);
}

static void measure(struct log *l, const char *what, size_t bytes, uint64_t open_max)
{
    static uint8_t record[SAMPLES * SAMPLE_BYTES];
    int64_t start = clock_monotonic_ns(&clock_real), cpu = 0, now;
    uint64_t n = 0, before = log_stats(l).commits;
    atomic_store(&answered, 0);
    do {
        int64_t from = thread_cpu_ns();
        put(l, record, bytes);
        cpu += thread_cpu_ns() - from;
        n++;
        while (n - atomic_load(&answered) >= open_max)
            sched_yield();
        now = clock_monotonic_ns(&clock_real);
    } while (now - start < (int64_t)SECONDS * 1000000000);
    while (atomic_load(&answered) < n)
        sched_yield();
    double seconds = (double)(clock_monotonic_ns(&clock_real) - start) / 1e9;
    printf("%s: %.0f records/s, %.0f commits/s, %.1f MB/s, writer %.2f us CPU a record\n", what,
           (double)n / seconds, (double)(log_stats(l).commits - before) / seconds,
           (double)(n * bytes) / seconds / 1e6, (double)cpu / 1e3 / (double)n);
}

int main(int argc, char **argv)
{
    struct disk *d;
    struct log *l;
    struct keyring *ring = NULL;
    struct why why;
    struct log_settings settings = {.lanes = 1};
    if (disk_real_open(argc > 1 ? argv[1] : ".", &d, &why) ||
        (argc > 2 &&
         keyring_parse(STR("a 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"),
                       "bench", &ring, &why)) ||
        log_open(d, "log-bench", ring, &settings, &l, &why)) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    measure(l, "one small commit after the other", 100, 1);
    measure(l, "2000 samples a record, 8 open", SAMPLES * SAMPLE_BYTES, ON_THEIR_WAY);
    log_close(l);
    int err = disk_remove_tree(d, "log-bench");
    keyring_free(ring);
    disk_free(d);
    return err ? 1 : 0;
}
