/* health/standing.h - what a check's readings come to: its state, and how long it was in which.
 *
 * The first good reading makes it healthy. A state gets worse after fall readings in a row that are
 * worse than it, and better after rise of them that are better; it then becomes the mildest of
 * those. History is a row of spans; time that no span covers (the daemon was down, the check was
 * not there yet) is not known, and counts neither as up nor as down, as time of maintenance and of
 * the state unknown.
 *
 * Threads: plain data, one at a time.
 */
#ifndef HEALTH_STANDING_H
#define HEALTH_STANDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "health/health.h"

struct standing {
    enum health_state state; /* settled */
    bool ever;               /* it is known */
    int side;                /* of the readings that differ: 1 worse, -1 better, 0 none */
    unsigned row;            /* how many of them in a row */
    enum health_state mildest;
};

/* Takes a reading; true where the state has changed. */
bool standing_take(struct standing *s, enum health_state reading, unsigned fall, unsigned rise);

struct standing_span {
    int64_t from_ms, to_ms; /* to of the last one: INT64_MAX as long as it goes on */
    uint8_t state;
    bool maintenance;
};

struct standing_history {
    struct standing_span *v; /* [n] in order, owned */
    size_t n, capacity;
};

enum { STANDING_STATES = 4 };

/* The last span ends now, and another begins; nothing where it would be the same. At most max are
 * kept. Time that does not go forward moves the border to the last one's begin. */
void standing_change(struct standing_history *h, int64_t now_ms, enum health_state state,
                     bool maintenance, size_t max);
void standing_end(struct standing_history *h, int64_t now_ms);
void standing_history_done(struct standing_history *h);

/* How the time from from_ms to to_ms was spent, in ms. */
struct standing_sum {
    int64_t in[STANDING_STATES], maintenance;
};
struct standing_sum standing_spent(const struct standing_history *h, int64_t from_ms,
                                   int64_t to_ms);

/* The share of known time outside of maintenance in which it was healthy or degraded; NaN where
 * nothing is known. */
double standing_uptime(const struct standing_history *h, int64_t from_ms, int64_t to_ms);

#endif
