/* ingest/ingest_relabel.h - [[ingest.relabel]]: rules that rewrite or drop what comes in, before
 * its limits are looked at.
 *
 * Flow:    batch -> keys rewritten, rows that are dropped left out -> the sink behind it
 * Threads: a lane belongs to one; a reload comes from any.
 */
#ifndef INGEST_INGEST_RELABEL_H
#define INGEST_INGEST_RELABEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/option.h"
#include "model/batch.h"
#include "relabel/relabel_row.h"

/* [[ingest.relabel]]: rows are struct relabel_row. */
extern const struct option_table ingest_relabel_options;

/* Are the rules well-formed? rows are struct relabel_row. */
MUST_USE int ingest_relabel_check(const struct option_rows *rows, struct why *why);

struct ingest_relabel;

struct ingest_relabel *ingest_relabel_new(void);
void ingest_relabel_free(struct ingest_relabel *r); /* NULL is fine */

/* New rules, which have been checked; waits for the batches that use the old ones. */
void ingest_relabel_set(struct ingest_relabel *r, const struct option_rows *rows);

/* Is there any rule? One load. */
bool ingest_relabel_any(const struct ingest_relabel *r);

/* What the rules made of a batch; valid until the lane's next. */
struct ingest_relabelled {
    struct batch batch;       /* the rows that are left, under their new keys */
    uint8_t place[BATCH_MAX]; /* [batch.n] where each was in the batch that came */
    size_t dropped;           /* rows that rules dropped; their err is 0 */
    size_t refused;           /* rows whose labels cannot be had; their err is set */
    struct why why;           /* of the first of them */
};

/* Sets b->err of the rows that are not in the answer. */
struct ingest_relabelled *ingest_relabel_batch(struct ingest_relabel *r, size_t lane,
                                               struct batch *b);

/* A key alone, of an exemplar: 1 with *ret, valid until the lane's next call; 0: dropped;
 * -ERR_x. */
MUST_USE int ingest_relabel_key(struct ingest_relabel *r, size_t lane, struct str key,
                                struct str *ret, struct why *why);

#endif
