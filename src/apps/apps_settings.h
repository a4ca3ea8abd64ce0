/* apps/apps_settings.h - [apps] and [sentry] of the configuration, and where the socket is.
 *
 * Threads: constant data and pure functions.
 */
#ifndef APPS_APPS_SETTINGS_H
#define APPS_APPS_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/option.h"

enum { APPS_SETTINGS_PLACES = 3, APPS_SETTINGS_PATH_MAX = 108 };

#define APPS_SETTINGS_AUTO "auto"

struct apps_settings {
    bool enabled, symbols;
    struct option_list listen;
    const char *mode, *tenant, *otlp_endpoint;
    int64_t connections_max, series_max, bytes_per_second_max;
    int64_t spans_bytes_max, logs_bytes_max, errors_bytes_max;
};

struct apps_settings_sentry {
    const char *dsn;
    int64_t timeout_ms;
};

extern const struct option_table apps_settings_options, apps_settings_sentry_options;

/* What option rows cannot check: the DSN, the endpoint, the paths. */
MUST_USE int apps_settings_check(const struct apps_settings *s,
                                 const struct apps_settings_sentry *sentry, struct why *why);

/* The folder of the i-th place that "auto" looks at (docs/format/libsonde.md), "" where it does
 * not count here. *ret_ours: it is made where it is missing, for its owner alone. */
void apps_settings_folder(size_t i, char ret[APPS_SETTINGS_PATH_MAX], bool *ret_ours);

/* A DSN taken apart: where envelopes go and by which key. */
struct apps_settings_dsn {
    char url[600]; /* http(s)://HOST[:PORT][/PATH]/api/PROJECT/envelope/ */
    char key[100];
    char shown[600]; /* the same without the key: for people */
};
MUST_USE int apps_settings_dsn(const char *dsn, struct apps_settings_dsn *ret, struct why *why);

#endif
