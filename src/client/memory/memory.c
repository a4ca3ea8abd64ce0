#include "client/memory/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/core/command.h"
#include "client/core/lost.h"
#include "client/core/setting.h"
#include "client/core/slot.h"
#include "client/core/ticks.h"
#include "client/core/worker.h"
#include "client/memory/gc.h"
#include "client/memory/heap.h"

static const uint64_t SECOND_NS = 1000000000;

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER; /* additions; the process's alarm */
static struct memory *table[MEMORY_MAX + 1];                   /* the last one: "other" */
static _Atomic size_t table_n;
static struct alarm *rss_alarm;

size_t memory_count(void)
{
    return atomic_load_explicit(&table_n, memory_order_acquire);
}

struct memory *memory_at(size_t i)
{
    return table[i];
}

static struct memory *find(const char *name)
{
    size_t n = memory_count();
    for (size_t i = 0; i < n; i++) {
        if (strcmp(table[i]->name, name) == 0) {
            return table[i];
        }
    }
    return NULL;
}

/* Under the table's lock. */
static struct memory *make(const char *name)
{
    size_t n = memory_count();
    if (n == MEMORY_MAX) {
        name = "other";
    }
    struct memory *m = calloc(1, sizeof *m);
    if (!m) {
        lost_add(LOST_METRIC, LOST_MEMORY, 1);
        return NULL;
    }
    memcpy(m->name, name, strlen(name));
    m->number = (uint32_t)n;
    pthread_mutex_init(&m->lock, NULL);
    window_init(&m->seconds, m->second, MEMORY_SECONDS);
    table[n] = m;
    atomic_store_explicit(&table_n, n + 1, memory_order_release);
    return m;
}

static bool on(const sonde_memory *memory)
{
    return memory && atomic_load_explicit(&module_on, memory_order_relaxed);
}

sonde_memory *sonde_memory_get(const char *subsystem)
{
    size_t length = subsystem ? strnlen(subsystem, MEMORY_NAME_MAX) : 0;
    if (!module_on || !length || length == MEMORY_NAME_MAX) {
        return NULL;
    }
    module_wake();
    struct memory *m = find(subsystem);
    if (!m) {
        pthread_mutex_lock(&table_lock);
        m = find(subsystem);
        if (!m && memory_count() > MEMORY_MAX) {
            m = table[MEMORY_MAX];
        } else if (!m) {
            m = make(subsystem);
        }
        if (m && m->number == MEMORY_MAX) {
            lost_add(LOST_METRIC, LOST_QUEUE_FULL, 1);
        }
        pthread_mutex_unlock(&table_lock);
    }
    return (sonde_memory *)m;
}

struct memory_part *memory_part_mine(void)
{
    if (__builtin_expect(!atomic_load_explicit(&module_on, memory_order_relaxed), 0)) {
        return NULL;
    }
    struct slot *s = slot_mine();
    struct memory_part *part = s ? s->part[SLOT_MEMORY] : NULL;
    if (__builtin_expect(s && !part, 0)) {
        part = calloc(1, sizeof *part);
        if (part) {
            slot_publish(s, SLOT_MEMORY, part);
        } else {
            lost_add(LOST_METRIC, LOST_MEMORY, 1);
        }
    }
    return part;
}

static inline struct memory_cell *cell_of(struct memory_part *part, uint32_t number)
{
    if (!part) {
        return NULL;
    }
    struct memory_cell *chunk =
        atomic_load_explicit(&part->cell[number / MEMORY_CHUNK], memory_order_relaxed);
    if (__builtin_expect(!chunk, 0)) {
        chunk = calloc(MEMORY_CHUNK, sizeof *chunk);
        if (!chunk) {
            lost_add(LOST_METRIC, LOST_MEMORY, 1);
            return NULL;
        }
        atomic_store_explicit(&part->cell[number / MEMORY_CHUNK], chunk, memory_order_release);
    }
    return &chunk[number % MEMORY_CHUNK];
}

static int64_t plus(int64_t a, int64_t b) /* may wrap: callers' sums are theirs */
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static void raise_peak(struct memory *m, int64_t value)
{
    int64_t was = atomic_load_explicit(&m->peak, memory_order_relaxed);
    while (value > was && !atomic_compare_exchange_weak_explicit(
                              &m->peak, &was, value, memory_order_relaxed, memory_order_relaxed)) {
    }
}

/* The highest that this cell's thread can have seen. */
static int64_t candidate(const struct memory *m, const struct memory_cell *cell)
{
    int64_t base = plus(atomic_load_explicit(&m->flushed, memory_order_relaxed),
                        atomic_load_explicit(&m->recorded, memory_order_relaxed));
    return plus(base, atomic_load_explicit(&cell->pending_peak, memory_order_relaxed));
}

static __attribute__((noinline)) void flush(struct memory *m, struct memory_cell *cell)
{
    raise_peak(m, candidate(m, cell));
    int64_t pending = atomic_load_explicit(&cell->pending, memory_order_relaxed);
    atomic_store_explicit(&cell->pending, 0, memory_order_relaxed);
    atomic_store_explicit(&cell->pending_peak, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&m->flushed, pending, memory_order_relaxed);
}

void memory_count_alloc(uint32_t number, uint32_t site, size_t size)
{
    struct memory *m = table[number];
    struct memory_part *part = memory_part_mine();
    struct memory_cell *cell = cell_of(part, number);
    memory_site_count(part, site, size, false);
    if (__builtin_expect(!cell, 0)) {
        atomic_fetch_add_explicit(&m->shared.allocations, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&m->shared.allocated, size, memory_order_relaxed);
        int64_t before =
            atomic_fetch_add_explicit(&m->flushed, (int64_t)size, memory_order_relaxed);
        raise_peak(m, plus(plus(before, (int64_t)size), atomic_load(&m->recorded)));
        return;
    }
    slot_add_u64(&cell->allocations, 1);
    slot_add_u64(&cell->allocated, size);
    int64_t pending = atomic_load_explicit(&cell->pending, memory_order_relaxed) + (int64_t)size;
    atomic_store_explicit(&cell->pending, pending, memory_order_relaxed);
    if (pending > atomic_load_explicit(&cell->pending_peak, memory_order_relaxed)) {
        atomic_store_explicit(&cell->pending_peak, pending, memory_order_relaxed);
    }
    if (__builtin_expect(pending >= MEMORY_PENDING_MAX, 0)) {
        flush(m, cell);
    }
}

void memory_count_free(uint32_t number, uint32_t site, size_t size)
{
    struct memory *m = table[number];
    struct memory_part *part = memory_part_mine();
    struct memory_cell *cell = cell_of(part, number);
    memory_site_count(part, site, size, true);
    if (__builtin_expect(!cell, 0)) {
        atomic_fetch_add_explicit(&m->shared.frees, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&m->shared.freed, size, memory_order_relaxed);
        atomic_fetch_sub_explicit(&m->flushed, (int64_t)size, memory_order_relaxed);
        return;
    }
    slot_add_u64(&cell->frees, 1);
    slot_add_u64(&cell->freed, size);
    int64_t pending = atomic_load_explicit(&cell->pending, memory_order_relaxed) - (int64_t)size;
    atomic_store_explicit(&cell->pending, pending, memory_order_relaxed);
    if (__builtin_expect(pending <= -MEMORY_PENDING_MAX, 0)) {
        flush(m, cell);
    }
}

/* Before the recorded bytes change: what was held until now counts for the peak, and pending_peak
 * begins again, so that a later high is not added to an earlier one. */
static struct memory_cell *settle(struct memory *m)
{
    struct memory_cell *cell = cell_of(memory_part_mine(), m->number);
    if (cell) {
        raise_peak(m, candidate(m, cell));
        atomic_store_explicit(&cell->pending_peak,
                              atomic_load_explicit(&cell->pending, memory_order_relaxed),
                              memory_order_relaxed);
    }
    return cell;
}

static void change_recorded(sonde_memory *memory, int64_t difference)
{
    struct memory *m = (struct memory *)memory;
    if (!on(memory) || !difference) {
        return;
    }
    bool up = difference > 0;
    uint64_t bytes = up ? (uint64_t)difference : 0 - (uint64_t)difference;
    struct memory_cell *cell = settle(m);
    atomic_fetch_add_explicit(&m->recorded, difference, memory_order_relaxed);
    if (cell) {
        slot_add_u64(up ? &cell->adds : &cell->subs, 1);
        slot_add_u64(up ? &cell->added : &cell->subbed, bytes);
        raise_peak(m, candidate(m, cell));
    } else {
        atomic_fetch_add_explicit(up ? &m->shared.adds : &m->shared.subs, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(up ? &m->shared.added : &m->shared.subbed, bytes,
                                  memory_order_relaxed);
        raise_peak(m, candidate(m, &m->shared));
    }
}

void sonde_memory_add(sonde_memory *memory, int64_t bytes)
{
    change_recorded(memory, bytes > 0 ? bytes : 0);
}

void sonde_memory_sub(sonde_memory *memory, int64_t bytes)
{
    change_recorded(memory, bytes > 0 ? -bytes : 0);
}

void sonde_memory_record(sonde_memory *memory, int64_t bytes)
{
    struct memory *m = (struct memory *)memory;
    if (on(memory)) {
        const struct memory_cell *cell = settle(m);
        atomic_store_explicit(&m->recorded, bytes, memory_order_relaxed);
        raise_peak(m, candidate(m, cell ? cell : &m->shared));
    }
}

void sonde_memory_reserved(sonde_memory *memory, int64_t bytes)
{
    if (on(memory)) {
        atomic_store_explicit(&((struct memory *)memory)->reserved, bytes, memory_order_relaxed);
    }
}

struct summing {
    struct memory *m;
    struct memory_totals *ret;
    bool begun;
};

static void add_cell(const struct memory_cell *c, struct memory_totals *t)
{
    uint64_t allocated = atomic_load_explicit(&c->allocated, memory_order_relaxed);
    uint64_t freed = atomic_load_explicit(&c->freed, memory_order_relaxed);
    t->allocations += atomic_load_explicit(&c->allocations, memory_order_relaxed) +
                      atomic_load_explicit(&c->adds, memory_order_relaxed);
    t->frees += atomic_load_explicit(&c->frees, memory_order_relaxed) +
                atomic_load_explicit(&c->subs, memory_order_relaxed);
    t->allocated += allocated + atomic_load_explicit(&c->added, memory_order_relaxed);
    t->freed += freed + atomic_load_explicit(&c->subbed, memory_order_relaxed);
    t->now = plus(t->now, (int64_t)(allocated - freed));
}

static void add_part(void *pointer, const struct slot *slot, void *context)
{
    struct summing *s = context;
    struct memory_part *part = pointer;
    if (!s->begun) { /* here, since threads retire under the mutex that is held now */
        s->begun = true;
        add_cell(&s->m->shared, s->ret);
    }
    const struct memory_cell *chunk =
        atomic_load_explicit(&part->cell[s->m->number / MEMORY_CHUNK], memory_order_acquire);
    if (chunk) {
        const struct memory_cell *cell = &chunk[s->m->number % MEMORY_CHUNK];
        add_cell(cell, s->ret);
        raise_peak(s->m, candidate(s->m, cell));
    }
}

void memory_sum(struct memory *m, struct memory_totals *ret)
{
    struct summing s = {m, ret, false};
    *ret = (struct memory_totals){0};
    slot_each(SLOT_MEMORY, add_part, &s);
    if (!s.begun) { /* no thread has ever had a part */
        add_cell(&m->shared, ret);
    }
    ret->now = plus(ret->now, atomic_load_explicit(&m->recorded, memory_order_relaxed));
    raise_peak(m, ret->now);
    ret->peak = atomic_load_explicit(&m->peak, memory_order_relaxed);
}

/* Adds what was allocated since the last time to the present second. Under the subsystem's lock. */
static void take(struct memory *m, uint64_t now_ns, struct memory_totals *t)
{
    memory_sum(m, t);
    uint64_t bytes = t->allocated > m->seen_bytes ? t->allocated - m->seen_bytes : 0;
    uint64_t blocks = t->allocations > m->seen_blocks ? t->allocations - m->seen_blocks : 0;
    window_add(&m->seconds, now_ns / SECOND_NS, bytes, blocks);
    m->seen_bytes += bytes;
    m->seen_blocks += blocks;
}

void memory_tick(struct memory *m, uint64_t now_ns)
{
    struct memory_totals t;
    pthread_mutex_lock(&m->lock);
    take(m, now_ns, &t);
    alarm_feed(m->over, (double)t.now, now_ns);
    pthread_mutex_unlock(&m->lock);
}

static void fill_rate(const struct memory *m, uint64_t now_ns, uint32_t seconds, double *ret_bytes,
                      double *ret_blocks)
{
    struct window_cell sum = window_sum(&m->seconds, now_ns / SECOND_NS, seconds);
    double age = window_age(&m->seconds, now_ns / SECOND_NS, seconds);
    *ret_bytes = (double)sum.a / age;
    *ret_blocks = (double)sum.b / age;
}

void memory_stats(struct memory *m, uint64_t now_ns, sonde_memory_stats *ret)
{
    struct memory_totals t;
    *ret = (sonde_memory_stats){.struct_size = sizeof *ret};
    pthread_mutex_lock(&m->lock);
    take(m, now_ns, &t);
    fill_rate(m, now_ns, 10, &ret->allocated_bytes_per_second_10s,
              &ret->allocations_per_second_10s);
    fill_rate(m, now_ns, 60, &ret->allocated_bytes_per_second_60s,
              &ret->allocations_per_second_60s);
    pthread_mutex_unlock(&m->lock);
    ret->bytes = t.now;
    ret->bytes_peak = t.peak;
    ret->allocations = t.allocations;
    ret->frees = t.frees;
    ret->allocated_bytes = t.allocated;
    ret->freed_bytes = t.freed;
    ret->failures = atomic_load_explicit(&m->failures, memory_order_relaxed);
    ret->reserved = atomic_load_explicit(&m->reserved, memory_order_relaxed);
    double held = t.now > 0 ? (double)t.now : 0;
    ret->fragmentation = ret->reserved <= 0              ? (double)NAN
                         : held >= (double)ret->reserved ? 0
                                                         : 1 - held / (double)ret->reserved;
}

int sonde_memory_snapshot(sonde_memory *memory, sonde_memory_stats *stats)
{
    if (!memory || !stats || stats->struct_size < sizeof(size_t)) {
        return SONDE_ERROR_ARGUMENT;
    }
    if (!module_on) {
        return SONDE_ERROR_STATE;
    }
    module_wake();
    sonde_memory_stats all;
    memory_stats((struct memory *)memory, ticks_monotonic_ns(), &all);
    size_t size = stats->struct_size < sizeof all ? stats->struct_size : sizeof all;
    all.struct_size = stats->struct_size;
    memcpy(stats, &all, size);
    return 0;
}

/* Makes, changes or takes away the alarm at *at. */
static int put_alarm(struct alarm **at, const char *kind, const char *subject, uint64_t bytes_max,
                     unsigned for_ms)
{
    if (!bytes_max) {
        alarm_remove(*at);
        *at = NULL;
        return 0;
    }
    *at = alarm_set(kind, subject, ALARM_ABOVE, (double)bytes_max, "bytes", for_ms);
    return *at ? 0 : SONDE_ERROR_MEMORY;
}

int sonde_memory_limit(sonde_memory *memory, uint64_t bytes_max, unsigned for_ms)
{
    struct memory *m = (struct memory *)memory;
    if (!module_on) {
        return SONDE_ERROR_STATE;
    }
    module_wake();
    pthread_mutex_t *lock = m ? &m->lock : &table_lock;
    pthread_mutex_lock(lock);
    int err = m ? put_alarm(&m->over, "memory_bytes", m->name, bytes_max, for_ms)
                : put_alarm(&rss_alarm, "memory_rss", "process", bytes_max, for_ms);
    pthread_mutex_unlock(lock);
    return err;
}

static void tick_all(void *unused)
{
    uint64_t now = ticks_monotonic_ns();
    for (size_t i = 0; i < memory_count(); i++) {
        memory_tick(table[i], now);
    }
    pthread_mutex_lock(&table_lock);
    struct alarm *rss = rss_alarm;
    pthread_mutex_unlock(&table_lock);
    if (rss) {
        alarm_feed(rss, heap_rss_bytes(), now);
    }
}

static void retire_cell(struct memory *m, struct memory_cell *c)
{
    flush(m, c);
    atomic_fetch_add(&m->shared.allocations, atomic_exchange(&c->allocations, 0));
    atomic_fetch_add(&m->shared.frees, atomic_exchange(&c->frees, 0));
    atomic_fetch_add(&m->shared.allocated, atomic_exchange(&c->allocated, 0));
    atomic_fetch_add(&m->shared.freed, atomic_exchange(&c->freed, 0));
    atomic_fetch_add(&m->shared.adds, atomic_exchange(&c->adds, 0));
    atomic_fetch_add(&m->shared.subs, atomic_exchange(&c->subs, 0));
    atomic_fetch_add(&m->shared.added, atomic_exchange(&c->added, 0));
    atomic_fetch_add(&m->shared.subbed, atomic_exchange(&c->subbed, 0));
}

/* A thread has ended: its counts belong to the subsystems from now on. */
static void retire(void *pointer)
{
    struct memory_part *part = pointer;
    for (size_t i = 0; i < memory_count(); i++) {
        struct memory_cell *chunk = part->cell[i / MEMORY_CHUNK];
        if (chunk) {
            retire_cell(table[i], &chunk[i % MEMORY_CHUNK]);
        }
    }
    memory_site_retire(part);
}

static struct worker_task task = {.name = "memory", .run = tick_all, .period_ns = 1000000000};
static struct source source = {.name = "memory", .write = memory_write};

static int start(char *problem)
{
    static struct command commands[] = {
        {"memory", "[subsystems | malloc | jemalloc | smaps | gc]",
         "Memory by subsystem, of the allocator, of the process; garbage collections.",
         COMMAND_VIEWER, memory_answer, NULL},
        {"leaks", "start | report [N]",
         "Call sites of the counted allocators that have grown since the start.", COMMAND_VIEWER,
         memory_site_answer, NULL},
    };
    slot_on_retire(SLOT_MEMORY, retire);
    command_add(&commands[0]);
    command_add(&commands[1]);
    if (setting.memory_rss_max_bytes) {
        pthread_mutex_lock(&table_lock);
        put_alarm(&rss_alarm, "memory_rss", "process", setting.memory_rss_max_bytes, 0);
        pthread_mutex_unlock(&table_lock);
    }
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
    for (size_t i = 0; i < memory_count(); i++) {
        pthread_mutex_init(&table[i]->lock, NULL);
    }
    memory_site_fork_child();
    gc_fork_child();
}

const struct module memory_module = {
    .name = "memory", .start = start, .stop = stop, .fork_child = fork_child};
