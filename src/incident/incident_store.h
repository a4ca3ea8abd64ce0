/* incident/incident_store.h - incidents as rows of state.db.
 *
 * Threads: pure functions over a transaction.
 */
#ifndef INCIDENT_INCIDENT_STORE_H
#define INCIDENT_INCIDENT_STORE_H

#include "incident/incident.h"

extern const struct state_schema incident_store_schema;

/* id 0: a new one. */
MUST_USE int incident_store_put(struct state_tx *tx, const struct incident *v, int64_t *ret_id,
                                struct why *why);
MUST_USE int incident_store_problem(struct state_tx *tx, int64_t id,
                                    const struct incident_problem *v, struct why *why);
MUST_USE int incident_store_moved(struct state_tx *tx, int64_t id, const struct incident_moved *v,
                                  size_t n, struct why *why);
MUST_USE int incident_store_note(struct state_tx *tx, int64_t id, const struct incident_entry *v,
                                 struct why *why);
/* Everything that belongs to id belongs to into from now on. */
MUST_USE int incident_store_merge(struct state_tx *tx, int64_t id, int64_t into, struct why *why);
MUST_USE int incident_store_expire(struct state_tx *tx, int64_t before_ms, struct why *why);

MUST_USE int incident_store_list(struct state_tx *tx, const struct incident_query *q,
                                 struct arena *a, struct incident **ret, size_t *ret_n,
                                 struct why *why);
/* -ERR_NOENT. */
MUST_USE int incident_store_get(struct state_tx *tx, int64_t id, struct arena *a,
                                struct incident *ret, struct why *why);
MUST_USE int incident_store_problems(struct state_tx *tx, int64_t id, struct arena *a,
                                     struct incident_problem **ret, size_t *ret_n, struct why *why);
MUST_USE int incident_store_moved_list(struct state_tx *tx, int64_t id, struct arena *a,
                                       struct incident_moved **ret, size_t *ret_n, struct why *why);
MUST_USE int incident_store_notes(struct state_tx *tx, int64_t id, struct arena *a,
                                  struct incident_entry **ret, size_t *ret_n, struct why *why);

#endif
