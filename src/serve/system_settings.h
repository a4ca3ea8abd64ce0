/* serve/system_settings.h - [status]: the status of machine, daemon and programs as a file.
 *
 * Threads: plain data.
 */
#ifndef SERVE_SYSTEM_SETTINGS_H
#define SERVE_SYSTEM_SETTINGS_H

#include <stdint.h>

#include "base/option.h"

struct system_settings {
    const char *file;
    int64_t interval_seconds;
};
extern const struct option_table system_settings_options; /* [status] */

#endif
