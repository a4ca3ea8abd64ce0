/* promfile/promfile_options.h - [prometheus] of sonde.toml: which Prometheus file to work with.
 *
 * Threads: constant data.
 */
#ifndef PROMFILE_PROMFILE_OPTIONS_H
#define PROMFILE_PROMFILE_OPTIONS_H

#include "base/option.h"

struct promfile_settings {
    const char *config_file; /* "": none */
};

extern const struct option_table promfile_options;

#endif
