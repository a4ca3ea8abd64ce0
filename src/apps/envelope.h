/* apps/envelope.h - what a Sentry envelope is about: id, kind, and the error in a few lines.
 *
 * Not a store of errors: the envelope is kept as it came; this is what lists, events and the relay
 * need to know of it.
 *
 * Source:  https://develop.sentry.dev/sdk/data-model/envelopes/
 * Threads: pure functions.
 */
#ifndef APPS_ENVELOPE_H
#define APPS_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

enum {
    ENVELOPE_ITEMS_MAX = 1000,
    ENVELOPE_FRAMES_MAX = 30, /* the innermost */
    ENVELOPE_TEXT_MAX = 1000, /* bytes of a title; longer ones are cut */
};

struct envelope_frame {
    struct str function, file, module;
    int64_t line; /* 0: not known */
};

struct envelope {
    struct str event_id; /* 32 hexadecimal digits in lower case; "" where it has none */
    struct str category; /* of rate limits: "error", "session", "transaction", .., "default" */
    bool event;          /* it has an event: the rest is filled */
    int64_t time_ms;     /* 0: not said */
    struct str title, level, release, environment, platform, service, signal;
    struct str transaction, trace_id, outcome;
    bool unhandled;                /* it was caught by a handler of last resort */
    bool addresses;                /* a frame has an address and no name */
    struct envelope_frame *frames; /* [frames_n], the innermost first */
    size_t frames_n;
};

/* Texts are the envelope's or a's. -ERR_FORMAT: these bytes are no envelope. */
MUST_USE int envelope_read(struct str bytes, struct arena *a, struct envelope *ret,
                           struct why *why);

#endif
