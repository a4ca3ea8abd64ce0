#include "client/cache/cache.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/core/command.h"
#include "client/core/lost.h"
#include "client/core/setting.h"
#include "client/core/slot.h"
#include "client/core/ticks.h"
#include "client/core/worker.h"

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER; /* additions to the table */
static struct cache *table[CACHE_MAX + 1];                     /* the last one: "other" */
static _Atomic size_t table_n;

size_t cache_count(void)
{
    return atomic_load_explicit(&table_n, memory_order_acquire);
}

struct cache *cache_at(size_t i)
{
    return table[i];
}

struct cache *cache_find(const char *name)
{
    size_t n = cache_count();
    for (size_t i = 0; i < n; i++) {
        if (strcmp(table[i]->name, name) == 0) {
            return table[i];
        }
    }
    return NULL;
}

/* Under the table's lock. */
static struct cache *make(const char *name)
{
    size_t n = cache_count();
    if (n == CACHE_MAX) {
        name = "other";
    }
    struct cache *c = calloc(1, sizeof *c);
    if (!c) {
        lost_add(LOST_METRIC, LOST_MEMORY, 1);
        return NULL;
    }
    memcpy(c->name, name, strlen(name));
    c->number = (uint32_t)n;
    pthread_mutex_init(&c->lock, NULL);
    window_init(&c->seconds, c->second, CACHE_SECONDS);
    window_init(&c->minutes, c->minute, CACHE_MINUTES);
    table[n] = c;
    atomic_store_explicit(&table_n, n + 1, memory_order_release);
    return c;
}

sonde_cache *sonde_cache_get(const char *name)
{
    size_t length = name ? strnlen(name, CACHE_NAME_MAX) : 0;
    if (!module_on || !length || length == CACHE_NAME_MAX) {
        return NULL;
    }
    module_wake();
    struct cache *c = cache_find(name);
    if (!c) {
        pthread_mutex_lock(&table_lock);
        c = cache_find(name);
        if (!c && cache_count() > CACHE_MAX) {
            c = table[CACHE_MAX];
        } else if (!c) {
            c = make(name);
        }
        if (c && c->number == CACHE_MAX) {
            lost_add(LOST_METRIC, LOST_QUEUE_FULL, 1);
        }
        pthread_mutex_unlock(&table_lock);
    }
    return (sonde_cache *)c;
}

static bool on(const sonde_cache *cache)
{
    return cache && atomic_load_explicit(&module_on, memory_order_relaxed);
}

/* The thread's first use of these sixteen caches. */
static __attribute__((noinline)) struct cache_cell *cell_slowly(struct slot *s, uint32_t number)
{
    struct cache_part *part = s->part[SLOT_CACHE];
    if (!part) {
        part = calloc(1, sizeof *part);
        if (!part) {
            lost_add(LOST_METRIC, LOST_MEMORY, 1);
            return NULL;
        }
        slot_publish(s, SLOT_CACHE, part);
    }
    struct cache_cell *chunk = calloc(CACHE_CHUNK, sizeof *chunk);
    if (!chunk) {
        lost_add(LOST_METRIC, LOST_MEMORY, 1);
        return NULL;
    }
    atomic_store_explicit(&part->chunk[number / CACHE_CHUNK], chunk, memory_order_release);
    return &chunk[number % CACHE_CHUNK];
}

static inline struct cache_cell *cell_of(const sonde_cache *cache)
{
    if (__builtin_expect(!on(cache), 0)) {
        return NULL;
    }
    struct slot *s = slot_mine();
    if (__builtin_expect(!s, 0)) {
        return NULL;
    }
    uint32_t number = ((const struct cache *)cache)->number;
    struct cache_part *part = s->part[SLOT_CACHE];
    if (__builtin_expect(part != NULL, 1)) {
        struct cache_cell *chunk =
            atomic_load_explicit(&part->chunk[number / CACHE_CHUNK], memory_order_relaxed);
        if (__builtin_expect(chunk != NULL, 1)) {
            return &chunk[number % CACHE_CHUNK];
        }
    }
    return cell_slowly(s, number);
}

void sonde_cache_hit(sonde_cache *cache)
{
    struct cache_cell *cell = cell_of(cache);
    if (cell) {
        slot_add_u64(&cell->hits, 1);
    }
}

void sonde_cache_miss(sonde_cache *cache)
{
    struct cache_cell *cell = cell_of(cache);
    if (cell) {
        slot_add_u64(&cell->misses, 1);
    }
}

void sonde_cache_evict(sonde_cache *cache, uint64_t entries)
{
    struct cache_cell *cell = cell_of(cache);
    if (cell) {
        slot_add_u64(&cell->evictions, entries);
    }
}

static void raise_peak(_Atomic int64_t *peak, int64_t value)
{
    int64_t was = atomic_load_explicit(peak, memory_order_relaxed);
    while (value > was && !atomic_compare_exchange_weak_explicit(
                              peak, &was, value, memory_order_relaxed, memory_order_relaxed)) {
    }
}

static void level_set(_Atomic int64_t *level, _Atomic int64_t *peak, int64_t value)
{
    atomic_store_explicit(level, value, memory_order_relaxed);
    raise_peak(peak, value);
}

static void level_add(_Atomic int64_t *level, _Atomic int64_t *peak, int64_t difference)
{
    /* Unsigned, since what a caller adds up may wrap. */
    uint64_t was = (uint64_t)atomic_fetch_add_explicit(level, difference, memory_order_relaxed);
    raise_peak(peak, (int64_t)(was + (uint64_t)difference));
}

void sonde_cache_entries_set(sonde_cache *cache, int64_t entries)
{
    struct cache *c = (struct cache *)cache;
    if (on(cache)) {
        level_set(&c->entries, &c->entries_peak, entries);
    }
}

void sonde_cache_entries_add(sonde_cache *cache, int64_t difference)
{
    struct cache *c = (struct cache *)cache;
    if (on(cache)) {
        level_add(&c->entries, &c->entries_peak, difference);
    }
}

void sonde_cache_bytes_set(sonde_cache *cache, int64_t bytes)
{
    struct cache *c = (struct cache *)cache;
    if (on(cache)) {
        level_set(&c->bytes, &c->bytes_peak, bytes);
    }
}

void sonde_cache_bytes_add(sonde_cache *cache, int64_t difference)
{
    struct cache *c = (struct cache *)cache;
    if (on(cache)) {
        level_add(&c->bytes, &c->bytes_peak, difference);
    }
}

void sonde_cache_allocated_set(sonde_cache *cache, int64_t bytes)
{
    if (on(cache)) {
        atomic_store_explicit(&((struct cache *)cache)->allocated, bytes, memory_order_relaxed);
    }
}

double cache_fragmentation(const struct cache *c)
{
    double allocated = (double)atomic_load_explicit(&c->allocated, memory_order_relaxed);
    double used = (double)atomic_load_explicit(&c->bytes, memory_order_relaxed);
    if (allocated <= 0) {
        return (double)NAN;
    }
    return used >= allocated ? 0 : used <= 0 ? 1 : 1 - used / allocated;
}

/* Keeps the lookup where it is among the slowest. */
static void keep_slow(struct cache *c, bool hit, double seconds, const char *key)
{
    atomic_fetch_add_explicit(&c->slow, 1, memory_order_relaxed);
    pthread_mutex_lock(&c->lock);
    size_t at = c->slowest_n;
    while (at > 0 && c->slowest[at - 1].seconds < seconds) {
        at--;
    }
    if (at < CACHE_SLOWEST) {
        c->slowest_n += c->slowest_n < CACHE_SLOWEST;
        memmove(&c->slowest[at + 1], &c->slowest[at], (c->slowest_n - at - 1) * sizeof *c->slowest);
        sonde_cache_slow *s = &c->slowest[at];
        *s = (sonde_cache_slow){.seconds = seconds, .unix_ns = ticks_unix_now_ns(), .hit = hit};
        size_t n = key ? strnlen(key, CACHE_KEY_MAX - 1) : 0;
        memcpy(s->key, key ? key : "", n);
    }
    pthread_mutex_unlock(&c->lock);
}

static struct buckets *times_of(struct cache *c, struct cache_cell *cell)
{
    struct buckets *b = atomic_load_explicit(&cell->times, memory_order_relaxed);
    if (!b) {
        b = calloc(1, sizeof *b);
        if (!b) {
            lost_add(LOST_METRIC, LOST_MEMORY, 1);
            return NULL;
        }
        atomic_store_explicit(&cell->times, b, memory_order_release);
        atomic_store_explicit(&c->timed, true, memory_order_relaxed);
    }
    return b;
}

static void record(struct cache *c, bool hit, double seconds, const char *key)
{
    struct cache_cell *cell = cell_of((sonde_cache *)c);
    if (!cell) {
        return;
    }
    slot_add_u64(hit ? &cell->hits : &cell->misses, 1);
    struct buckets *b = times_of(c, cell);
    if (b) {
        buckets_observe(b, seconds);
    }
    uint64_t from_ns = atomic_load_explicit(&c->slow_from_ns, memory_order_relaxed);
    double from = atomic_load_explicit(&setting.cache_slow_ms, memory_order_relaxed);
    from = from_ns ? (double)from_ns / 1e9 : from / 1e3;
    if (__builtin_expect(seconds >= from, 0)) {
        keep_slow(c, hit, seconds, key);
    }
}

void sonde_cache_record(sonde_cache *cache, bool hit, double seconds, const char *key)
{
    if (on(cache) && seconds >= 0 && isfinite(seconds)) {
        record((struct cache *)cache, hit, seconds, key);
    }
}

sonde_cache_lookup sonde_cache_begin(sonde_cache *cache)
{
    sonde_cache_lookup l = {NULL, 0};
    if (on(cache)) {
        l.cache = cache;
        l.start = ticks_now();
    }
    return l;
}

void sonde_cache_end(sonde_cache_lookup *lookup, bool hit, const char *key)
{
    if (lookup && on(lookup->cache)) {
        uint64_t now = ticks_now();
        uint64_t took = now > lookup->start ? now - lookup->start : 0;
        record((struct cache *)lookup->cache, hit, (double)ticks_ns(took) / 1e9, key);
        lookup->cache = NULL; /* a second end counts nothing */
    }
}

void sonde_cache_slow_after(sonde_cache *cache, double seconds)
{
    if (on(cache) && seconds >= 0 && seconds < 1e9) {
        uint64_t ns = (uint64_t)(seconds * 1e9);
        atomic_store_explicit(&((struct cache *)cache)->slow_from_ns, ns ? ns : 1,
                              memory_order_relaxed);
    }
}

struct summing {
    const struct cache *c;
    struct cache_totals *totals;
    struct buckets_sum *times;
    bool begun;
};

static void add_cell(const struct cache_cell *cell, const struct summing *s)
{
    s->totals->hits += atomic_load_explicit(&cell->hits, memory_order_relaxed);
    s->totals->misses += atomic_load_explicit(&cell->misses, memory_order_relaxed);
    s->totals->evictions += atomic_load_explicit(&cell->evictions, memory_order_relaxed);
    const struct buckets *b = atomic_load_explicit(&cell->times, memory_order_acquire);
    if (b && s->times) {
        buckets_fold(b, s->times);
    }
}

static void add_part(void *pointer, const struct slot *slot, void *context)
{
    struct summing *s = context;
    struct cache_part *part = pointer;
    if (!s->begun) { /* here, since threads retire under the mutex that is held now */
        s->begun = true;
        add_cell(&s->c->retired, s);
    }
    const struct cache_cell *chunk =
        atomic_load_explicit(&part->chunk[s->c->number / CACHE_CHUNK], memory_order_acquire);
    if (chunk) {
        add_cell(&chunk[s->c->number % CACHE_CHUNK], s);
    }
}

void cache_sum(struct cache *c, struct cache_totals *ret, struct buckets_sum *times)
{
    struct summing s = {c, ret, times, false};
    *ret = (struct cache_totals){0};
    if (times) {
        memset(times, 0, sizeof *times);
    }
    slot_each(SLOT_CACHE, add_part, &s);
}

static void fold_times(struct buckets *from, struct cache *into)
{
    struct buckets *to = times_of(into, &into->retired);
    if (to) {
        slot_add_u64(&to->count, from->count);
        slot_add_u64(&to->zero, from->zero);
        slot_add_double(&to->sum, from->sum);
        for (size_t i = 0; i < BUCKETS_N; i++) {
            slot_add_u64(&to->bucket[i], from->bucket[i]);
        }
    }
    buckets_clear(from);
}

/* A thread has ended: its counts belong to the caches from now on. */
static void retire(void *pointer)
{
    struct cache_part *part = pointer;
    for (size_t i = 0; i < cache_count(); i++) {
        struct cache_cell *chunk = part->chunk[i / CACHE_CHUNK];
        if (chunk) {
            struct cache_cell *cell = &chunk[i % CACHE_CHUNK], *into = &table[i]->retired;
            slot_add_u64(&into->hits, cell->hits);
            slot_add_u64(&into->misses, cell->misses);
            slot_add_u64(&into->evictions, cell->evictions);
            cell->hits = cell->misses = cell->evictions = 0;
            if (cell->times) {
                fold_times(cell->times, table[i]);
            }
        }
    }
}

static void tick_all(void *unused)
{
    uint64_t now = ticks_monotonic_ns();
    for (size_t i = 0; i < cache_count(); i++) {
        cache_tick(table[i], now);
    }
}

static struct worker_task task = {.name = "cache", .run = tick_all, .period_ns = 1000000000};
static struct source source = {.name = "cache", .write = cache_write};

static int start(char *problem)
{
    static struct command command = {
        "caches",
        "[NAME] | reset [NAME]",
        "Caches: hits, memory, response times, thresholds, the slowest lookups.",
        COMMAND_VIEWER,
        cache_answer,
        NULL};
    slot_on_retire(SLOT_CACHE, retire);
    command_add(&command);
    worker_task_add(&task);
    source_add(&source);
    return 0;
}

static void stop(void)
{
    source_remove(&source);
    worker_task_remove(&task);
}

static void fork_child(void)
{
    pthread_mutex_init(&table_lock, NULL); /* their holders may not be in the child */
    for (size_t i = 0; i < cache_count(); i++) {
        pthread_mutex_init(&table[i]->lock, NULL);
        cache_forget(table[i]);
    }
}

const struct module cache_module = {
    .name = "cache", .start = start, .stop = stop, .fork_child = fork_child};
