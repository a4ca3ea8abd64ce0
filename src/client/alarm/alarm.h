/* client/alarm/alarm.h - a value held against a threshold: raised when it is crossed, cleared when
 * not.
 *
 * Hysteresis: raised after `for_ms` beyond the limit, cleared after `for_ms` inside it (default 0).
 * Each change calls the application's callback (on the worker), adds to sonde_client_alarm_changes_
 * total, and is a log record; the state is the metric sonde_client_alarm{alarm,subject} (0 or 1),
 * on which the daemon's alert rules fire.
 *
 * Threads: alarm_set(), alarm_feed(): any; callbacks on the worker.
 */
#ifndef CLIENT_ALARM_ALARM_H
#define CLIENT_ALARM_ALARM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum alarm_side { ALARM_ABOVE, ALARM_BELOW };

struct alarm;

/* Gets or makes the alarm of that kind ("cache_hit_rate") and subject ("images"): limit beyond
 * which it is raised. NULL: no memory. */
struct alarm *alarm_set(const char *kind, const char *subject, enum alarm_side side, double limit,
                        const char *unit, uint64_t for_ms);
void alarm_remove(struct alarm *a);                              /* clears it first; NULL is fine */
void alarm_feed(struct alarm *a, double value, uint64_t now_ns); /* NaN: nothing known, no change */

struct alarm_state {
    const char *kind, *subject, *unit;
    enum alarm_side side;
    double limit, value;
    bool raised;
    int64_t since_unix_ns; /* of the present state */
};
void alarm_each(void (*visit)(const struct alarm_state *s, void *context), void *context);

#endif
