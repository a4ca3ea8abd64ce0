/* forward/tap.h - the sink between ingest and the store: what the store takes goes into the queue
 * as well.
 *
 * A lane gathers rows until its writer commits; then they are in the queue before the writer hears
 * that they are durable. Metadata is put in where it is new or has changed.
 *
 * Flow:    ingest -> tap -> store; tap -> queue
 * Threads: as model/sink.h.
 */
#ifndef FORWARD_TAP_H
#define FORWARD_TAP_H

#include "forward/queue.h"
#include "model/sink.h"

struct tap;

/* A sink on top of next that does nothing else yet. */
struct tap *tap_new(struct sink *next);
void tap_free(struct tap *t); /* NULL is fine */

struct sink *tap_sink(struct tap *t);

struct tap_target {
    struct queue *queue;       /* NULL: nothing is kept */
    const struct str *tenants; /* [tenants_n] whose rows are wanted */
    size_t tenants_n;
    void (*filled)(void *context); /* something is in the queue; any thread */
    void *context;
};

/* From now on; the target outlives the tap or the next call. What lanes hold is for the target from
 * before and goes into its queue first. Waits for who is using that one. */
void tap_set(struct tap *t, const struct tap_target *target);

/* Rows that the queue could not take, since the start. */
uint64_t tap_lost(const struct tap *t);

#endif
