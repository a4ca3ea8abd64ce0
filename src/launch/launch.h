/* launch/launch.h - programs for the confined worker, started by a process of their own.
 *
 * The worker may not start programs. The parent forks a launcher beside it, which holds the table
 * of programs that the configuration gives and one end of a channel; the worker names a row, and
 * the launcher starts it in a process group of its own, with its standard output on a pipe whose
 * reading end it hands over. It kills the group when the time is up or when the worker asks, and
 * tells how the program ended. A worker that is taken over cannot start anything that the
 * configuration does not name. When the worker ends, the launcher ends all that it has started, and
 * then itself.
 *
 * Flow:    worker: launch_start() -> socket -> launcher: fork, exec -> pipe, exit status -> worker
 * Threads: launch_*: any; the launcher process has one thread.
 */
#ifndef LAUNCH_LAUNCH_H
#define LAUNCH_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum {
    LAUNCH_NAME_MAX = 200,   /* bytes of a row's name */
    LAUNCH_RUNNING_MAX = 64, /* programs at once */
    LAUNCH_SAID_MAX = 1000,
};

/* A row of the table. */
struct launch_program {
    const char *name;        /* by which the worker asks: "command:backup", "helper:gpu" */
    const char *const *argv; /* NULL at the end; argv[0] is a path or is looked up in PATH */
    const char *folder;      /* working directory; NULL: / */
    bool input;              /* the worker writes to it: a pipe for its standard input too */
};

/* Forks the launcher; *ret_fd is the end of the channel for the worker. rows [n] are borrowed until
 * it returns. The parent reaps it with spawn_reap(). */
MUST_USE int launch_fork(const struct launch_program *rows, size_t n, int *ret_fd, struct why *why);

/* The launcher's life: serves requests on fd until the other end closes. Called by launch_fork() in
 * the new process. */
void launch_serve(int fd, const struct launch_program *rows, size_t n) NORETURN;

struct launcher; /* the worker's end */

/* Takes over fd. */
MUST_USE int launch_open(int fd, struct launcher **ret, struct why *why);
void launch_close(struct launcher *l); /* NULL is fine */

/* From now on launch_run() and launch_wait() of any thread give -ERR_CLOSED, within a second: for
 * who ends and has threads that wait for programs. NULL is fine. */
void launch_quit(struct launcher *l);

/* Has the launcher gone? NULL is no. */
bool launch_gone(struct launcher *l);

struct launch_process {
    uint64_t id;
    int output; /* readable end of its standard output, non-blocking; the caller's */
    int input;  /* writable end, or -1; the caller's */
};

/* Starts the program with that name. -ERR_UNSUPPORTED: no such row; -ERR_NOENT: no such program;
 * -ERR_CLOSED: the launcher is gone. deadline_ms 0: it may run for ever. Waits for the launcher's
 * answer (milliseconds), not for the program. */
MUST_USE int launch_start(struct launcher *l, const char *name, int64_t deadline_ms,
                          struct launch_process *ret, struct why *why);

struct launch_end {
    int status;                 /* exit status, or -1 where a signal ended it */
    int signal;                 /* 0: none */
    bool timed_out;             /* its deadline was the reason */
    char said[LAUNCH_SAID_MAX]; /* the end of what it wrote to standard error, NUL-terminated */
};

/* Waits for the end of a process, for at most timeout_ms: 0, -ERR_TIMEOUT, -ERR_CLOSED. After 0 the
 * id means nothing any more. */
MUST_USE int launch_wait(struct launcher *l, uint64_t id, int64_t timeout_ms,
                         struct launch_end *ret);

/* Ends it: SIGTERM to its group, SIGKILL two seconds later. Its id means nothing any more. */
void launch_kill(struct launcher *l, uint64_t id);

/* Starts, writes input where the row takes any, gathers the output into ret (as much as its cap
 * allows), waits for the end: for programs that are asked and answer. -ERR_TIMEOUT after
 * deadline_ms, -ERR_LIMIT for more output; the program is ended then. */
MUST_USE int launch_run(struct launcher *l, const char *name, struct str input, int64_t deadline_ms,
                        struct buf *ret, struct launch_end *ret_end, struct why *why);

#endif
