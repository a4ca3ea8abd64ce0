#include "base/stat.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#include "base/bits.h"

const double stat_bounds[STAT_BUCKETS] = {0.00005, 0.0001, 0.00025, 0.0005, 0.001,   0.0025,
                                          0.005,   0.01,   0.025,   0.05,   0.1,     0.25,
                                          0.5,     1,      2.5,     10,     INFINITY};
static const char *const BOUND_TEXTS[STAT_BUCKETS] = {
    "5e-05", "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025",
    "0.05",  "0.1",    "0.25",    "0.5",    "1.0",   "2.5",    "10.0",  "+Inf"};

const struct stat_bounds stat_bounds_long = {
    {1, 2.5, 5, 10, 15, 30, 60, 120, 180, 300, 600, 900, 1800, 3600, 7200, 14400, INFINITY},
    {"1.0", "2.5", "5.0", "10.0", "15.0", "30.0", "60.0", "120.0", "180.0", "300.0", "600.0",
     "900.0", "1800.0", "3600.0", "7200.0", "14400.0", "+Inf"},
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct stat *_Atomic first; /* sorted by name, then labels: families stay together */

void stat_register(struct stat *s)
{
    if (atomic_exchange(&s->registered, true))
        return;

    pthread_mutex_lock(&lock);
    struct stat *_Atomic *at = &first;
    for (struct stat *other; (other = *at) != NULL; at = &other->next) {
        int order = strcmp(other->name, s->name);
        if (order > 0 || (order == 0 && strcmp(other->labels, s->labels) > 0))
            break;
    }
    s->next = *at;
    *at = s;
    pthread_mutex_unlock(&lock);
}

void stat_hide(struct stat *s, bool hidden)
{
    atomic_store_explicit(&s->hidden, hidden, memory_order_relaxed);
}

void stat_set(struct stat *s, double value)
{
    atomic_store_explicit(&s->value, double_bits(value), memory_order_relaxed);
}

double stat_gauge(const struct stat *s)
{
    return bits_double(atomic_load_explicit(&s->value, memory_order_relaxed));
}

void stat_observe(struct stat *s, int64_t ns)
{
    double seconds = (double)ns / 1e9;
    const double *bounds = s->bounds ? s->bounds->v : stat_bounds;
    int i = 0;
    while (seconds > bounds[i])
        i++;
    atomic_fetch_add_explicit(&s->buckets[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->sum_ns, (uint64_t)ns, memory_order_relaxed);
}

static void each_of_histogram(const struct stat *s, struct stat_sample out,
                              void (*f)(void *, const struct stat_sample *), void *context)
{
    const char *const *texts = s->bounds ? s->bounds->texts : BOUND_TEXTS;
    uint64_t total = 0;
    out.suffix = "_bucket";
    for (int i = 0; i < STAT_BUCKETS; i++) {
        total += atomic_load_explicit(&s->buckets[i], memory_order_relaxed);
        out.le = texts[i];
        out.value = (double)total;
        f(context, &out);
    }
    out.le = "";
    out.suffix = "_sum";
    out.value = (double)atomic_load_explicit(&s->sum_ns, memory_order_relaxed) / 1e9;
    f(context, &out);
    out.suffix = "_count";
    out.value = (double)total;
    f(context, &out);
}

void stat_each(void (*f)(void *context, const struct stat_sample *s), void *context)
{
    /* Entries are never taken out, so the list may be walked while others are put in. */
    for (struct stat *s = first; s; s = s->next) {
        if (atomic_load_explicit(&s->hidden, memory_order_relaxed))
            continue;
        struct stat_sample out = {s->name, "", s->help, s->labels, "", s->type, 0};
        if (s->type == STAT_TYPE_HISTOGRAM) {
            each_of_histogram(s, out, f, context);
            continue;
        }
        out.value = s->type == STAT_TYPE_COUNTER ? (double)stat_count(s) : stat_gauge(s);
        f(context, &out);
    }
}
