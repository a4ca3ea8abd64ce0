/* model/alert.h - what becomes of an alert that fires or is over: rules write it into a sink,
 * whoever tells people implements one.
 *
 * A sink hears of an alert when it fires, again after each resend delay while it does, when it is
 * resolved, and again for 15 minutes from then on. It never hears of pending ones.
 *
 * Threads: send() comes from any thread, several at once; it copies what it keeps and never waits.
 */
#ifndef MODEL_ALERT_H
#define MODEL_ALERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct alert {
    struct str labels;      /* canonical key without __name__; alertname is among them */
    struct str annotations; /* names and values in the form of a key, sorted by name */
    int64_t starts_ms;      /* when it began to fire */
    int64_t ends_ms;        /* when it was resolved, or until when a firing one is to be believed */
    bool resolved;
    bool first; /* a state that the sink has not heard of: just fired or just resolved */
    double value;
    struct str generator_url; /* of a page that shows the expression */
};

struct alert_sink;

struct alert_sink_ops {
    /* Takes alerts [n] of one rule; all memory is the caller's. */
    void (*send)(struct alert_sink *s, const struct alert *alerts, size_t n);
};

struct alert_sink {
    const struct alert_sink_ops *ops;
};

#endif
