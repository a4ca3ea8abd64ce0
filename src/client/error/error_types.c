#include "client/error/error_types.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/core/id.h"
#include "client/error/envelope.h"
#include "client/metric/buckets.h"
#include "client/metric/source.h"
#include "sonde/error.h"

enum { PLACES = 256, LEVELS = SONDE_LEVEL_FATAL + 1, OUTCOMES = SONDE_OUTCOME_FATAL + 1, SEED = 3 };

struct type {
    char name[ERROR_TYPE_NAME_MAX];
    _Atomic uint64_t count[LEVELS][OUTCOMES];
    struct buckets *_Atomic recovery; /* made by the worker at the first */
};

static struct type types[ERROR_TYPES_MAX + 1]; /* [0] is "other", all further ones */
static _Atomic uint64_t places[PLACES]; /* hash, its last byte the number of the type; 0: free */
static _Atomic uint32_t types_n;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of new types */

/* The place of a hash: that of its type, or the free one where it would be. */
static _Atomic uint64_t *find(uint64_t hash, uint64_t *ret)
{
    for (size_t i = 0;; i++) { /* a quarter of the places is used at most */
        _Atomic uint64_t *p = &places[((hash >> 8) + i) & (PLACES - 1)];
        *ret = atomic_load_explicit(p, memory_order_acquire);
        if (!*ret || *ret >> 8 == hash >> 8) {
            return p;
        }
    }
}

static uint32_t add(const char *name, uint64_t hash)
{
    uint64_t seen;
    pthread_mutex_lock(&lock);
    _Atomic uint64_t *p = find(hash, &seen);
    uint32_t n = atomic_load_explicit(&types_n, memory_order_relaxed);
    uint32_t type = seen ? (uint32_t)(seen & 255) : 0;
    if (!seen && n < ERROR_TYPES_MAX) {
        type = n + 1;
        snprintf(types[type].name, sizeof types[type].name, "%s", name);
        atomic_store_explicit(&types_n, type, memory_order_release);
        atomic_store_explicit(p, (hash & ~UINT64_C(255)) | type, memory_order_release);
    }
    pthread_mutex_unlock(&lock);
    return type;
}

uint32_t error_types_of(const char *type)
{
    const char *name = type && *type ? type : "message";
    uint64_t hash = id_hash(name, strlen(name), SEED), seen;
    hash |= UINT64_C(1) << 63;
    find(hash, &seen);
    if (seen) {
        return (uint32_t)(seen & 255);
    }
    bool full = atomic_load_explicit(&types_n, memory_order_relaxed) == ERROR_TYPES_MAX;
    return full ? 0 : add(name, hash);
}

const char *error_types_name(uint32_t type)
{
    return type && type <= ERROR_TYPES_MAX ? types[type].name : "other";
}

static int level_of(int level)
{
    return level < 0 ? 0 : level > SONDE_LEVEL_FATAL ? SONDE_LEVEL_FATAL : level;
}

void error_types_count(uint32_t type, int level, int outcome)
{
    if (type <= ERROR_TYPES_MAX && outcome >= 0 && outcome < OUTCOMES) {
        atomic_fetch_add_explicit(&types[type].count[level_of(level)][outcome], 1,
                                  memory_order_relaxed);
    }
}

void error_types_recovered(uint32_t type, double seconds)
{
    struct type *t = &types[type <= ERROR_TYPES_MAX ? type : 0];
    struct buckets *b = atomic_load_explicit(&t->recovery, memory_order_relaxed);
    if (!b) {
        b = calloc(1, sizeof *b);
        atomic_store_explicit(&t->recovery, b, memory_order_release);
    }
    if (b) {
        buckets_observe(b, seconds);
    }
}

const char *error_types_outcome(int outcome)
{
    static const char *const names[OUTCOMES] = {"unknown",   "handled",  "retried",
                                                "recovered", "degraded", "fatal"};
    return outcome < 0 || outcome >= OUTCOMES ? names[0] : names[outcome];
}

static void write_counts(struct source_writer *w, uint32_t type)
{
    const struct type *t = &types[type];
    for (int level = 0; level < LEVELS; level++) {
        for (int outcome = 0; outcome < OUTCOMES; outcome++) {
            uint64_t n = atomic_load_explicit(&t->count[level][outcome], memory_order_relaxed);
            const sonde_label labels[] = {
                {"type", error_types_name(type)},
                {"level", level == SONDE_LEVEL_TRACE ? "trace" : envelope_level(level)},
                {"outcome", error_types_outcome(outcome)},
                {NULL, NULL},
            };
            if (n) {
                source_sample(w, "_total", labels, (double)n);
            }
        }
    }
}

static void write_all(struct source_writer *w, void *context)
{
    uint32_t n = atomic_load_explicit(&types_n, memory_order_acquire);
    source_family(w, "sonde_errors", SOURCE_COUNTER,
                  "Errors that were captured, by how they ended.", NULL);
    for (uint32_t i = 0; i <= n; i++) {
        write_counts(w, i);
    }
    source_family(w, "sonde_error_recovery_seconds", SOURCE_HISTOGRAM,
                  "Time from an error to its known end.", "seconds");
    for (uint32_t i = 0; i <= n; i++) {
        struct buckets *b = atomic_load_explicit(&types[i].recovery, memory_order_acquire);
        if (b) {
            const sonde_label labels[] = {{"type", error_types_name(i)}, {NULL, NULL}};
            struct buckets_sum sum = {0};
            struct source_histogram h;
            buckets_fold(b, &sum);
            buckets_native(&sum, &h);
            source_native(w, labels, &h);
        }
    }
}

static struct source source = {.name = "errors", .write = write_all};

void error_types_start(void)
{
    source_add(&source);
}

void error_types_stop(void)
{
    source_remove(&source);
}

void error_types_reset(void)
{
    pthread_mutex_init(&lock, NULL);
    for (uint32_t i = 0; i <= ERROR_TYPES_MAX; i++) {
        for (int k = 0; k < LEVELS * OUTCOMES; k++) {
            atomic_store_explicit(&types[i].count[k / OUTCOMES][k % OUTCOMES], 0,
                                  memory_order_relaxed);
        }
        struct buckets *b = atomic_load_explicit(&types[i].recovery, memory_order_relaxed);
        if (b) {
            buckets_clear(b);
        }
    }
}
