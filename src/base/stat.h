/* base/stat.h - what the daemon counts about itself.
 *
 * A module declares its metrics as static structs, registers them once when it opens and then adds
 * to them from any thread. They come out of stat_each() as sonde_* series: on /metrics and through
 * the self collector.
 *
 *   static struct stat writes = STAT_COUNTER("sonde_log_writes_total", "Group commits written.");
 *   stat_register(&writes);
 *   stat_add(&writes, 1);
 *
 * Threads: any; relaxed atomics.
 */
#ifndef BASE_STAT_H
#define BASE_STAT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stat_type { STAT_TYPE_COUNTER, STAT_TYPE_GAUGE, STAT_TYPE_HISTOGRAM };

enum { STAT_BUCKETS = 17 }; /* upper bounds in stat_bounds, the last one +Inf */

/* Seconds: 50 us to 10 s. */
extern const double stat_bounds[STAT_BUCKETS];

/* Other bounds than those, with their texts. */
struct stat_bounds {
    double v[STAT_BUCKETS];
    const char *texts[STAT_BUCKETS];
};

/* 1 s to 4 h: for what people wait for. */
extern const struct stat_bounds stat_bounds_long;

struct stat {
    const char *name, *help;
    const char *labels; /* text between the braces of the exposition format, "" for none */
    enum stat_type type;
    const struct stat_bounds *bounds;       /* histogram: NULL for stat_bounds */
    _Atomic uint64_t value;                 /* counter: events; gauge: bits of a double */
    _Atomic uint64_t buckets[STAT_BUCKETS]; /* histogram: not cumulative */
    _Atomic uint64_t sum_ns;                /* histogram */
    struct stat *_Atomic next;              /* registry */
    _Atomic bool registered, hidden;
};

#define STAT_OF(n, l, h, t)                                                                        \
    {                                                                                              \
        .name = (n), .help = (h), .labels = (l), .type = (t)                                       \
    }
#define STAT_COUNTER(n, h)         STAT_OF(n, "", h, STAT_TYPE_COUNTER)
#define STAT_COUNTER_OF(n, l, h)   STAT_OF(n, l, h, STAT_TYPE_COUNTER)
#define STAT_GAUGE(n, h)           STAT_OF(n, "", h, STAT_TYPE_GAUGE)
#define STAT_GAUGE_OF(n, l, h)     STAT_OF(n, l, h, STAT_TYPE_GAUGE)
#define STAT_HISTOGRAM(n, h)       STAT_OF(n, "", h, STAT_TYPE_HISTOGRAM)
#define STAT_HISTOGRAM_OF(n, l, h) STAT_OF(n, l, h, STAT_TYPE_HISTOGRAM)

/* Makes s visible to stat_each(); again is fine. s (and its texts) live as long as the process. */
void stat_register(struct stat *s);

/* Leaves s out of stat_each(), or shows it again: for what is gone but may come back. */
void stat_hide(struct stat *s, bool hidden);

static inline void stat_add(struct stat *s, uint64_t n)
{
    atomic_fetch_add_explicit(&s->value, n, memory_order_relaxed);
}

static inline uint64_t stat_count(const struct stat *s)
{
    return atomic_load_explicit(&s->value, memory_order_relaxed);
}

void stat_set(struct stat *s, double value); /* gauges */
double stat_gauge(const struct stat *s);
void stat_observe(struct stat *s, int64_t ns); /* histograms of durations */

/* One value as the exposition format shows it; a histogram gives its _bucket, _sum, _count. */
struct stat_sample {
    const char *family; /* name without suffix */
    const char *suffix; /* "", "_bucket", "_sum", "_count" */
    const char *help;
    const char *labels; /* the stat's own */
    const char *le;     /* "" or the bound of a bucket */
    enum stat_type type;
    double value;
};

/* Calls f for every value of every registered stat, family by family. */
void stat_each(void (*f)(void *context, const struct stat_sample *s), void *context);

#endif
