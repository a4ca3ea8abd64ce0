/* health/checkup_kind.h - a kind of check, as the engine drives it.
 *
 * One file checkup_NAME.c (or one for a few) and a row of checkup_kinds.tbl.h.
 *
 * Threads: open, start, close: the engine's loop; run: a thread of its pool, never twice at once
 *          for one state, and never while it is closed.
 */
#ifndef HEALTH_CHECKUP_KIND_H
#define HEALTH_CHECKUP_KIND_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "health/checkup_settings.h"
#include "health/health.h"
#include "health/probe/prober.h"
#include "launch/launch.h"
#include "net/fetch.h"

enum {
    CHECKUP_FIGURES_MAX = 64, /* of one result */
    CHECKUP_LABEL_MAX = 100,
    CHECKUP_UNIT_MAX = 16,
    CHECKUP_MESSAGE_MAX = 512,
};

/* A number that a check gives beside its state. */
struct checkup_figure {
    char label[CHECKUP_LABEL_MAX], unit[CHECKUP_UNIT_MAX];
    double value;
};

struct checkup_result {
    enum health_state state;
    char message[CHECKUP_MESSAGE_MAX]; /* one line; may be empty where healthy */
    double duration_s;                 /* of the answer; the engine's where it is 0 */
    struct checkup_figure *figures;    /* [figures_n], owned */
    size_t figures_n;
};

/* Fills state and message. */
void checkup_result_say(struct checkup_result *r, enum health_state state, const char *format, ...)
    PRINTF(3, 4);
/* Adds a figure; past CHECKUP_FIGURES_MAX nothing. */
void checkup_result_figure(struct checkup_result *r, struct str label, struct str unit,
                           double value);

struct checkup_host {
    struct loop *loop;
    struct prober *prober;
    struct fetcher *fetcher;
    struct launcher *launcher; /* NULL: no programs */
    const struct clock *clock;
    /* The store's own probe: a write and a query. NULL: there is none. */
    void (*store)(void *context, struct health_reading *ret);
    void *store_context;
};

typedef void checkup_done_f(void *context);

struct checkup_kind {
    const char *name;
    /* s lives as long as the state. -ERR_x with why for what can never work. */
    int (*open)(const struct checkup_host *host, const struct checkup_settings *s, void **ret,
                struct why *why);
    /* One of the two. ret lives until done(), which comes once and later. */
    void (*start)(void *state, struct checkup_result *ret, checkup_done_f *done, void *context);
    void (*run)(void *state, struct checkup_result *ret);
    void (*close)(void *state); /* done() does not come any more */
};

#define KIND(name) extern const struct checkup_kind checkup_##name##_kind;
#include "health/checkup_kinds.tbl.h"
#undef KIND

/* NULL where there is none (passive). */
const struct checkup_kind *checkup_kind_of(const char *name);

#endif
