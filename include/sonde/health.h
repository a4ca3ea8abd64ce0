/* sonde/health.h - the application's own checks: is its storage, module, plugin, connection well?
 *
 * A component has a check that is called on a period, or reports by itself, or both:
 *
 *     static void check_disk(sonde_health_result *ret, void *user) {
 *         double free_ratio = disk_free_ratio(user);
 *         sonde_health_figure(ret, "free_ratio", free_ratio);
 *         if (free_ratio < 0.05) sonde_health_set(ret, SONDE_UNHEALTHY, "the disk is full");
 *     }
 *     sonde_health_options o = SONDE_HEALTH_OPTIONS_INIT;
 *     o.check = check_disk;
 *     sonde_health_register("disk", &o);
 *
 * Exported as the metrics sonde_health_...{component="disk"}; asked for by the command `health`.
 *
 * Threads: any. Checks run on libsonde's thread, one after the other: one that waits for long keeps
 * the library from sending, and is reported as slow. Work that takes longer belongs to a thread of
 * the application that calls sonde_health_report().
 */
#ifndef SONDE_HEALTH_H
#define SONDE_HEALTH_H

#include <sonde/core.h>

#ifdef __cplusplus
extern "C" {
#endif

enum sonde_health_state {
    SONDE_HEALTHY = 0,
    SONDE_DEGRADED = 1,       /* works, but not as it should */
    SONDE_UNHEALTHY = 2,      /* does not do its work */
    SONDE_HEALTH_UNKNOWN = 3, /* has not been checked and has not reported yet */
};

/* What a check fills; begins as healthy with an empty message. */
typedef struct sonde_health_result sonde_health_result;
/* The worst state that was set counts, with its message. */
SONDE_API void sonde_health_set(sonde_health_result *result, int state, const char *message);
/* A number behind the state; at most 16, names of at most 47 bytes. */
SONDE_API void sonde_health_figure(sonde_health_result *result, const char *name, double value);

typedef void (*sonde_health_check)(sonde_health_result *result, void *user);
typedef struct sonde_health_options {
    size_t struct_size;
    const char *kind;         /* "storage", "module", "plugin", "connection"; NULL: "component" */
    sonde_health_check check; /* NULL: the component reports by itself */
    void *user;
    unsigned period_ms; /* between two checks; 0: the setting health.period_ms */
    unsigned slow_ms;   /* a check that takes longer is slow; 0: the setting health.slow_ms */
    unsigned
        ttl_ms; /* without a report or a finished check for this long it is unhealthy; 0: never */
    bool not_critical; /* unhealthy makes the application degraded only */
} sonde_health_options;
#define SONDE_HEALTH_OPTIONS_INIT                                                                  \
    {                                                                                              \
        sizeof(sonde_health_options), NULL, NULL, NULL, 0, 0, 0, false                             \
    }

/* Registers a component (name of 1..63 bytes), or changes the one of that name. The first check is
 * made within a second. SONDE_ERROR_LIMIT: there are 128. */
SONDE_API int sonde_health_register(const char *component, const sonde_health_options *options);
/* Forgets it; on return its check does not run and will not. Waits at most two seconds for a check
 * that runs: SONDE_ERROR_TIMEOUT (it is not called again). */
SONDE_API int sonde_health_remove(const char *component);

/* A number that a report brings. */
typedef struct sonde_health_value {
    const char *name;
    double value;
} sonde_health_value;
/* The component's own word on how it is (registers it where it is not, without a check). figures
 * may be NULL. */
SONDE_API int sonde_health_report(const char *component, int state, const char *message,
                                  const sonde_health_value *figures, size_t n);

/* Runs all checks now, on libsonde's thread; waits for them at most timeout_ms. */
SONDE_API int sonde_health_run(unsigned timeout_ms);

typedef struct sonde_health_status {
    size_t struct_size;
    int state; /* enum sonde_health_state */
    bool slow; /* the last check took longer than slow_ms, or the one that runs has by now */
    char message[256];
    int64_t changed_unix_ns, reported_unix_ns; /* 0: never */
    double check_seconds;                      /* of the last check */
} sonde_health_status;
#define SONDE_HEALTH_STATUS_INIT                                                                   \
    {                                                                                              \
        sizeof(sonde_health_status), 0, false, "", 0, 0, 0                                         \
    }
/* Of a component; NULL: of the application, which is the worst of its components. */
SONDE_API int sonde_health_get(const char *component, sonde_health_status *ret);

#ifdef __cplusplus
}
#endif
#endif
