/* watch/control.h - what is asked of sonde-watch over its control socket.
 *
 * A Unix socket; a request is one line of JSON (a flat object), an answer is one too, and some
 * requests are followed by more lines until the asker closes (docs/format/watch_control.md, where
 * the answers are drawn). Requests on one connection are answered in their order.
 *
 * Flow:    struct control_request -> line -> socket -> line -> struct control_request
 * Threads: pure functions.
 */
#ifndef WATCH_CONTROL_H
#define WATCH_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum {
    CONTROL_LINE_MAX = 32 << 20, /* bytes of a request or an answer: a plan is in one */
    CONTROL_LOG_LINES_MAX = 100000,
};

/* Every request; its word is its name in lower case, as in {"do":"status"}. */
enum control_verb {
    CONTROL_STATUS,   /* everything that is known of all units, or of target's */
    CONTROL_START,    /* target's units; a critical one begins anew */
    CONTROL_STOP,     /* and stay down */
    CONTROL_RESTART,  /* stop, start; does not count as a failure */
    CONTROL_RELOAD,   /* reload_signal, or a restart where the program has none */
    CONTROL_SIGNAL,   /* signal to the main process */
    CONTROL_CHECK,    /* run liveness and readiness now; answers when they are done */
    CONTROL_LOGS,     /* the last `lines` of output; follow: and what comes */
    CONTROL_EVENTS,   /* the last `lines` events; follow: and what comes */
    CONTROL_PLAN,     /* a new table: what has changed is restarted, what is gone is stopped */
    CONTROL_UPGRADE,  /* executes itself anew (path: another file), programs untouched */
    CONTROL_SHUTDOWN, /* stops all in reverse order and ends */
    CONTROL_VERBS
};

struct control_request {
    enum control_verb verb;
    const char *target; /* NAME, NAME@INSTANCE, GROUP or "all"; "" means all */
    const char *signal; /* of SIGNAL: "USR1", "SIGUSR1" or "10" */
    const char *plan;   /* of PLAN: the text of watch_plan_write() */
    const char *path;   /* of UPGRADE: the executable; "" the one that runs */
    int64_t lines;      /* of LOGS and EVENTS: 100 */
    int64_t wait_ms;    /* of START, STOP, RESTART: answer when all are there, at most so long */
    bool follow;
    bool dependents; /* of STOP, RESTART: also what has to start after the target */
};

/* The word of a verb. */
const char *control_word(enum control_verb verb);

/* A request of that verb and nothing else. */
struct control_request control_request_of(enum control_verb verb, const char *target);

/* Appends the line with its end. */
void control_request_write(const struct control_request *r, struct buf *out);

/* Texts lie in a. -ERR_FORMAT with a sentence for the asker. */
MUST_USE int control_request_read(struct str line, struct arena *a, struct control_request *ret,
                                  struct why *why);

/* Does target name the unit `name` (NAME or NAME@INSTANCE) of that program and group? */
bool control_target_is(const char *target, const char *program, const char *group,
                       const char *name);

/* The number of a signal's name (with or without SIG) or of a number in digits; 0 for none. */
int control_signal_of(const char *name);

#endif
