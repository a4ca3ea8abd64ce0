/* supervise/supervise.h - the parent: keeps one worker running.
 *
 * A worker that dies is started again after a pause that grows (0, 0.1, 0.5, 1, 2, 5, 10 s) and
 * begins anew once a worker has served for a minute; its crash report is kept. One whose heart
 * stops is aborted. SIGTERM and SIGINT stop the worker, which writes everything out, and then this
 * process; SIGHUP asks for a reload. The listening sockets belong to the caller and stay open.
 *
 * Flow:    signals, messages, time -> supervise_run() -> a worker that runs
 * Threads: one, the only one of the process.
 */
#ifndef SUPERVISE_SUPERVISE_H
#define SUPERVISE_SUPERVISE_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "os/child.h"

enum supervise_reload {
    SUPERVISE_KEEP,    /* the new configuration is wrong: go on with the old one */
    SUPERVISE_TELL,    /* the worker takes it over as it runs */
    SUPERVISE_REPLACE, /* it needs a new worker */
};

struct supervise_settings {
    const char *crash_folder; /* "data/crash" */
    size_t crash_keep;
    int64_t start_timeout_ms; /* from its start until it is ready */
    int64_t beat_timeout_ms;  /* without a heartbeat, once it is ready */
    int64_t stop_timeout_ms;  /* from the request to stop until it is killed */
};

struct supervise_ops {
    /* The program to start, asked before each start; borrowed until the next call. */
    void (*command)(void *context, struct child_config *ret);
    /* What is in force now; borrowed until the next reload. */
    void (*settings)(void *context, struct supervise_settings *ret);
    /* SIGHUP: reads the configuration anew. On SUPERVISE_KEEP why says what is wrong. */
    enum supervise_reload (*reload)(void *context, struct why *why);
    /* The worker serves; the first time and after each restart. */
    void (*ready)(void *context);
};

/* Runs until SIGTERM or SIGINT. Returns the exit status for this process: 0 after a clean stop, 1
 * where the worker cannot start or had to be killed. */
int supervise_run(const struct supervise_ops *ops, void *context, const char *build);

/* The pause before the n-th restart in a row (from 0), milliseconds. */
int64_t supervise_pause_ms(unsigned n);

#endif
