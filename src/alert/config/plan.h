/* alert/config/plan.h - who is told what: Alertmanager's configuration file and the sections
 * [alert], [[notify]], [[alert.escalation]] of sonde.toml as one checked structure.
 *
 * Alertmanager's file loads as it is and is refused in Alertmanager's words. Without one, each row
 * [[notify]] is a receiver that gets what fits its matchers, grouped by alertname; with one, the
 * rows are receivers that routes can name, and those with matchers get what fits them as well.
 * Receivers of kinds that Sonde does not have are kept as names, and plan.ignored says so.
 *
 * Flow:    YAML text + rows -> plan_read() -> alert/ (routes, inhibition, times), notify/
 *          (receivers)
 * Source:  Alertmanager's documentation: configuration, matchers (UTF-8 and classic), time
 *          intervals.
 * Threads: a plan is immutable; any.
 */
#ifndef ALERT_CONFIG_PLAN_H
#define ALERT_CONFIG_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alert/config/interval.h"
#include "alert/config/matcher.h"
#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/option.h"
#include "base/str.h"
#include "notify/notifier.h"
#include "text/template.h"

/* [alert] */
struct plan_settings {
    const char *config_file;  /* Alertmanager's; "": none */
    const char *external_url; /* of links in notifications; "": http://HOST:PORT of the page */
    struct option_list alertmanagers; /* URLs of Alertmanagers to send to, instead of telling
                                       * receivers from here */
    int64_t resolve_timeout_ms;       /* where Alertmanager's file does not say */
    int64_t rate_per_minute;          /* messages of one integration */
    int64_t expire_hours;             /* messages that could not be sent */
    int64_t history_days;             /* how long state changes are kept */
};
extern const struct option_table plan_options; /* [alert] */

/* [[alert.escalation]]: who is told next while nobody acknowledges. */
struct plan_escalation_row {
    const char *name;
    struct option_list match; /* matchers */
    struct option_list steps; /* "15m RECEIVER": after so long unacknowledged, in order */
    int64_t repeat;           /* the whole ladder again so many times; 0: once */
};
extern const struct option_table plan_escalation_options;

struct plan_route {
    struct str receiver;
    const struct str *group_by; /* [group_by_n], sorted */
    size_t group_by_n;
    bool group_by_all; /* '...' */
    int64_t group_wait_ms, group_interval_ms, repeat_interval_ms;
    struct matcher_list matchers;         /* all must hold */
    const struct interval *const *mute;   /* [mute_n] */
    const struct interval *const *active; /* [active_n] */
    size_t mute_n, active_n;
    bool go_on;  /* continue: siblings behind it are asked too */
    bool beside; /* a row [[notify]] beside the file: gets what fits, and its parent still does what
                  * it did without it */
    struct str key;                  /* as Alertmanager's group keys have it: {}/{a="b"} */
    struct str id;                   /* one of its own; stays the same over reloads that do not
                                      * change what it matches */
    const struct plan_route *routes; /* [routes_n] children, defaults filled in */
    size_t routes_n;
};

struct plan_inhibit {
    struct str name;
    struct matcher_list source, target;
    const struct str *equal; /* [equal_n] */
    size_t equal_n;
};

struct plan_receiver {
    struct str name;
    const struct notify_integration *integrations; /* [n] */
    size_t n;
};

struct plan_step {
    int64_t after_ms;
    struct str receiver;
};

struct plan_escalation {
    struct str name;
    struct matcher_list match;
    const struct plan_step *steps; /* [n], by time */
    size_t n;
    int64_t repeat;
};

struct plan {
    struct arena arena;
    const struct plan_route *root;
    const struct plan_inhibit *inhibits; /* [inhibits_n] */
    size_t inhibits_n;
    const struct plan_receiver *receivers; /* [receivers_n], by name */
    size_t receivers_n;
    const struct interval *intervals; /* [intervals_n] */
    size_t intervals_n;
    const struct plan_escalation *escalations; /* [escalations_n] */
    size_t escalations_n;
    const struct template_set *templates; /* default ones and `templates:` */
    int64_t resolve_timeout_ms;
    struct str text; /* the file, secrets as <secret>, or what the rows amount to, as such a file:
                      * /api/v2/status */
    struct str external_url;
    const struct str *ignored; /* [ignored_n] sentences: what has no effect here */
    size_t ignored_n;
    const struct plan_settings *settings;
};

/* What a plan is made of; settings and rows are borrowed as long as the plan lives, texts for the
 * call. */
struct plan_source {
    struct str yaml;          /* "" where no file is named */
    const char *file;         /* its name, for messages and what it names relatively */
    const char *external_url; /* where settings name none */
    const struct plan_settings *settings;
    const struct option_rows *notify;      /* struct notify_row; may be NULL */
    const struct option_rows *escalations; /* struct plan_escalation_row; may be NULL */
    bool again; /* it has been read before: templates that became wrong are left out and named in
                 * ignored */
};

/* -ERR_FORMAT: why says what is wrong and where, as `amtool check-config` does. */
MUST_USE int plan_read(const struct plan_source *source, struct plan **ret, struct why *why);
void plan_free(struct plan *p); /* NULL is fine */

/* The routes that an alert takes (Alertmanager's first match unless `continue`), deepest ones only,
 * in order; memory from a. At least one. */
void plan_routes(const struct plan *p, struct str labels, struct arena *a,
                 const struct plan_route *const **ret, size_t *ret_n);

const struct plan_receiver *plan_receiver(const struct plan *p, struct str name); /* or NULL */

/* Calls f for each file or pattern of files that is read while p is made or in force: templates,
 * secrets, certificates. For the worker's confinement. */
void plan_files(const struct plan *p, void (*f)(void *context, struct str path), void *context);

/* The programs of command receivers, for the launcher's table. */
void plan_programs(const struct plan *p,
                   void (*f)(void *context, struct str name, const char *const *argv),
                   void *context);

#endif
