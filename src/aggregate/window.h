/* aggregate/window.h - the series that a rule takes in, and the groups that they count in.
 *
 * Two windows of a group are open at once: that of now, and the one before as long as the rule's
 * delay has not passed.
 *
 * Threads: each struct windows has a lock of its own.
 */
#ifndef AGGREGATE_WINDOW_H
#define AGGREGATE_WINDOW_H

#include <stddef.h>
#include <stdint.h>

#include "aggregate/rule.h"
#include "base/map.h"
#include "model/sink.h"

enum {
    WINDOW_INPUTS_MAX = 2000000, /* series of one rule; what exceeds it is stored as it is */
    WINDOW_KEPT = 5,             /* windows without a sample, after which a group ends */
};

struct windows;

struct windows *windows_new(struct rule *rule); /* takes the rule over */
void windows_free(struct windows *w);           /* NULL is fine */
const struct rule *windows_rule(const struct windows *w);

enum windows_took {
    WINDOWS_TAKEN,
    WINDOWS_LATE, /* its window has been written, or is not to come soon */
    WINDOWS_FULL,
};

/* Counts a sample of the series with that key, of a tenant. now_ms decides what is late. */
enum windows_took windows_take(struct windows *w, struct tenant *t, struct str key, int64_t ts_ms,
                               double value, int64_t now_ms);

/* Calls f for every result of the windows that are over at now_ms (all: every one that has
 * samples), with its time: the window's end. */
struct windows_result {
    struct tenant *tenant;
    struct str key; /* canonical */
    int64_t ts_ms;
    double value; /* a staleness marker where the group has ended */
};
void windows_flush(struct windows *w, int64_t now_ms, bool all,
                   void (*f)(void *context, const struct windows_result *r), void *context);

#endif
