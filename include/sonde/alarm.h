/* sonde/alarm.h - hearing of thresholds that are crossed (caches, memory, the application's own).
 */
#ifndef SONDE_ALARM_H
#define SONDE_ALARM_H

#include <sonde/core.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sonde_alarm_event {
    size_t struct_size;
    const char *kind;    /* "cache_hit_rate", "memory_bytes", or the application's own */
    const char *subject; /* name of the cache, of the subsystem */
    const char *unit;    /* "ratio", "bytes", "seconds" */
    double value, limit;
    bool raised; /* false: cleared */
} sonde_alarm_event;

/* Calls back on libsonde's thread at every change; NULL stops it. One callback for the process. */
SONDE_API int sonde_alarm_on_change(void (*callback)(const sonde_alarm_event *event, void *user),
                                    void *user);

/* A threshold of the application's own: feed it values; it is raised while they are beyond limit
 * for for_ms. */
typedef struct sonde_alarm sonde_alarm;
SONDE_API sonde_alarm *sonde_alarm_above(const char *kind, const char *subject, double limit,
                                         const char *unit, unsigned for_ms);
SONDE_API sonde_alarm *sonde_alarm_below(const char *kind, const char *subject, double limit,
                                         const char *unit, unsigned for_ms);
SONDE_API void sonde_alarm_feed(sonde_alarm *alarm, double value);
SONDE_API bool sonde_alarm_raised(const sonde_alarm *alarm);

#ifdef __cplusplus
}
#endif
#endif
