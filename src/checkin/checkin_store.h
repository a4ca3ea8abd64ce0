/* checkin/checkin_store.h - check-ins as rows of state.db.
 *
 * Threads: pure functions over a transaction.
 */
#ifndef CHECKIN_CHECKIN_STORE_H
#define CHECKIN_CHECKIN_STORE_H

#include "checkin/checkin.h"

extern const struct state_schema checkin_store_schema;

enum checkin_problem {
    CHECKIN_PROBLEM_NONE,
    CHECKIN_PROBLEM_MISSING,
    CHECKIN_PROBLEM_FAILED,
    CHECKIN_PROBLEM_OVERRUN,
    CHECKIN_PROBLEMS_N
};

/* What changes of a check-in. */
struct checkin_facts {
    int64_t created_ms, start_ms, end_ms, success_ms, since_ms, problem_ms;
    int64_t duration_ms, exit, pings;
    bool running, failed;
    enum checkin_state state;
    enum checkin_problem problem;
};

struct checkin_store_row {
    struct str name;
    bool configured;
    struct checkin_schedule schedule;
    struct checkin_facts facts;
};

MUST_USE int checkin_store_put(struct state_tx *tx, const struct checkin_store_row *row,
                               struct why *why);
/* f gets each row; texts live for the call. */
MUST_USE int checkin_store_each(struct state_tx *tx,
                                void (*f)(void *context, const struct checkin_store_row *row),
                                void *context, struct why *why);
MUST_USE int checkin_store_delete(struct state_tx *tx, struct str name, struct why *why);

MUST_USE int checkin_store_ping(struct state_tx *tx, struct str name,
                                const struct checkin_ping *ping, struct why *why);
MUST_USE int checkin_store_pings(struct state_tx *tx, struct str name, struct arena *a,
                                 struct checkin_ping *ret, size_t *ret_n, struct why *why);

#endif
