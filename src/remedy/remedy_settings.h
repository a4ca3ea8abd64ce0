/* remedy/remedy_settings.h - the runbook: [remediation], [[remedy]].
 *
 * Threads: plain data.
 */
#ifndef REMEDY_REMEDY_SETTINGS_H
#define REMEDY_REMEDY_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/option.h"

enum { REMEDY_NAME_MAX = 100, REMEDY_PROGRAM_MAX = 200 /* bytes */ };

struct remedy_settings {
    bool enabled, dry_run;
    int64_t keep_days;
};

struct remedy_row {
    const char *name;
    struct option_list match; /* matchers */
    const char *action;       /* "restart" or "command" */
    const char *program;      /* of restart: NAME, NAME@INSTANCE or GROUP of sonde-watch */
    struct option_list command;
    const char *folder;
    int64_t timeout_ms, for_seconds, runs_max, window_seconds, cooldown_seconds;
    bool dry_run;
};

extern const struct option_table remedy_settings_options;     /* [remediation] */
extern const struct option_table remedy_settings_row_options; /* [[remedy]] */

/* Names, matchers, actions; -ERR_FORMAT. */
MUST_USE int remedy_settings_check(const struct option_rows *rows, struct why *why);

/* The name of a row's command in the table of programs. */
void remedy_settings_program(const struct remedy_row *row, char ret[REMEDY_PROGRAM_MAX]);

#endif
