/* cli/watch_ctl.h - `sonde watch ctl|status|logs`: a running sonde-watch is asked, its answer
 * shown.
 *
 * Threads: one.
 */
#ifndef CLI_WATCH_CTL_H
#define CLI_WATCH_CTL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* Exit statuses of all of `sonde watch`, and those of sonde-watch itself. */
enum watch_ctl_exit {
    WATCH_CTL_OK = 0,
    WATCH_CTL_FAILED = 1,   /* what was asked for was not reached; status: something is unsettled */
    WATCH_CTL_WRONG = 2,    /* words or a configuration that are not understood */
    WATCH_CTL_NOBODY = 3,   /* no sonde-watch listens there */
    WATCH_CTL_UNKNOWN = 4,  /* no program and no group of that name */
    WATCH_CTL_CRITICAL = 5, /* a program is critical or blocked */
};

struct watch_ctl {
    const char *socket;
    bool json;       /* the answers as they come */
    int64_t wait_ms; /* for start, stop, restart */
    int64_t lines;   /* of logs and events */
    bool follow, dependents;
};

/* A table of all, or of what target names; the exit status. */
int watch_ctl_status(const struct watch_ctl *c, const char *target);

/* start, stop, restart, reload, check, logs, events, shutdown, upgrade, signal. text is the signal
 * or the path of the last two, the table of plan. */
int watch_ctl_do(const struct watch_ctl *c, const char *verb, const char *target, struct str text);

/* Does somebody listen there? */
bool watch_ctl_runs(const char *socket);

#endif
