/* forward/destination.h - one server that gets what is stored: reads the queue, sends requests.
 *
 * Rows are relabelled and shared out to shards by a hash of their key; a shard has one request in
 * progress at a time, so that the samples of a series stay in order. Where it is in the queue is
 * kept on disk: behind the last block all of whose rows were answered.
 *
 * A request is tried again for ever where that may help (no answer, 5xx, 429 if it is said), after
 * a growing pause or the server's Retry-After; any other 4xx drops its rows. 415, and a 2xx without
 * the counts that 2.0 asks for, make 2.0 fall back to 1.0. What may have been sent before a crash
 * is sent again, and where the server refuses such a request (it has some of it) it is halved until
 * what is new has got through.
 *
 * Flow:    queue -> rows -> shards -> remote write requests -> answers -> cursor
 * Source:  Remote-Write 1.0 and 2.0; Prometheus's queue manager for what settings mean.
 * Threads: the loop's; destination_new() before it runs.
 */
#ifndef FORWARD_DESTINATION_H
#define FORWARD_DESTINATION_H

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "forward/queue.h"
#include "net/fetch.h"
#include "promfile/promfile.h"

struct destination;

/* All of it outlives the destination. */
struct destination_plan {
    const struct promfile_remote_write *write; /* its name is unique and not empty */
    struct str tenant;
    struct str external_labels; /* a bare key */
    struct loop *loop;
    struct fetcher *fetcher;
    struct queue *queue;
    struct disk *disk;
    const char *dir; /* of the cursor */
    const struct clock *clock;
    void (*warn)(void *context, const char *text);
    void *context;
    void (*idle)(void *context); /* after destination_drain(): nothing is left to send */
    void *idle_context;
};

MUST_USE int destination_new(const struct destination_plan *plan, struct destination **ret,
                             struct why *why);

/* Breaks off what is in progress, and keeps the cursor. NULL is fine. */
void destination_free(struct destination *d);

/* Something may be in the queue. */
void destination_wake(struct destination *d);

/* Every second: shards, metadata, metrics. */
void destination_tick(struct destination *d);

/* Sends all that is there without waiting for full requests, and calls idle() then (once). */
void destination_drain(struct destination *d);

/* The first segment that it still needs. */
uint64_t destination_segment(const struct destination *d);

#endif
