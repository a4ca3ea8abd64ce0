/* client/alarm/alarm.h - a value held against a threshold: raised when it is crossed, cleared when
 * not.
 *
 * Hysteresis: raised after `for_ms` beyond the limit, cleared after `for_ms` inside it (default 0);
 * the value that was fed last holds until the next one. Each change calls the application's
 * callback and the recorder (a log record and breadcrumb, where client/log sets one), both on the
 * worker, and adds to sonde_client_alarm_changes_total; the state is the metric
 * sonde_client_alarm{alarm,subject} (0 or 1), on which the daemon's alert rules fire. Changes wait
 * for the worker in a ring; where it is full, the last state of the alarms that found no room is
 * told.
 *
 * Threads: alarm_set(), alarm_feed(): any; callbacks on the worker.
 */
#ifndef CLIENT_ALARM_ALARM_H
#define CLIENT_ALARM_ALARM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/core/module.h"
#include "sonde/alarm.h"

enum alarm_side { ALARM_ABOVE, ALARM_BELOW };
enum {
    ALARM_MAX = 1024, /* alarms; more are refused */
    ALARM_KIND_MAX = 64,
    ALARM_SUBJECT_MAX = 128,
    ALARM_UNIT_MAX = 16,
    ALARM_CHANGES_MAX = 256, /* that wait for the worker */
};

struct alarm;

/* Gets or makes the alarm of that kind ("cache_hit_rate") and subject ("images"): limit beyond
 * which it is raised. NULL: no memory, a bad name, too many. It lives until the process ends. */
struct alarm *alarm_set(const char *kind, const char *subject, enum alarm_side side, double limit,
                        const char *unit, uint64_t for_ms);
/* Clears it (a change, where it was raised) and leaves it out from now on; NULL is fine. */
void alarm_remove(struct alarm *a);
void alarm_feed(struct alarm *a, double value, uint64_t now_ns); /* NaN: nothing known, no change */
bool alarm_raised(const struct alarm *a);

struct alarm_state {
    const char *kind, *subject, *unit;
    enum alarm_side side;
    double limit, value;
    bool raised;
    int64_t since_unix_ns; /* of the present state */
    uint64_t changes;
};
void alarm_each(void (*visit)(const struct alarm_state *s, void *context), void *context);

/* Who writes changes down (client/log); on the worker. NULL: nobody. */
typedef void alarm_recorder_f(const sonde_alarm_event *event, int64_t unix_ns);
void alarm_on_record(alarm_recorder_f *record);

/* What the module's task does each second: looks at those that wait for their for_ms, tells
 * changes.
 */
void alarm_tick(uint64_t now_ns);
void alarm_deliver(void);

extern const struct module alarm_module;

#endif
