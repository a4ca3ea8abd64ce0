/* checkin/checkin_settings.h - what a configuration says of check-ins and heartbeats: [checkins],
 * [[checkin]], [[heartbeat]].
 *
 * Threads: plain data; borrowed until the next reload is over.
 */
#ifndef CHECKIN_CHECKIN_SETTINGS_H
#define CHECKIN_CHECKIN_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/option.h"
#include "base/str.h"

enum { CHECKIN_NAME_MAX = 100 /* bytes: letters, digits, - _ . */ };

struct checkin_settings {
    bool create;
    int64_t created_max;
};

struct checkin_row {
    const char *name, *title;
    int64_t every_seconds;
    const char *cron, *zone;
    int64_t grace_seconds, max_runtime_seconds;
    const char *severity;
    struct option_list labels; /* "name=value" */
};

struct heartbeat_row {
    const char *name, *url, *method, *body;
    struct option_list headers; /* "Name: value" */
    int64_t every_seconds, timeout_ms, fall;
    const char *severity;
};

extern const struct option_table checkin_settings_options;           /* [checkins] */
extern const struct option_table checkin_settings_row_options;       /* [[checkin]] */
extern const struct option_table checkin_settings_heartbeat_options; /* [[heartbeat]] */

/* Names, times, labels and addresses of all rows (struct checkin_row, struct heartbeat_row);
 * -ERR_FORMAT. Zones are looked up. */
MUST_USE int checkin_settings_check(const struct option_rows *checkins,
                                    const struct option_rows *heartbeats, struct why *why);

/* May a check-in be called that? */
bool checkin_settings_name(struct str name);

#endif
