/* watch/conf/watch_conf.h - what a configuration says of programs to watch: [watch] and
 * [[watch.program]].
 *
 * The same rows are the switches of `sonde watch [SWITCH].. -- PROGRAM ARGUMENT..`
 * (watch_conf_words.h), and become the table that sonde-watch reads (watch_conf_plan()).
 *
 * Flow:    sonde.toml, words -> struct watch_conf -> watch_conf_check() -> struct watch_plan
 * Threads: plain data and pure functions.
 */
#ifndef WATCH_CONF_WATCH_CONF_H
#define WATCH_CONF_WATCH_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/option.h"
#include "watch/watch_plan.h"

enum {
    WATCH_CONF_PROGRAMS_MAX = 2000,
    WATCH_CONF_NAME_MAX = 64, /* bytes of a program's or a group's name */
    WATCH_CONF_INSTANCES_MAX = 200,
    WATCH_CONF_SOCKET_MAX = 107, /* bytes that the path of a Unix socket may have */
};

/* [watch] */
struct watch_conf_own {
    const char *folder, *socket, *status_file;
    int64_t verbosity;
    bool json, stay;
    int64_t poll_interval_ms;
    bool alerts;
};

/* How it is seen whether a program lives or is ready: a target or a command, or neither. */
struct watch_conf_probe {
    const char *target;
    struct option_list command;
    int64_t interval_ms, timeout_ms, fail_ms, status_min, status_max;
    const char *body;
};

/* [[watch.program]]: a key for each member of struct watch_program. */
struct watch_conf_program {
    const char *name, *group;
    struct option_list command;
    const char *folder, *user;
    struct option_list environment, after;
    int64_t instances, port;
    bool enabled;
    const char *restart;
    int64_t restarts_max, window_ms;
    struct option_list pauses;
    int64_t jitter_percent;
    const char *give_up;
    int64_t retry_ms, grace_ms, heartbeat_ms;
    struct watch_conf_probe health, ready;
    const char *stop_signal, *reload_signal;
    int64_t stop_timeout_ms;
    bool abort_on_hang;
    int64_t memory_bytes_max, cpu_percent_max, files_max, limit_for_ms;
    int64_t cgroup_memory_bytes_max, cgroup_pids_max, cgroup_cpu_percent_max;
    struct option_list before_start, after_start, before_stop, after_stop;
    int64_t hook_timeout_ms, log_bytes_max, log_files_max;
    bool rolling;
    const char *haproxy_socket, *haproxy_backend, *proxy_listen;
    int64_t drain_ms;
};

struct watch_conf {
    struct watch_conf_own own;
    struct option_rows programs; /* of struct watch_conf_program */
};

extern const struct option_table watch_conf_options;
extern const struct option_table watch_conf_program_options;

/* All that one row alone cannot say: names well formed and given once, `after` known and without a
 * circle, targets, signals and pauses understood. why names the row. */
MUST_USE int watch_conf_check(const struct watch_conf *c, struct why *why);

/* Appends a line for each thing that will hardly work: a program that is not there or may not be
 * run, a folder that is missing. is_runnable and is_folder look at the machine. */
struct watch_conf_look {
    bool (*is_runnable)(const char *path); /* a path, or a name that is looked up in PATH */
    bool (*is_folder)(const char *path);
};
void watch_conf_doubts(const struct watch_conf *c, const struct watch_conf_look *look,
                       struct buf *out);

/* Where the state of the watched programs is, absolute: [watch] folder, or DATA/watch. here is the
 * absolute working directory. Memory is a's. */
const char *watch_conf_folder(const struct watch_conf *c, const char *data, const char *here,
                              struct arena *a);

/* The control socket, absolute: [watch] socket, or control.socket in the folder. */
const char *watch_conf_socket(const struct watch_conf *c, const char *data, const char *here,
                              struct arena *a);

/* The table for sonde-watch, of a configuration that watch_conf_check() has passed; to be given to
 * watch_plan_free(). names [n] are programs and groups, "all" for all; with n > 0 what they do not
 * name (and what those wait for) is in the table but not started. -ERR_NOENT: there is none of that
 * name; -ERR_LIMIT: the path of the socket is too long. */
struct watch_conf_place {
    const char *data, *here; /* as watch_conf_folder() */
    const char *const *names;
    size_t names_n;
};
MUST_USE int watch_conf_plan(const struct watch_conf *c, const struct watch_conf_place *place,
                             struct watch_plan **ret, struct why *why);

/* "TERM", "SIGTERM" or "15"; "none" is 0. -1: unknown. */
int watch_conf_signal(const char *text);

#endif
