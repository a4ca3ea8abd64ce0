/* sonde/bus.h - an application's event stream as metrics, under names that the application chooses.
 *
 * For programs that are built around a bus of events (home automation, message brokers, plug-in
 * hosts): events are counted by type, calls of services and operations on storage with their
 * durations, plug-ins with their states. What is measured becomes ordinary metrics
 * (sonde/metric.h): bounded, exported to the daemon and by /metrics.
 *
 * Patterns are held against types of events such as "device.lamp.state": words between dots, where
 * "*" or "+" stands for one word, "**" for any number of words (also none), and a "*" within a word
 * for any part of it: "internal.*", "**", "device.+.state", "timer_*".
 *
 * Threads: any. sonde_bus_event() and the helpers take no lock where a series was used before.
 * Errors:  a bus that cannot be made is NULL (sonde_last_problem() says why), and everything with
 *          NULL does nothing.
 */
#ifndef SONDE_BUS_H
#define SONDE_BUS_H

#include <sonde/core.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sonde_bus sonde_bus;

/* Names: NULL for the default, "" for a metric that is not wanted. */
typedef struct sonde_bus_options {
    size_t struct_size;
    const char *name;   /* of the bus, for the command `bus`; NULL: "bus" */
    const char *prefix; /* before the default names of metrics, for example "home_"; NULL: none */

    /* Calls of services, by domain, service and status. */
    const char *service_calls;    /* "service_calls_total" */
    const char *service_duration; /* "service_call_duration_seconds" */
    const char *domain_label;     /* "domain" */
    const char *service_label;    /* "service" */

    /* Operations on storage, by operation, backend and status. */
    const char *storage_operations; /* "storage_operations_total" */
    const char *storage_duration;   /* "storage_operation_duration_seconds" */
    const char *operation_label;    /* "operation" */
    const char *backend_label;      /* "backend" */

    const char *status_label; /* "status", of both */

    /* Plug-ins: 1 for the state that each is in and 0 for the others, and how many are in each. */
    const char *plugin_state;  /* "plugin_state" */
    const char *plugins;       /* "plugins" */
    const char *plugin_label;  /* "plugin" */
    const char *version_label; /* "version" */
    const char *state_label;   /* "state" */

    /* Of the durations: a native histogram, or classic with these bounds in seconds (NULL: 0.005 ..
     * 10). */
    bool native;
    const double *bounds;
    size_t bounds_n;
} sonde_bus_options;
#define SONDE_BUS_OPTIONS_INIT                                                                     \
    {                                                                                              \
        sizeof(sonde_bus_options), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,     \
            NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, 0                                     \
    }

/* A bus; options may be NULL. The same name gives the same bus. NULL: a bad name, a limit, not
 * started. */
SONDE_API sonde_bus *sonde_bus_new(const sonde_bus_options *options);

/* What is done with events whose type matches a pattern. */
typedef struct sonde_bus_subscription {
    size_t struct_size;
    const char *metric;     /* counts them; NULL: "events_total" with the prefix; "": does not */
    const char *help;       /* NULL: a sentence that names the pattern */
    const char *type_label; /* holds the type; NULL: "event_type"; "": no such label */
    const char *const *attributes; /* keys whose values become labels too, NULL at the end; NULL:
                                      none */
    size_t types_max; /* combinations that are told apart, all others are "other"; 0: 200 */
    /* Called on the thread of each event; NULL: not. */
    void (*handler)(const char *type, const sonde_attr *attributes, size_t n, void *user);
    void *user;
} sonde_bus_subscription;
#define SONDE_BUS_SUBSCRIPTION_INIT                                                                \
    {                                                                                              \
        sizeof(sonde_bus_subscription), NULL, NULL, NULL, NULL, 0, NULL, NULL                      \
    }

/* Subscribes to a pattern; how may be NULL. Gives a number for sonde_bus_unsubscribe(), or a
 * negative error: SONDE_ERROR_LIMIT beyond 64, SONDE_ERROR_ARGUMENT (sonde_last_problem()). An
 * event that matches several subscriptions is counted by each. */
SONDE_API int sonde_bus_subscribe(sonde_bus *bus, const char *pattern,
                                  const sonde_bus_subscription *how);
/* No event that is published after it returns is counted by it; a handler that runs on another
 * thread meanwhile may still end. */
SONDE_API int sonde_bus_unsubscribe(sonde_bus *bus, int subscription);

/* An event of that type; attributes may be NULL. */
SONDE_API void sonde_bus_event(sonde_bus *bus, const char *type, const sonde_attr *attributes,
                               size_t n);
/* status: "ok", "error", "timeout", ..: what the application calls it; duration_s < 0: not known.
 */
SONDE_API void sonde_bus_service_call(sonde_bus *bus, const char *domain, const char *service,
                                      const char *status, double duration_s);
SONDE_API void sonde_bus_storage_operation(sonde_bus *bus, const char *operation,
                                           const char *backend, const char *status,
                                           double duration_s);

enum sonde_bus_plugin_state {
    SONDE_BUS_PLUGIN_LOADED,
    SONDE_BUS_PLUGIN_FAILED,
    SONDE_BUS_PLUGIN_DISABLED,
    SONDE_BUS_PLUGIN_GONE, /* not known any more: its series end */
};
/* The state of a plug-in from now on (version may be NULL); a new version takes the place of the
 * former one. SONDE_ERROR_LIMIT beyond 256 plug-ins. */
SONDE_API int sonde_bus_plugin(sonde_bus *bus, const char *plugin, const char *version, int state);

/* Does a type match a pattern? */
SONDE_API bool sonde_bus_matches(const char *pattern, const char *type);

#ifdef __cplusplus
}
#endif
#endif
