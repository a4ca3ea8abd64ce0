#include "client/bus/bus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/core/command.h"
#include "client/core/problem.h"
#include "client/metric/family.h"

enum { VALUE_TEXT = 256 };

const char *const bus_state_names[BUS_STATES] = {"loaded", "failed", "disabled"};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* making of buses */
static struct sonde_bus *_Atomic buses[BUS_MAX];

struct sonde_bus *bus_at(size_t i)
{
    return i < BUS_MAX ? atomic_load_explicit(&buses[i], memory_order_acquire) : NULL;
}

static const char *or_standard(const char *given, const char *standard)
{
    return given ? given : standard;
}

/* The name of a metric: as given, or the prefix and its standard name; false: not wanted. */
static bool metric_name(const struct sonde_bus *b, const char *given, const char *standard,
                        char ret[2 * BUS_NAME_MAX])
{
    if (given) {
        snprintf(ret, 2 * BUS_NAME_MAX, "%s", given);
        return *given != 0;
    }
    snprintf(ret, 2 * BUS_NAME_MAX, "%s%s", b->prefix, standard);
    return true;
}

struct wish {
    const char *given, *standard, *help;
    const char *labels[4];
    char kind; /* 'c'ounter, 'g'auge, 'h'istogram */
    sonde_family **ret;
};

static bool make_family(const struct sonde_bus *b, const struct wish *w,
                        const sonde_histogram_options *durations)
{
    char name[2 * BUS_NAME_MAX];
    *w->ret = NULL;
    if (!metric_name(b, w->given, w->standard, name)) {
        return true;
    }
    *w->ret = w->kind == 'c'   ? sonde_counter_family(name, w->help, w->labels)
              : w->kind == 'g' ? sonde_gauge_family(name, w->help, w->labels)
                               : sonde_histogram_family(name, w->help, w->labels, durations);
    return *w->ret != NULL;
}

static bool make_families(struct sonde_bus *b, const sonde_bus_options *o)
{
    const char *domain = or_standard(o->domain_label, "domain"),
               *service = or_standard(o->service_label, "service"),
               *operation = or_standard(o->operation_label, "operation"),
               *backend = or_standard(o->backend_label, "backend"),
               *status = or_standard(o->status_label, "status"),
               *plugin = or_standard(o->plugin_label, "plugin"),
               *version = or_standard(o->version_label, "version"),
               *state = or_standard(o->state_label, "state");
    const struct wish wishes[] = {
        {o->service_calls,
         "service_calls_total",
         "Calls of services.",
         {domain, service, status, NULL},
         'c',
         &b->service_calls},
        {o->service_duration,
         "service_call_duration_seconds",
         "How long calls of services took.",
         {domain, service, status, NULL},
         'h',
         &b->service_duration},
        {o->storage_operations,
         "storage_operations_total",
         "Operations on storage.",
         {operation, backend, status, NULL},
         'c',
         &b->storage_operations},
        {o->storage_duration,
         "storage_operation_duration_seconds",
         "How long operations on storage took.",
         {operation, backend, status, NULL},
         'h',
         &b->storage_duration},
        {o->plugin_state,
         "plugin_state",
         "1 for the state that a plug-in is in.",
         {plugin, version, state, NULL},
         'g',
         &b->plugin_state},
        {o->plugins, "plugins", "Plug-ins by state.", {state, NULL}, 'g', &b->plugins},
    };
    sonde_histogram_options durations = SONDE_HISTOGRAM_OPTIONS_INIT;
    durations.native = o->native;
    durations.bounds = o->bounds;
    durations.bounds_n = o->bounds_n;
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
        if (!make_family(b, &wishes[i], &durations)) {
            return false;
        }
    }
    return true;
}

/* Under the lock. */
static struct sonde_bus *make(const char *name, const sonde_bus_options *o)
{
    size_t i = 0;
    for (; i < BUS_MAX && buses[i]; i++) {
        if (strcmp(buses[i]->name, name) == 0) {
            return buses[i];
        }
    }
    struct sonde_bus *b = i < BUS_MAX ? calloc(1, sizeof *b) : NULL;
    if (!b) {
        problem_set(i < BUS_MAX ? "bus %s: no memory" : "bus %s: there are too many", name);
        return NULL;
    }
    snprintf(b->name, sizeof b->name, "%s", name);
    snprintf(b->prefix, sizeof b->prefix, "%s", o->prefix ? o->prefix : "");
    pthread_mutex_init(&b->lock, NULL);
    if (!make_families(b, o)) {
        free(b);
        return NULL;
    }
    atomic_store_explicit(&buses[i], b, memory_order_release);
    return b;
}

sonde_bus *sonde_bus_new(const sonde_bus_options *options)
{
    sonde_bus_options o = SONDE_BUS_OPTIONS_INIT;
    if (options) {
        memcpy(&o, options, options->struct_size < sizeof o ? options->struct_size : sizeof o);
    }
    const char *name = o.name ? o.name : "bus";
    if (!atomic_load_explicit(&module_on, memory_order_relaxed)) {
        problem_set("libsonde does not run: sonde_init() comes first");
        return NULL;
    }
    if (strlen(name) >= BUS_NAME_MAX || (o.prefix && strlen(o.prefix) >= BUS_NAME_MAX)) {
        problem_set("bus %.50s..: its name or prefix is too long", name);
        return NULL;
    }
    module_wake();
    pthread_mutex_lock(&lock);
    struct sonde_bus *b = make(name, &o);
    pthread_mutex_unlock(&lock);
    return b;
}

/* ---- subscriptions */

static void free_subscription(struct bus_subscription *s)
{
    for (size_t i = 0; s && i < s->attributes_n; i++) {
        free((char *)(uintptr_t)s->attribute[i]);
    }
    free(s);
}

/* What an event's counting needs of `how`; false with a problem. */
static bool prepare(const struct sonde_bus *b, struct bus_subscription *s,
                    const sonde_bus_subscription *how)
{
    char name[2 * BUS_NAME_MAX], help[BUS_PATTERN_MAX + 40];
    const char *labels[BUS_ATTRIBUTES_MAX + 2];
    const char *type = or_standard(how->type_label, "event_type");
    size_t n = 0;
    s->typed = *type != 0;
    if (s->typed) {
        labels[n++] = type;
    }
    for (size_t i = 0; how->attributes && how->attributes[i]; i++) {
        if (i == BUS_ATTRIBUTES_MAX) {
            problem_set("a subscription may have %d attributes as labels", BUS_ATTRIBUTES_MAX);
            return false;
        }
        s->attribute[i] = strdup(how->attributes[i]);
        if (!s->attribute[i]) {
            problem_set("no memory");
            return false;
        }
        s->attributes_n = i + 1;
        labels[n++] = s->attribute[i];
    }
    labels[n] = NULL;
    if (!metric_name(b, how->metric, "events_total", name)) {
        return true;
    }
    snprintf(help, sizeof help, "Events of type %s.", s->pattern);
    s->counter = sonde_counter_family(name, how->help ? how->help : help, labels);
    if (s->counter) {
        family_limit(s->counter, how->types_max ? how->types_max : BUS_TYPES_MAX);
    }
    return s->counter != NULL;
}

/* Puts it into the table; what was unsubscribed leaves its place when it was the same one. */
static int enter(struct sonde_bus *b, struct bus_subscription *s)
{
    size_t n = atomic_load_explicit(&b->subscriptions_n, memory_order_relaxed);
    for (size_t i = 0; i < n; i++) {
        struct bus_subscription *old = atomic_load(&b->subscription[i]);
        if (!atomic_load(&old->active) && old->counter == s->counter &&
            old->handler == s->handler && old->user == s->user && old->typed == s->typed &&
            strcmp(old->pattern, s->pattern) == 0) {
            atomic_store(&old->active, true);
            free_subscription(s);
            return (int)i;
        }
    }
    if (n == BUS_SUBSCRIPTIONS_MAX) {
        problem_set("bus %s: there are %d subscriptions already", b->name, BUS_SUBSCRIPTIONS_MAX);
        free_subscription(s);
        return SONDE_ERROR_LIMIT;
    }
    atomic_store(&s->active, true);
    atomic_store_explicit(&b->subscription[n], s, memory_order_release);
    atomic_store_explicit(&b->subscriptions_n, n + 1, memory_order_release);
    return (int)n;
}

int sonde_bus_subscribe(sonde_bus *bus, const char *pattern, const sonde_bus_subscription *how)
{
    sonde_bus_subscription h = SONDE_BUS_SUBSCRIPTION_INIT;
    if (!bus || !pattern || !*pattern || strlen(pattern) >= BUS_PATTERN_MAX) {
        problem_set("a subscription needs a bus, and a pattern shorter than %d bytes",
                    BUS_PATTERN_MAX);
        return SONDE_ERROR_ARGUMENT;
    }
    if (how) {
        memcpy(&h, how, how->struct_size < sizeof h ? how->struct_size : sizeof h);
    }
    struct bus_subscription *s = calloc(1, sizeof *s);
    if (!s) {
        return SONDE_ERROR_MEMORY;
    }
    module_wake();
    snprintf(s->pattern, sizeof s->pattern, "%s", pattern);
    s->handler = h.handler;
    s->user = h.user;
    if (!prepare(bus, s, &h)) {
        free_subscription(s);
        return SONDE_ERROR_ARGUMENT;
    }
    pthread_mutex_lock(&bus->lock);
    int number = enter(bus, s);
    pthread_mutex_unlock(&bus->lock);
    return number;
}

int sonde_bus_unsubscribe(sonde_bus *bus, int subscription)
{
    if (!bus || subscription < 0) {
        return SONDE_ERROR_ARGUMENT;
    }
    size_t n = atomic_load_explicit(&bus->subscriptions_n, memory_order_acquire);
    if ((size_t)subscription >= n ||
        !atomic_exchange(&atomic_load(&bus->subscription[subscription])->active, false)) {
        return SONDE_ERROR_NOT_FOUND;
    }
    return 0;
}

/* The value of an attribute as a label. */
static const char *text_of(const sonde_attr *a, char room[VALUE_TEXT])
{
    switch (a->type) {
    case SONDE_ATTR_STRING:
        if (!a->value.string) {
            return "";
        }
        if (a->length < 0) {
            return a->value.string;
        }
        snprintf(room, VALUE_TEXT, "%.*s", a->length, a->value.string);
        return room;
    case SONDE_ATTR_INT:
        snprintf(room, VALUE_TEXT, "%lld", (long long)a->value.integer);
        return room;
    case SONDE_ATTR_DOUBLE:
        snprintf(room, VALUE_TEXT, "%.17g", a->value.number);
        return room;
    default:
        return a->value.boolean ? "true" : "false";
    }
}

static void count(struct bus_subscription *s, const char *type, const sonde_attr *attributes,
                  size_t n)
{
    const char *values[BUS_ATTRIBUTES_MAX + 1];
    char room[BUS_ATTRIBUTES_MAX][VALUE_TEXT];
    size_t at = 0;
    if (s->typed) {
        values[at++] = type;
    }
    for (size_t i = 0; i < s->attributes_n; i++) {
        values[at] = "";
        for (size_t k = 0; k < n; k++) {
            if (attributes[k].key && strcmp(attributes[k].key, s->attribute[i]) == 0) {
                values[at] = text_of(&attributes[k], room[i]);
                break;
            }
        }
        at++;
    }
    sonde_counter_add(sonde_counter_with(s->counter, values), 1);
}

void sonde_bus_event(sonde_bus *bus, const char *type, const sonde_attr *attributes, size_t n)
{
    if (!bus || !type || !atomic_load_explicit(&module_on, memory_order_relaxed)) {
        return;
    }
    n = attributes ? n : 0;
    size_t subscriptions_n = atomic_load_explicit(&bus->subscriptions_n, memory_order_acquire);
    for (size_t i = 0; i < subscriptions_n; i++) {
        struct bus_subscription *s =
            atomic_load_explicit(&bus->subscription[i], memory_order_acquire);
        if (!atomic_load_explicit(&s->active, memory_order_relaxed) ||
            !sonde_bus_matches(s->pattern, type)) {
            continue;
        }
        atomic_fetch_add_explicit(&s->events, 1, memory_order_relaxed);
        if (s->counter) {
            count(s, type, attributes, n);
        }
        if (s->handler) {
            s->handler(type, attributes, n, s->user);
        }
    }
}

/* ---- calls and operations */

static void record(sonde_family *calls, sonde_family *durations, const char *const *values,
                   double duration_s)
{
    if (calls) {
        sonde_counter_add(sonde_counter_with(calls, values), 1);
    }
    if (durations && duration_s >= 0) {
        sonde_histogram_observe(sonde_histogram_with(durations, values), duration_s);
    }
}

void sonde_bus_service_call(sonde_bus *bus, const char *domain, const char *service,
                            const char *status, double duration_s)
{
    const char *values[] = {domain, service, status};
    if (bus) {
        record(bus->service_calls, bus->service_duration, values, duration_s);
    }
}

void sonde_bus_storage_operation(sonde_bus *bus, const char *operation, const char *backend,
                                 const char *status, double duration_s)
{
    const char *values[] = {operation, backend, status};
    if (bus) {
        record(bus->storage_operations, bus->storage_duration, values, duration_s);
    }
}

/* ---- the command */

static void list_one(struct jot *j, struct sonde_bus *b)
{
    jot_object(j, NULL);
    jot_string(j, "name", b->name);
    jot_array(j, "subscriptions");
    size_t n = atomic_load_explicit(&b->subscriptions_n, memory_order_acquire);
    for (size_t i = 0; i < n; i++) {
        struct bus_subscription *s = atomic_load(&b->subscription[i]);
        jot_object(j, NULL);
        jot_string(j, "pattern", s->pattern);
        jot_bool(j, "active", atomic_load(&s->active));
        jot_u64(j, "events", atomic_load_explicit(&s->events, memory_order_relaxed));
        jot_end(j);
    }
    jot_end(j);
    jot_array(j, "plugins");
    pthread_mutex_lock(&b->lock);
    for (size_t i = 0; i < b->plugins_n; i++) {
        jot_object(j, NULL);
        jot_string(j, "plugin", b->plugin[i].name);
        jot_string(j, "version", b->plugin[i].version);
        jot_string(j, "state", bus_state_names[b->plugin[i].state]);
        jot_end(j);
    }
    pthread_mutex_unlock(&b->lock);
    jot_end(j);
    jot_end(j);
}

static int list(const struct command_call *call, struct jot *j, char *problem)
{
    struct sonde_bus *b;
    jot_array(j, "buses");
    for (size_t i = 0; (b = bus_at(i)) != NULL; i++) {
        list_one(j, b);
    }
    jot_end(j);
    return 0;
}

static struct command bus_command = {
    .name = "bus",
    .usage = "",
    .help = "Event buses: their subscriptions with events so far, and their plug-ins.",
    .level = COMMAND_VIEWER,
    .run = list,
};

static int start(char *problem)
{
    command_add(&bus_command);
    return 0;
}

static void fork_child(void)
{
    pthread_mutex_init(&lock, NULL);
    struct sonde_bus *b;
    for (size_t i = 0; (b = bus_at(i)) != NULL; i++) {
        pthread_mutex_init(&b->lock, NULL);
    }
}

const struct module bus_module = {.name = "bus", .start = start, .fork_child = fork_child};
