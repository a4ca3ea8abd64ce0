/* health/checkup.h - checks of components: HTTP servers, ports, databases, programs, files, hosts,
 * and what programs say of themselves.
 *
 * Each check is made on its period, spread so that they do not all come at once. Readings settle to
 * a state (health/standing.h); a dead parent explains a bad child, whose state is then unknown; in
 * a maintenance window states are recorded but raise no alert and do not count for uptime. Changes
 * are kept in state.db within a second, with the time in which the daemon ran, so that the time in
 * which it did not is unknown and not down. Every reading becomes series; bad states raise alerts.
 *
 * Flow:    settings, API -> kinds (checkup_kind.h) -> standing -> state.db, sink, alerts, events ->
 *          checkup_list()
 * Threads: checkup_new, checkup_start, checkup_stop, checkup_free: one; the rest: any, and those
 *          that say so wait, so that they belong on a pool.
 */
#ifndef HEALTH_CHECKUP_H
#define HEALTH_CHECKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "event/event.h"
#include "health/checkup_kind.h"
#include "health/checkup_settings.h"
#include "health/standing.h"
#include "launch/launch.h"
#include "model/alert.h"
#include "model/sink.h"
#include "store/state/state.h"

enum {
    CHECKUP_RESEND_MS = 60000, /* a firing alert is told again */
    CHECKUP_BELIEVE_MS = 4 * CHECKUP_RESEND_MS,
    CHECKUP_RESOLVED_MS = 15 * 60000, /* and a resolved one for so long */
    CHECKUP_MADE_MAX = 5000,          /* checks that programs make */
};

struct checkup;

/* Borrowed until checkup_free(), settings' texts too. */
struct checkup_plan {
    const struct checkup_plan_settings *settings;
    const struct clock *clock;
    struct state *state;       /* NULL: nothing is kept */
    struct events *events;     /* NULL: changes are no events */
    struct alert_sink *alerts; /* NULL: nobody is told */
    struct sink *sink;         /* NULL: no series */
    size_t lane;
    struct str tenant, instance;
    struct launcher *launcher;
    void (*store)(void *context, struct health_reading *ret); /* the store's probe, or NULL */
    void *store_context;
};

MUST_USE int checkup_new(const struct checkup_plan *plan, struct checkup **ret, struct why *why);
void checkup_start(struct checkup *c);

/* Ends its thread and writes what waits; asking goes on. */
void checkup_stop(struct checkup *c);
void checkup_free(struct checkup *c); /* NULL is fine */

enum checkup_origin { CHECKUP_FILE, CHECKUP_API, CHECKUP_REGISTERED };

enum { CHECKUP_WINDOWS = 3 }; /* a day, a week, 30 days */

/* How a check is doing; memory is the arena's. */
struct checkup_view {
    struct checkup_settings settings; /* its secrets too */
    enum checkup_origin origin;
    enum health_state state; /* unknown before the first reading, or explained by because */
    struct str because;      /* the parent that explains it; "" none */
    struct str message;
    bool maintenance, running, ever; /* ever: there was a reading */
    int64_t since_ms, last_ms, expires_ms;
    double duration_s, uptime[CHECKUP_WINDOWS]; /* NaN: not known */
    unsigned row;                               /* readings in a row that speak for a change */
    enum health_state last;                     /* what the last one said */
    uint64_t runs, failures;
    const struct checkup_figure *figures; /* [figures_n] */
    size_t figures_n;
};

/* NULL c has none. By name. */
void checkup_list(struct checkup *c, struct arena *a, struct checkup_view **ret, size_t *ret_n);
MUST_USE int checkup_one(struct checkup *c, struct str name, struct arena *a,
                         struct checkup_view *ret);

/* The worst of those that are required, degraded at most by the others; what is unknown or under
 * maintenance does not count. */
enum health_state checkup_worst(struct checkup *c);

/* How it spent [n] spans of step_ms that end at to_ms, oldest first. */
MUST_USE int checkup_spent(struct checkup *c, struct str name, int64_t to_ms, int64_t step_ms,
                           size_t n, struct standing_sum *ret);

/* A change of state. */
struct checkup_change {
    int64_t from_ms, to_ms; /* to 0: it goes on */
    enum health_state state;
    bool maintenance;
    struct str message;
    double duration_s;
};
/* Those that reach into [from_ms, to_ms), newest first, at most limit. Waits for the disk. */
MUST_USE int checkup_history(struct checkup *c, struct str name, int64_t from_ms, int64_t to_ms,
                             size_t limit, struct arena *a, struct checkup_change **ret,
                             size_t *ret_n, struct why *why);

/* ---- what programs and people do; all of it waits */

/* Makes the check now and waits for its end, at most timeout_ms. */
MUST_USE int checkup_run_now(struct checkup *c, struct str name, int64_t timeout_ms,
                             struct why *why);

/* Makes a check from a JSON object with the keys of [[check]], or changes the one of that name.
 * name "": the object has it. Its kind may not be one that a configuration alone may give (command,
 * file, process). -ERR_EXISTS: it is of the configuration; -ERR_LIMIT: too many. */
MUST_USE int checkup_put(struct checkup *c, struct str name, struct str json, bool *ret_new,
                         struct why *why);
MUST_USE int checkup_drop(struct checkup *c, struct str name, struct why *why);

/* A program says how it is: {"state","message","value","ttl_seconds","lifetime_seconds",..}; a
 * check of that name is made where there is none. -ERR_STATE: it is not passive. */
MUST_USE int checkup_report(struct checkup *c, struct str name, struct str json, bool *ret_new,
                            struct why *why);

struct checkup_maintenance_view {
    int64_t id; /* 0: of the configuration */
    struct checkup_settings_maintenance settings;
    bool active;
};
void checkup_maintenance_list(struct checkup *c, struct arena *a,
                              struct checkup_maintenance_view **ret, size_t *ret_n);
MUST_USE int checkup_maintenance_add(struct checkup *c, struct str json, int64_t *ret_id,
                                     struct why *why);
MUST_USE int checkup_maintenance_drop(struct checkup *c, int64_t id, struct why *why);

/* Of the status page; its texts live as long as the configurations do. NULL: it is off. */
struct checkup_settings_page checkup_page(struct checkup *c);
void checkup_page_set(struct checkup *c, const struct checkup_settings_page *page);

/* "healthy", "degraded", "unhealthy", "unknown" */
const char *checkup_word(enum health_state state);

#endif
