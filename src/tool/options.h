/* tool/options.h - every module's options in one list, and the daemon's own section [server].
 *
 * Flow:    sonde.toml + command line -> options_read() -> struct conf -> settings structs
 * Threads: constant data and pure functions.
 */
#ifndef TOOL_OPTIONS_H
#define TOOL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/option.h"
#include "collect/settings.h"
#include "conf/conf.h"
#include "forward/forward_options.h"
#include "custom/custom_settings.h"
#include "health/checkup_settings.h"
#include "ingest/ingest.h"
#include "store/series/store.h"
#include "watch/conf/watch_conf.h"

enum {
    OPTIONS_FILE_MAX = 4 << 20,     /* bytes of a configuration */
    OPTIONS_PROBLEMS_MAX = 1 << 16, /* bytes of the sentences about it */
};

/* [server] */
struct options_server {
    struct option_list listen;
    bool insecure;
    const char *data;
    int64_t loops;
    const char *log_level;
    const char *confine;
    int64_t start_timeout_ms, beat_timeout_ms, stop_timeout_ms, crash_reports_max;
    int64_t connections_max, header_bytes_max, body_bytes_total_max, unpacked_bytes_total_max;
    int64_t header_timeout_ms, body_timeout_ms, idle_timeout_ms, write_queue_bytes_max;
    bool admin_api, lifecycle;
    const char *cors_origin;
};

extern const struct option_table options_server_table;

/* All tables, in the order of the manual. */
extern const struct conf_tables options_tables;

/* Reads a configuration and checks what one row alone cannot. problems as conf_read(). */
MUST_USE int options_read(struct str document, const char *file,
                          const struct conf_override *overrides, size_t overrides_n,
                          struct conf **ret, struct buf *problems);

/* The same from a file ("" or NULL: defaults and overrides alone). */
MUST_USE int options_read_file(const char *file, const struct conf_override *overrides,
                               size_t overrides_n, struct conf **ret, struct buf *problems);

const struct options_server *options_server(const struct conf *c);

/* Settings of modules that have several sections: their parts put together. The texts and rows are
 * c's. */
void options_collect(const struct conf *c, struct settings *ret);
void options_ingest(const struct conf *c, struct ingest_settings *ret);
void options_forward(const struct conf *c, struct forward_settings *ret);
/* [custom] with its rows. */
void options_custom(const struct conf *c, struct custom_settings *ret);
/* [watch] with its programs. */
void options_watch(const struct conf *c, struct watch_conf *ret);

/* [health], [[check]], [[maintenance]], [status_page]. */
void options_health(const struct conf *c, struct checkup_plan_settings *ret);

void options_store(const struct conf *c, struct store_settings *ret);

#endif
