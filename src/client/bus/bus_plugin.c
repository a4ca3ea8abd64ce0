/* Plug-ins: which there are, and in what state. */
#include <stdlib.h>
#include <string.h>

#include "client/bus/bus.h"

/* How many plug-ins are in each state. Under the bus's lock. */
static void count_states(struct sonde_bus *b)
{
    size_t in[BUS_STATES] = {0};
    for (size_t i = 0; i < b->plugins_n; i++) {
        in[b->plugin[i].state]++;
    }
    for (size_t i = 0; b->plugins && i < BUS_STATES; i++) {
        const char *values[] = {bus_state_names[i]};
        sonde_gauge_set(sonde_gauge_with(b->plugins, values), (double)in[i]);
    }
}

static void forget_series(struct sonde_bus *b, const struct bus_plugin *p)
{
    for (size_t i = 0; b->plugin_state && i < BUS_STATES; i++) {
        const char *values[] = {p->name, p->version, bus_state_names[i]};
        (void)sonde_family_remove(b->plugin_state, values); /* it may never have been made */
    }
}

static void tell_state(struct sonde_bus *b, const struct bus_plugin *p)
{
    for (int i = 0; b->plugin_state && i < BUS_STATES; i++) {
        const char *values[] = {p->name, p->version, bus_state_names[i]};
        sonde_gauge_set(sonde_gauge_with(b->plugin_state, values), i == p->state);
    }
}

static struct bus_plugin *find(struct sonde_bus *b, const char *name)
{
    for (size_t i = 0; i < b->plugins_n; i++) {
        if (strcmp(b->plugin[i].name, name) == 0) {
            return &b->plugin[i];
        }
    }
    return NULL;
}

static int remove_one(struct sonde_bus *b, const char *name)
{
    struct bus_plugin *p = find(b, name);
    if (!p) {
        return SONDE_ERROR_NOT_FOUND;
    }
    forget_series(b, p);
    free(p->name);
    free(p->version);
    *p = b->plugin[--b->plugins_n];
    return 0;
}

static int set_one(struct sonde_bus *b, const char *name, const char *version, int state)
{
    struct bus_plugin *p = find(b, name);
    if (p && strcmp(p->version, version) == 0) {
        p->state = state;
        tell_state(b, p);
        return 0;
    }
    if (!p && b->plugins_n == BUS_PLUGINS_MAX) {
        return SONDE_ERROR_LIMIT;
    }
    char *new_name = p ? NULL : strdup(name), *new_version = strdup(version);
    if (!new_version || (!p && !new_name)) {
        free(new_name);
        free(new_version);
        return SONDE_ERROR_MEMORY;
    }
    if (p) {
        forget_series(b, p); /* the former version's */
        free(p->version);
    } else {
        p = &b->plugin[b->plugins_n++];
        p->name = new_name;
    }
    p->version = new_version;
    p->state = state;
    tell_state(b, p);
    return 0;
}

int sonde_bus_plugin(sonde_bus *bus, const char *plugin, const char *version, int state)
{
    if (!bus || !plugin || !*plugin || state < 0 || state > SONDE_BUS_PLUGIN_GONE) {
        return SONDE_ERROR_ARGUMENT;
    }
    if (!atomic_load_explicit(&module_on, memory_order_relaxed)) {
        return SONDE_ERROR_STATE;
    }
    module_wake();
    pthread_mutex_lock(&bus->lock);
    int err = state == SONDE_BUS_PLUGIN_GONE ? remove_one(bus, plugin)
                                             : set_one(bus, plugin, version ? version : "", state);
    count_states(bus);
    pthread_mutex_unlock(&bus->lock);
    return err;
}
