#include "client/operation/operation.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "client/core/id.h"
#include "client/core/module.h"
#include "client/core/setting.h"
#include "client/core/ticks.h"
#include "client/core/worker.h"
#include "client/operation/active.h"
#include "client/operation/tally.h"

enum { TABLE = 1 << 15, SECOND_NS = 1000000000 }; /* TABLE: three times as many as there can be */
static const char *const other = "other";

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what is added */
static sonde_operation *_Atomic all[OPERATION_MAX + 1];
static _Atomic size_t all_n;
static sonde_operation *_Atomic table[TABLE]; /* by the hash of both names; open addressing */
static struct operation_service *services[OPERATION_MAX + 1];
static size_t services_n;
static _Atomic uint64_t overflow;

size_t operation_count(void)
{
    return atomic_load_explicit(&all_n, memory_order_acquire);
}

sonde_operation *operation_at(size_t i)
{
    return atomic_load_explicit(&all[i], memory_order_acquire);
}

uint64_t operation_overflow(void)
{
    return atomic_load_explicit(&overflow, memory_order_relaxed);
}

/* Two names as they are kept. */
struct name {
    const char *service, *operation;
    size_t service_n, operation_n;
};

static struct name name_of(const char *service, const char *operation)
{
    return (struct name){.service = service,
                         .operation = operation,
                         .service_n = failure_cut(service, SONDE_OPERATION_NAME_MAX),
                         .operation_n = failure_cut(operation, SONDE_OPERATION_NAME_MAX)};
}

static size_t place_of(const struct name *n)
{
    uint64_t h = id_hash(n->service, n->service_n, 0);
    return (size_t)(id_hash(n->operation, n->operation_n, h) % TABLE);
}

static bool same(const char *kept, const char *name, size_t n)
{
    return memcmp(kept, name, n) == 0 && kept[n] == 0;
}

static sonde_operation *look_up(const struct name *n)
{
    for (size_t i = place_of(n);; i = (i + 1) % TABLE) {
        sonde_operation *o = atomic_load_explicit(&table[i], memory_order_acquire);
        if (!o || (same(o->service->name, n->service, n->service_n) &&
                   same(o->name, n->operation, n->operation_n))) {
            return o;
        }
    }
}

sonde_operation *operation_find(const char *service, const char *operation)
{
    struct name n = name_of(service, operation);
    return look_up(&n);
}

static struct operation_service *service_of(const struct name *n)
{
    for (size_t i = 0; i < services_n; i++) {
        if (same(services[i]->name, n->service, n->service_n)) {
            return services[i];
        }
    }
    struct operation_service *s = calloc(1, sizeof *s);
    if (s) {
        memcpy(s->name, n->service, n->service_n);
        services[services_n++] = s;
    }
    return s;
}

/* A new one, complete before others see it. */
static sonde_operation *add(const struct name *n)
{
    size_t index = operation_count();
    struct operation_service *service = service_of(n);
    sonde_operation *o = service ? aligned_alloc(OPERATION_LINE, sizeof *o) : NULL;
    if (!o) {
        return NULL;
    }
    memset(o, 0, sizeof *o);
    if (slowest_init(&o->slowest, (unsigned)setting.operation_slowest) != 0) {
        free(o);
        return NULL;
    }
    o->index = (uint32_t)index;
    o->service = service;
    memcpy(o->name, n->operation, n->operation_n);
    atomic_store_explicit(&o->spans, setting.operation_spans, memory_order_relaxed);
    atomic_store_explicit(&all[index], o, memory_order_release);
    atomic_store_explicit(&all_n, index + 1, memory_order_release);
    size_t i = place_of(n);
    while (atomic_load_explicit(&table[i], memory_order_relaxed)) {
        i = (i + 1) % TABLE;
    }
    atomic_store_explicit(&table[i], o, memory_order_release);
    return o;
}

/* Under the lock: finds, adds, or gives the one that stands for all that are too many. */
static sonde_operation *get(const struct name *n)
{
    sonde_operation *o = look_up(n);
    if (o) {
        return o;
    }
    if (operation_count() < setting.operation_max) {
        return add(n);
    }
    atomic_fetch_add_explicit(&overflow, 1, memory_order_relaxed);
    struct name rest = name_of(other, other);
    o = look_up(&rest);
    return o || operation_count() > OPERATION_MAX ? o : add(&rest);
}

sonde_operation *sonde_operation_get(const char *service, const char *operation)
{
    if (!service || !operation || !*service || !*operation) {
        return NULL;
    }
    struct name n = name_of(service, operation);
    sonde_operation *o = look_up(&n);
    if (!o) {
        module_wake(); /* in a child the lock may be another thread's that is no more */
        pthread_mutex_lock(&lock);
        o = get(&n);
        pthread_mutex_unlock(&lock);
    }
    return o;
}

sonde_operation *sonde_operation_get_with(const char *service, const char *operation,
                                          const sonde_operation_options *options)
{
    sonde_operation *o = sonde_operation_get(service, operation);
    if (o && options && options->struct_size >= sizeof *options) {
        atomic_store_explicit(&o->spans, (options->flags & SONDE_OPERATION_SPANS) != 0,
                              memory_order_relaxed);
    }
    return o;
}

const char *sonde_operation_outcome_name(int outcome)
{
    static const char *const names[SONDE_OPERATION_OUTCOMES] = {"completed", "failed", "abandoned",
                                                                "recovered"};
    return outcome >= 0 && outcome < SONDE_OPERATION_OUTCOMES ? names[outcome] : "unknown";
}

void operation_called_first(sonde_operation *o, uint64_t ticks)
{
    uint64_t none = 0;
    if (atomic_load_explicit(&o->first_ticks, memory_order_relaxed) == 0 &&
        atomic_compare_exchange_strong(&o->first_ticks, &none, ticks)) {
        none = 0;
        atomic_compare_exchange_strong(&o->since_ticks, &none, ticks);
        none = 0;
        atomic_compare_exchange_strong(&o->service->first_ticks, &none, ticks);
    }
}

static int by_name(const void *a, const void *b)
{
    const sonde_operation *x = *(sonde_operation *const *)a, *y = *(sonde_operation *const *)b;
    int order = strcmp(x->service->name, y->service->name);
    return order ? order : strcmp(x->name, y->name);
}

size_t operation_sorted(const char *service, sonde_operation ***ret)
{
    size_t n = operation_count(), kept = 0;
    sonde_operation **list = n ? malloc(n * sizeof *list) : NULL;
    for (size_t i = 0; list && i < n; i++) {
        sonde_operation *o = operation_at(i);
        if (!service || strncmp(o->service->name, service, SONDE_OPERATION_NAME_MAX) == 0) {
            list[kept++] = o;
        }
    }
    if (kept) {
        qsort(list, kept, sizeof *list, by_name);
    }
    *ret = list;
    return kept;
}

void operation_forget(sonde_operation *o)
{
    pace_lock();
    atomic_store_explicit(&o->since_ticks, ticks_now(), memory_order_relaxed);
    pace_clear(&o->pace);
    tally_reset(o);
    pace_unlock();
    slowest_clear(&o->slowest, &o->slow_ns);
    failure_clear(&o->failure);
}

size_t sonde_operation_reset(const char *service)
{
    if (!atomic_load_explicit(&module_on, memory_order_relaxed)) {
        return 0;
    }
    module_wake();
    sonde_operation **list;
    size_t n = operation_sorted(service, &list);
    for (size_t i = 0; i < n; i++) {
        operation_forget(list[i]);
    }
    free(list);
    return n;
}

static void note_second(void *unused)
{
    pace_lock();
    pace_tick(ticks_now());
    for (size_t i = 0, n = operation_count(); i < n; i++) {
        sonde_operation *o = operation_at(i);
        struct tally_sum sum;
        tally_sum(o, &sum, NULL);
        pace_note(&o->pace, tally_count(&sum), sum.ended[SONDE_OPERATION_FAILED]);
    }
    pace_unlock();
}

static struct worker_task second_task = {
    .name = "operation", .run = note_second, .period_ns = SECOND_NS};

static void forget_seconds(void)
{
    pace_lock();
    pace_forget(ticks_now());
    pace_unlock();
    note_second(NULL);
}

static int start(char *problem)
{
    tally_start();
    operation_command_start();
    operation_source_start();
    for (size_t i = 0, n = operation_count(); setting.operation_spans && i < n; i++) {
        atomic_store_explicit(&operation_at(i)->spans, true, memory_order_relaxed);
    }
    forget_seconds();
    worker_task_add(&second_task);
    return 0;
}

static void stop(void)
{
    worker_task_remove(&second_task);
    operation_source_stop();
}

/* A child counts from nothing: what its parent has counted, the parent reports. */
static void fork_child(void)
{
    pthread_mutex_init(&lock, NULL);
    pace_fork_child();
    active_forget_detached();
    uint64_t now = ticks_now();
    for (size_t i = 0, n = operation_count(); i < n; i++) {
        sonde_operation *o = operation_at(i);
        slowest_fork_child(&o->slowest);
        failure_fork_child(&o->failure);
        tally_fork_child(o);
        operation_forget(o);
        bool called = atomic_load_explicit(&o->first_ticks, memory_order_relaxed) != 0;
        atomic_store_explicit(&o->first_ticks, 0, memory_order_relaxed);
        atomic_store_explicit(&o->since_ticks, called ? now : 0, memory_order_relaxed);
        atomic_store_explicit(&o->service->first_ticks, 0, memory_order_relaxed);
    }
    forget_seconds();
}

const struct module operation_module = {
    .name = "operation", .start = start, .stop = stop, .fork_child = fork_child};
