/* remedy/remedy_store.h - the audit of remediation in state.db.
 *
 * Threads: pure functions over a transaction.
 */
#ifndef REMEDY_REMEDY_STORE_H
#define REMEDY_REMEDY_STORE_H

#include "remedy/remedy.h"

extern const struct state_schema remedy_store_schema;

/* id 0: a new one. */
MUST_USE int remedy_store_put(struct state_tx *tx, const struct remedy_record *v, int64_t *ret_id,
                              struct why *why);
MUST_USE int remedy_store_list(struct state_tx *tx, struct str name, size_t limit, struct arena *a,
                               struct remedy_record **ret, size_t *ret_n, struct why *why);
MUST_USE int remedy_store_expire(struct state_tx *tx, int64_t before_ms, struct why *why);

#endif
