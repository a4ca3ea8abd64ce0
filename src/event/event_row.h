/* event/event_row.h - events as rows of state.db, and checked.
 *
 * Threads: pure functions over a transaction.
 */
#ifndef EVENT_EVENT_ROW_H
#define EVENT_EVENT_ROW_H

#include "event/event.h"

extern const struct state_schema event_row_schema;

/* What an event must be; -ERR_FORMAT. */
MUST_USE int event_row_check(const struct event *v, int64_t now_ms, struct why *why);

/* Takes out what does not belong there, instead of refusing it: for events of the daemon itself and
 * off the network. False where nothing is left. Memory of v's texts stays the caller's. */
bool event_row_mend(struct event *v, int64_t now_ms);

/* What became of an event that was put. */
struct event_row_put {
    int64_t id;
    bool is_new;
    bool has_ended;      /* its status became "succeeded" or "failed" just now */
    int64_t duration_ms; /* of one that has ended; -1: not known */
    struct str service;  /* its label of that name, or its title; from the arena */
    struct str status;   /* as it is now; from the arena */
};
MUST_USE int event_row_put(struct state_tx *tx, const struct event *v, struct arena *a,
                           struct event_row_put *ret, struct why *why);

MUST_USE int event_row_list(struct state_tx *tx, const struct event_query *q, struct arena *a,
                            struct event **ret, size_t *ret_n, struct why *why);
MUST_USE int event_row_delete(struct state_tx *tx, int64_t id, struct why *why);

/* Drops some of those that were over before that time; how many. */
MUST_USE int event_row_expire(struct state_tx *tx, int64_t before_ms, int64_t *ret_n,
                              struct why *why);

#endif
