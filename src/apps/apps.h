/* apps/apps.h - applications that are connected: their metrics, signals, and questions to them.
 *
 * One thread takes connections of libsonde (client/wire/frame.h), writes metrics to the sink, hands
 * spans, logs, errors and crashes to the signal sink and acknowledges what is durable. When an
 * application goes, its series end with staleness markers.
 *
 * Flow:    socket -> frame_reader -> codec/rw1 -> sink; -> model/signal_sink; apps_ask() -> socket
 * Source:  docs/format/libsonde.md
 * Threads: apps_new, start, stop, free: one. apps_list and apps_ask: any.
 */
#ifndef APPS_APPS_H
#define APPS_APPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apps/apps_settings.h"
#include "apps/hello.h"
#include "base/arena.h"
#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "model/signal_sink.h"
#include "model/sink.h"

enum {
    APPS_GONE_MAX = 100,        /* that are remembered */
    APPS_END_MAX = 200,         /* bytes of how one ended */
    APPS_ASK_MS = 2000,         /* for an answer */
    APPS_LINE_MAX = 4000,       /* bytes of a question */
    APPS_ANSWERS_MAX = 64 << 20 /* bytes of all answers to one question */
};

struct apps;

struct apps_config {
    const struct apps_settings *settings; /* outlives it */
    struct sink *sink;
    size_t lane; /* nobody else's */
    struct signal_sink *signals;
    const struct clock *clock;
};

MUST_USE int apps_new(const struct apps_config *config, struct apps **ret, struct why *why);

/* Listens on fds [n] (which it takes over) from now on; the thread also runs where there is none.
 */
MUST_USE int apps_start(struct apps *a, const int *fds, size_t n, struct why *why);

/* Ends connections and the thread; questions are answered with -ERR_CLOSED. The sinks must still
 * work. NULL is fine. */
void apps_stop(struct apps *a);
void apps_free(struct apps *a); /* NULL is fine */

/* An application, connected or gone. */
struct apps_view {
    struct hello hello;
    int64_t pid, uid;                  /* by the kernel */
    int64_t since_ms, last_ms;         /* connected; last bytes */
    int64_t ended_ms;                  /* 0: connected */
    char end[APPS_END_MAX];            /* how; "" while it is connected */
    uint64_t series;                   /* of the last METRICS */
    uint64_t samples, samples_refused; /* since it connected */
    uint64_t spans, logs, errors;      /* frames of them that are durable */
    uint64_t bytes;                    /* received */
    char problem[APPS_END_MAX];        /* of the last samples that were refused; "" none */
};

/* Connected ones in the order in which they came, then those gone, the last first. */
void apps_list(struct apps *a, struct arena *arena, struct apps_view **ret, size_t *ret_n);

/* An answer of one application. */
struct apps_answer {
    const struct hello *hello;
    int err;         /* 0; -ERR_TIMEOUT, -ERR_CLOSED (went meanwhile), -ERR_LIMIT */
    struct str text; /* what it said: JSON; "" where err */
};

struct apps_reply {
    int err;         /* -ERR_NOENT: no such application; -ERR_STATE: it is gone, or there are
                      * several; -ERR_CLOSED: this daemon ends */
    const char *why; /* a sentence where err */
    const struct apps_answer *v; /* [n], of those that were asked */
    size_t n;
};

struct apps_question {
    const char *instance; /* NULL: all connected applications */
    const char *service;  /* of HELLO, where an instance is named; NULL: any */
    const char *line;     /* a command, at most APPS_LINE_MAX bytes without control characters */
    int level;            /* 0 viewer, 1 operator */
};

/* Asks; done() comes once, on the apps' thread or this one, at most APPS_ASK_MS later, and must not
 * wait; the reply lives for the call. */
void apps_ask(struct apps *a, const struct apps_question *q,
              void (*done)(void *context, const struct apps_reply *reply), void *context);

#endif
