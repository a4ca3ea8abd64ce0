/* client/bus/bus.h - buses: which there are, for the command `bus`.
 *
 * A bus lives until the process ends. Subscriptions are in a table that only grows and is read
 * without a lock; plug-ins are under the bus's lock.
 *
 * Threads: any.
 */
#ifndef CLIENT_BUS_BUS_H
#define CLIENT_BUS_BUS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/core/module.h"
#include "sonde/bus.h"
#include "sonde/metric.h"

enum {
    BUS_MAX = 16,
    BUS_NAME_MAX = 256,
    BUS_SUBSCRIPTIONS_MAX = 64,
    BUS_PATTERN_MAX = 128,
    BUS_ATTRIBUTES_MAX = 8,
    BUS_TYPES_MAX = 200, /* combinations of label values of a subscription, where nobody says */
    BUS_PLUGINS_MAX = 256,
    BUS_STATES = SONDE_BUS_PLUGIN_GONE,
};

struct bus_subscription {
    char pattern[BUS_PATTERN_MAX];
    sonde_family *counter;                     /* NULL: only a handler */
    bool typed;                                /* its first label is the type */
    const char *attribute[BUS_ATTRIBUTES_MAX]; /* keys, [attributes_n] */
    size_t attributes_n;
    void (*handler)(const char *type, const sonde_attr *attributes, size_t n, void *user);
    void *user;
    _Atomic bool active;
    _Atomic uint64_t events;
};

struct bus_plugin {
    char *name, *version;
    int state;
};

struct sonde_bus {
    char name[BUS_NAME_MAX], prefix[BUS_NAME_MAX];
    sonde_family *service_calls, *service_duration, *storage_operations, *storage_duration,
        *plugin_state, *plugins;
    struct bus_subscription *_Atomic subscription[BUS_SUBSCRIPTIONS_MAX];
    _Atomic size_t subscriptions_n;
    pthread_mutex_t lock; /* subscribing, plug-ins */
    struct bus_plugin plugin[BUS_PLUGINS_MAX];
    size_t plugins_n;
};

/* The bus i; NULL where there are no more. */
struct sonde_bus *bus_at(size_t i);

extern const char *const bus_state_names[BUS_STATES];
extern const struct module bus_module;

#endif
