/* watch/watch_plan.h - the table of programs that sonde-watch supervises, checked already.
 *
 * `sonde watch` (or the daemon) reads [watch] and [[watch.program]] of sonde.toml or the words of a
 * command line and writes the table with watch_plan_write(); sonde-watch reads it with
 * watch_plan_read() from a descriptor, and again at each reload, over its socket. The table is
 * text, a line a fact, so that sonde-watch needs no parser of TOML or JSON
 * (docs/format/watch_plan.md).
 *
 * Flow:    sonde.toml -> watch/conf -> watch_plan_write() -> bytes -> watch_plan_read() -> watch/
 * Threads: pure functions; a plan is immutable.
 */
#ifndef WATCH_WATCH_PLAN_H
#define WATCH_WATCH_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum {
    WATCH_PLAN_PROGRAMS_MAX = 10000, /* with their instances */
    WATCH_PLAN_INSTANCES_MAX = 1000, /* of one program */
    WATCH_PLAN_LIST_MAX = 4096,      /* words of one list */
    WATCH_PLAN_PAUSES_MAX = 32,
    WATCH_PLAN_RESTARTS_MAX = 1000000, /* in a window: the same as no limit */
    WATCH_PLAN_NAME_MAX = 100,         /* bytes */
    WATCH_PLAN_BYTES_MAX = 16 << 20,   /* of the whole text */
};

enum watch_probe_kind { WATCH_PROBE_NONE, WATCH_PROBE_HTTP, WATCH_PROBE_TCP, WATCH_PROBE_COMMAND };

/* Is it alive, is it ready? HTTP without TLS, TCP and commands are sonde-watch's own. */
struct watch_probe {
    enum watch_probe_kind kind;
    const char *target;             /* "http://127.0.0.1:8000/health", "127.0.0.1:5432" or ""  */
    const char *const *argv;        /* of a command; NULL at the end */
    int64_t interval_ms;            /* 15 s */
    int64_t timeout_ms;             /* of one check; 5 s */
    int64_t fail_ms;                /* so long without a success: not alive; 45 s */
    int64_t status_min, status_max; /* HTTP: 200 to 399 */
    const char *body;               /* HTTP: must be in the answer; "" anything */
};

enum watch_give_up {
    WATCH_GIVE_UP_STOP,  /* critical: stays down, exit code says so */
    WATCH_GIVE_UP_RETRY, /* critical, and tries again each retry_ms */
};

enum watch_restart { WATCH_RESTART_ALWAYS, WATCH_RESTART_ON_FAILURE, WATCH_RESTART_NEVER };

struct watch_program {
    const char *name;               /* letters, digits, - _ . */
    const char *group;              /* "" none */
    const char *const *argv;        /* NULL at the end */
    const char *folder;             /* working directory; "" that of sonde-watch */
    const char *const *environment; /* "NAME=value", added; NULL at the end */
    const char *user;               /* to run as; "" the same */
    const char *const *after; /* names of programs that must be ready first; NULL at the end */
    int64_t instances; /* 1; SONDE_INSTANCE and @INSTANCE@ in argv, environment, probes: 0.. */
    int64_t port;      /* first port; instance i gets port + i as PORT and @PORT@; 0 none */
    bool enabled;      /* started with the others */
    enum watch_restart restart;
    int64_t restarts_max; /* 5 in window_ms */
    int64_t window_ms;    /* 10 min; also how long it must be well for the count to be cleared */
    const int64_t *pauses_ms; /* [pauses_n]: 0, 1, 2, 4, 8 s; the last one repeats */
    size_t pauses_n;
    int64_t jitter_percent; /* of a pause, added at random: 10 */
    enum watch_give_up give_up;
    int64_t retry_ms;     /* 5 min */
    int64_t grace_ms;     /* after its start, before checks count: 10 s; READY=1 ends it */
    int64_t heartbeat_ms; /* WATCHDOG_USEC: 10 s; counts from the first WATCHDOG=1 on; 0 off */
    struct watch_probe liveness, readiness;
    int64_t stop_signal;     /* SIGTERM */
    int64_t stop_timeout_ms; /* then SIGKILL: 10 s */
    int64_t reload_signal;   /* SIGHUP; 0: reloading is a restart */
    bool abort_on_hang;      /* SIGABRT first, for a core */
    int64_t memory_max;      /* bytes of the whole tree: restart above; 0 no limit */
    int64_t cpu_percent_max; /* over limit_for_ms; 0 no limit */
    int64_t files_max;       /* open descriptors; 0 no limit */
    int64_t limit_for_ms;    /* so long above a limit: 30 s */
    int64_t cgroup_memory_max, cgroup_pids_max, cgroup_cpu_percent; /* kernel's limits; 0 none */
    const char *const *before_start, *const *after_start, *const *before_stop, *const *after_stop;
    int64_t hook_timeout_ms; /* 30 s */
    int64_t log_bytes_max;   /* of one file, before it is rotated: 10 MiB */
    int64_t log_files;       /* kept: 5 */
    bool rolling; /* restarts of several instances one after the other, each ready first */
    const char *haproxy_socket, *haproxy_backend; /* told which instances are fit; "" none */
    const char *proxy_listen; /* own TCP proxy in front of the instances; "" none */
    int64_t drain_ms;         /* from being taken out of rotation until it is stopped: 5 s */
};

struct watch_plan {
    struct arena arena;
    const char *folder;                   /* of logs, status.json and the socket */
    const char *socket;                   /* path of the control socket */
    const char *status_file;              /* JSON, each second and at each change; "" none */
    int64_t verbosity;                    /* 0 errors, 1 changes, 2 checks, 3 everything */
    bool json;                            /* the supervisor's own log as JSON too */
    const struct watch_program *programs; /* [n] */
    size_t n;
};

/* A plan of no programs, and a program of no name, with every default of the table. */
void watch_plan_init(struct watch_plan *p);
void watch_plan_program_init(struct watch_program *p);

/* Letters, digits, - _ and . (not at its beginning), at most WATCH_PLAN_NAME_MAX; not "all". */
bool watch_plan_name_ok(struct str name);

/* What the table says as a whole: names are unique, commands there, `after` names programs and no
 * circle, probes have targets. watch_plan_read() does it too. */
MUST_USE int watch_plan_check(const struct watch_plan *p, struct why *why);

/* Appends the table. */
void watch_plan_write(const struct watch_plan *p, struct buf *out);

/* -ERR_FORMAT: why says which line. */
MUST_USE int watch_plan_read(struct str text, struct watch_plan **ret, struct why *why);
void watch_plan_free(struct watch_plan *p); /* NULL is fine */

/* The program of that name, or NULL. */
const struct watch_program *watch_plan_program(const struct watch_plan *p, struct str name);

#endif
