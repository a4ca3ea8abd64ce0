#include <stdlib.h>
#include <string.h>

#include "client/core/module.h"
#include "client/core/ticks.h"
#include "client/operation/active.h"
#include "client/operation/operation.h"
#include "client/operation/operation_total.h"
#include "client/operation/tally.h"

enum {
    SPARE = 64,
    CALLS_MAX = 1 << 20
}; /* calls that may be added while they are counted; limit */

static bool running(void)
{
    module_wake();
    return atomic_load_explicit(&module_on, memory_order_relaxed);
}

int sonde_operation_read(sonde_operation *operation, sonde_operation_info *ret)
{
    if (!operation || !ret || ret->struct_size < sizeof(size_t)) {
        return SONDE_ERROR_ARGUMENT;
    }
    if (!running()) {
        return SONDE_ERROR_STATE;
    }
    sonde_operation_info info;
    operation_total_of(operation, &info);
    size_t size = ret->struct_size < sizeof info ? ret->struct_size : sizeof info;
    info.struct_size = size;
    memcpy(ret, &info, size);
    return 0;
}

size_t sonde_operation_each(const char *service,
                            void (*visit)(const sonde_operation_info *info, void *user), void *user)
{
    sonde_operation **list = NULL;
    size_t n = visit && running() ? operation_sorted(service, &list) : 0;
    for (size_t i = 0; i < n; i++) {
        sonde_operation_info info;
        operation_total_of(list[i], &info);
        visit(&info, user);
    }
    free(list);
    return n;
}

size_t sonde_operation_each_service(void (*visit)(const sonde_operation_info *info, void *user),
                                    void *user)
{
    sonde_operation **list = NULL;
    size_t n = visit && running() ? operation_sorted(NULL, &list) : 0, services = 0;
    for (size_t i = 0; i < n; services++) {
        const struct operation_service *service = list[i]->service;
        struct operation_total t;
        operation_total_begin(&t);
        for (; i < n && list[i]->service == service; i++) {
            operation_total_add(&t, list[i]);
        }
        sonde_operation_info info;
        operation_total_info(&t, service->name, NULL, &info);
        visit(&info, user);
    }
    free(list);
    return services;
}

static bool wanted(const sonde_operation *o, const char *service, const char *operation)
{
    return (!service || strncmp(o->service->name, service, SONDE_OPERATION_NAME_MAX) == 0) &&
           (!operation || strncmp(o->name, operation, SONDE_OPERATION_NAME_MAX) == 0);
}

/* Calls of any kind, in memory that grows; those with the greatest keys come first. */
struct item {
    sonde_operation_call call;
    uint64_t key;
};
struct calls {
    struct item *list;
    size_t n, cap;
};

/* Room for n more; false where there is no memory, or too many. */
static bool reserve(struct calls *c, size_t n)
{
    if (c->n + n > c->cap) {
        size_t cap = c->n + n + c->cap / 2;
        void *more = c->n + n > CALLS_MAX ? NULL : realloc(c->list, cap * sizeof *c->list);
        if (!more) {
            return false;
        }
        c->list = more;
        c->cap = cap;
    }
    return true;
}

/* Adds one; false where there is no room. */
static bool add(struct calls *c, const sonde_operation *o, const struct slowest_call *call,
                uint64_t key)
{
    if (!reserve(c, 1)) {
        return false;
    }
    c->list[c->n++] = (struct item){
        .call = {.struct_size = sizeof(sonde_operation_call),
                 .service = o->service->name,
                 .operation = o->name,
                 .start_ms = (ticks_unix_ns(call->end_ticks) - (int64_t)call->ns) / 1000000,
                 .seconds = (double)call->ns * 1e-9,
                 .outcome = call->outcome,
                 .thread = call->tid},
        .key = key,
    };
    return true;
}

static void add_recent(struct calls *c, sonde_operation *o)
{
    size_t cap = tally_calls(o, NULL, 0) + SPARE;
    struct tally_memory *calls = malloc(cap * sizeof *calls);
    size_t n = calls ? tally_calls(o, calls, cap) : 0;
    for (size_t i = 0; i < n; i++) {
        struct slowest_call call = {
            .ns = calls[i].ns, .end_ticks = calls[i].end_ticks, .outcome = calls[i].outcome};
        if (!add(c, o, &call, call.end_ticks)) {
            break;
        }
    }
    free(calls);
}

static void add_slowest(struct calls *c, sonde_operation *o)
{
    struct slowest_call calls[SLOWEST_MAX];
    size_t n = slowest_read(&o->slowest, calls, SLOWEST_MAX);
    for (size_t i = 0; i < n && add(c, o, &calls[i], calls[i].ns); i++) {
    }
}

static int by_key(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    return (x->key < y->key) - (x->key > y->key);
}

/* Hands over the first max, and frees them all. */
static size_t hand_over(struct calls *c, size_t max,
                        void (*visit)(const sonde_operation_call *call, void *user), void *user)
{
    if (c->n) {
        qsort(c->list, c->n, sizeof *c->list, by_key);
    }
    size_t n = c->n < max ? c->n : max;
    for (size_t i = 0; i < n; i++) {
        visit(&c->list[i].call, user);
    }
    free(c->list);
    return n;
}

static struct calls gather(const char *service, const char *operation,
                           void (*take)(struct calls *c, sonde_operation *o))
{
    struct calls c = {0};
    for (size_t i = 0, n = operation_count(); i < n; i++) {
        sonde_operation *o = operation_at(i);
        if (wanted(o, service, operation)) {
            take(&c, o);
        }
    }
    return c;
}

size_t sonde_operation_recent(const char *service, const char *operation, size_t max,
                              void (*visit)(const sonde_operation_call *call, void *user),
                              void *user)
{
    if (!visit || !max || !running()) {
        return 0;
    }
    struct calls c = gather(service, operation, add_recent);
    return hand_over(&c, max, visit, user);
}

size_t sonde_operation_slowest(const char *service, const char *operation, size_t max,
                               void (*visit)(const sonde_operation_call *call, void *user),
                               void *user)
{
    if (!visit || !max || !running()) {
        return 0;
    }
    struct calls c = gather(service, operation, add_slowest);
    return hand_over(&c, max, visit, user);
}

size_t sonde_operation_active(const char *service, const char *operation, size_t max,
                              void (*visit)(const sonde_operation_call *call, void *user),
                              void *user)
{
    if (!visit || !max || !running()) {
        return 0;
    }
    size_t cap = active_each(NULL, 0, 0) + SPARE;
    struct active_operation *list = malloc(cap * sizeof *list);
    size_t n = list ? active_each(list, cap, 0) : 0;
    uint64_t now = ticks_now();
    struct calls c = {0};
    for (size_t i = 0; i < n && i < cap; i++) {
        const struct active_operation *a = &list[i];
        const sonde_operation *o = operation_find(a->service, a->operation);
        struct slowest_call call = {.ns = now > a->start_ticks ? ticks_ns(now - a->start_ticks) : 0,
                                    .end_ticks = now,
                                    .tid = a->tid,
                                    .outcome = -1};
        if (wanted(o, service, operation) && !add(&c, o, &call, call.ns)) {
            break;
        }
    }
    free(list);
    return hand_over(&c, max, visit, user);
}
