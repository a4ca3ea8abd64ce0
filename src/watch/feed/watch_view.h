/* watch/feed/watch_view.h - how the programs are: the answer of sonde-watch to "status" as plain
 * structs.
 *
 * Flow:    control socket or status.json -> watch_view_read() -> cli, serve, daemon
 * Source:  docs/format/watch_control.md.
 * Threads: pure functions; memory is the arena's.
 */
#ifndef WATCH_FEED_WATCH_VIEW_H
#define WATCH_FEED_WATCH_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "text/json_tree.h"

/* A health or readiness check. */
struct watch_view_check {
    bool configured, ok, ran;
    struct str message;
    int64_t checks, failures, last_ms, duration_ms;
};

struct watch_view_death {
    bool any;
    bool asked; /* somebody wanted it down, or to run anew */
    int64_t time_ms, exit_code, signal;
    struct str cause, sentence;
};

struct watch_view_unit {
    struct str name, program, group, state, wanted, reason, status;
    int64_t instance, port, pid;
    bool ready, fit;
    int64_t started_ms, uptime_ms, next_start_ms;
    int64_t starts, deaths, restarts, restarts_in_window, restarts_max;
    const struct json_tree *restarts_by; /* an object of counts, or NULL */
    struct watch_view_check liveness, readiness;
    int64_t heartbeat_count, heartbeat_last_ms, heartbeat_period_ms;
    int64_t memory_bytes, files, processes, output_bytes, output_dropped_bytes;
    bool proxied;
    int64_t connections, connections_all; /* of the own proxy, where it is proxied */
    double cpu_percent;
    struct watch_view_death last_death;
    const struct json_tree *tree; /* all of it, as it was said */
};

struct watch_view {
    struct str version, state;
    int64_t pid, time_ms, started_ms;
    int64_t units_running, units_ready, units_critical, starts, deaths, restarts;
    struct watch_view_unit *v; /* [n] */
    size_t n;
    const struct json_tree *tree;
};

/* text lives as long as a. -ERR_FORMAT where it is no such answer. */
MUST_USE int watch_view_read(struct str text, struct arena *a, struct watch_view *ret,
                             struct why *why);

/* Asks the sonde-watch at that socket, for target ("" all), and reads its answer: waits. -ERR_NOENT
 * where none runs. */
MUST_USE int watch_view_ask(const char *socket, const char *target, int64_t timeout_ms,
                            struct arena *a, struct watch_view *ret, struct why *why);

/* 0 all is as it is wanted; 1 something starts, restarts or is not ready; 2 critical or blocked. */
enum watch_view_worst { WATCH_VIEW_WELL, WATCH_VIEW_UNSETTLED, WATCH_VIEW_CRITICAL };
enum watch_view_worst watch_view_of(const struct watch_view_unit *u);
enum watch_view_worst watch_view_worst(const struct watch_view *v);

#endif
