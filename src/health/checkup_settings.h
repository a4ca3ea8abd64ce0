/* health/checkup_settings.h - what a configuration, or a program over the API, says of checks.
 *
 * [health], [[check]], [[maintenance]] and [status_page]. A check has one row whatever its kind
 * is; what another kind would need is refused where it is set.
 *
 * Threads: plain data; borrowed from the configuration.
 */
#ifndef HEALTH_CHECKUP_SETTINGS_H
#define HEALTH_CHECKUP_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/option.h"
#include "text/json.h"
#include "text/json_tree.h"

enum {
    CHECKUP_SETTINGS_MAX = 20000, /* checks in all */
    CHECKUP_SETTINGS_NAME_MAX = 150,
    CHECKUP_SETTINGS_PARENTS_MAX = 16,
    CHECKUP_SETTINGS_LABELS_MAX = 16,
    CHECKUP_SETTINGS_MAINTENANCE_MAX = 500,
    CHECKUP_SETTINGS_PROGRAM_MAX = 200,
};

struct checkup_settings {
    const char *name, *kind, *group, *description;
    int64_t interval_ms, timeout_ms, fall, rise, degraded_above_ms;
    bool required, is_public, alert;
    const char *severity, *severity_degraded;
    struct option_list depends_on, labels;

    /* http */
    const char *url, *method, *body, *unix_path;
    struct option_list headers, status;
    const char *contains;
    const char *username, *password, *bearer;
    const char *ca_file, *server_name;
    bool insecure_skip_verify, follow_redirects, fresh_connection;
    int64_t certificate_days;

    /* tcp, grpc, icmp, postgresql, mysql, redis */
    const char *address;
    const char *send, *expect;
    const char *service, *database;

    /* dns; its address is the name server */
    const char *domain, *record;

    /* command */
    struct option_list command;
    const char *folder;

    /* process */
    const char *process, *cmdline, *pid_file, *user;
    int64_t count_min, count_max;

    const char *unit; /* systemd */

    /* file */
    const char *path;
    int64_t age_s_max, size_bytes_min, size_bytes_max;
    bool absent;

    /* passive */
    int64_t ttl_ms, lifetime_ms;

    bool made; /* by a program over the API, no option: link-local addresses are not for it */
};

struct checkup_settings_maintenance {
    const char *name, *reason;
    struct option_list checks; /* names with *; none: all */
    struct option_list labels; /* "name=value", all of which a check has */
    const char *from, *to;     /* RFC 3339 */
    struct option_list weekly; /* "sun 02:00-04:00" */
    const char *zone;          /* "local" or "utc" */
};

struct checkup_settings_own {
    int64_t threads, metrics_interval_ms, history_days, history_max;
};

struct checkup_settings_page {
    bool enabled;
    const char *title;
};

/* All of it. */
struct checkup_plan_settings {
    struct checkup_settings_own own;
    struct checkup_settings_page page;
    struct option_rows checks, maintenance;
};

extern const struct option_table checkup_settings_own_options;
extern const struct option_table checkup_settings_options;
extern const struct option_table checkup_settings_maintenance_options;
extern const struct option_table checkup_settings_page_options;

/* One check by itself: its kind's settings are there and sound. */
MUST_USE int checkup_settings_check(const struct checkup_settings *s, struct why *why);
MUST_USE int checkup_settings_maintenance_check(const struct checkup_settings_maintenance *m,
                                                struct why *why);

/* All of them: names given once, parents known and without a circle. */
MUST_USE int checkup_settings_check_all(const struct checkup_plan_settings *s, struct why *why);

/* Reads a row of table from a JSON object (keys as in sonde.toml), checked by its rows; what is
 * missing gets its default. Keys in skip [skip_n] are passed over. Memory is a's. */
MUST_USE int checkup_settings_read(const struct option_table *table, const struct json_tree *json,
                                   const char *const *skip, size_t skip_n, struct arena *a,
                                   void *ret, struct why *why);

/* The members of a row that differ from their defaults, secrets as "(hidden)" where hide is true:
 * into an open object. */
void checkup_settings_write(const struct option_table *table, const void *row, bool hide,
                            struct json_writer *w);

/* Calls f for each file that the worker itself will open, pattern or folder. */
void checkup_settings_files(const struct checkup_plan_settings *s,
                            void (*f)(void *context, const char *file), void *context);

/* The row of a command in the table of programs. */
void checkup_settings_program(const struct checkup_settings *s,
                              char ret[CHECKUP_SETTINGS_PROGRAM_MAX]);

/* Does name fit a pattern with *? */
bool checkup_settings_fits(const char *pattern, const char *name);

#endif
