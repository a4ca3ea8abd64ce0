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

struct tap_config {
    struct sink *next;
    struct queue *queue;
    const struct str *tenants; /* [tenants_n] whose rows are wanted; outlive it */
    size_t tenants_n;
    void (*filled)(void *context); /* something is in the queue; any thread */
    void *context;
};

struct tap *tap_new(const struct tap_config *config);
void tap_free(struct tap *t); /* puts what it has into the queue; NULL is fine */

struct sink *tap_sink(struct tap *t);

/* Rows that the queue could not take, since the start. */
uint64_t tap_lost(const struct tap *t);

#endif
