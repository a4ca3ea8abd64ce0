#include "promfile/promfile_options.h"

#include "base/attr.h"

enum { PATH_MAX_BYTES = 4000 };

static const struct option ROWS[] = {
    {"config_file", OPTION_TEXT, offsetof(struct promfile_settings, config_file), "", 0,
     PATH_MAX_BYTES, NULL, OPTION_RELOAD,
     "A configuration file of Prometheus (prometheus.yml), as it is: what it says of scraping, "
     "remote write, rule files and external labels is done here. A relative path begins at the "
     "working directory, paths in the file at its own. It is read again with every reload; the "
     "worker may open the folders of what it names."},
};

const struct option_table promfile_options = {
    "prometheus", "Prometheus's own configuration file, taken over unchanged.",
    false,        sizeof(struct promfile_settings),
    ROWS,         COUNTOF(ROWS),
};
