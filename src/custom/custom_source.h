/* custom/custom_source.h - a kind of source of custom metrics, as custom.c drives it.
 *
 * Threads: open and close: the daemon's; run: one thread of a pool, never twice at once for the
 * same state; start: the loop's.
 */
#ifndef CUSTOM_CUSTOM_SOURCE_H
#define CUSTOM_CUSTOM_SOURCE_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "collect/emit.h"
#include "custom/custom_settings.h"
#include "launch/launch.h"
#include "net/fetch.h"
#include "os/disk.h"

struct custom_source_host {
    struct launcher *launcher; /* NULL: nothing can be started */
    struct fetcher *fetcher;
    struct disk *disk; /* NULL: nothing is remembered */
    const struct clock *clock;
};

/* One run of a row. */
struct custom_source_run {
    struct emit emit; /* where values go: between emit_begin() and emit_end() */
    struct why why;   /* [out] of an error */
    bool ended;       /* [out] a program has ended with this */
    int status;       /* exit status, -1 where a signal ended it */
};

struct custom_source_ops {
    const char *kind; /* "command", as the configuration has it */
    int (*open)(const struct custom_source_host *host, const struct custom_settings_row *row,
                void **ret, struct why *why);
    /* One of the two. After start(), done() comes once and later; run lives until then. */
    int (*run)(void *state, struct custom_source_run *run);
    void (*start)(void *state, struct custom_source_run *run, void (*done)(void *context, int err),
                  void *context);
    void (*close)(void *state);
};

extern const struct custom_source_ops custom_command_source;
extern const struct custom_source_ops custom_http_source;
extern const struct custom_source_ops custom_sql_source;
extern const struct custom_source_ops custom_log_source;

/* Nothing is started any more without a launcher: -ERR_STATE with why. */
MUST_USE int custom_source_launcher(const struct custom_source_host *host, struct why *why);

#endif
