/* forward/forward.h - what is stored goes to other servers as well, by remote write.
 *
 * Flow:    ingest -> forward_sink() -> store, and -> queue on disk -> destinations
 * Threads: one of its own; forward_reload() and forward_free() are the main thread's.
 */
#ifndef FORWARD_FORWARD_H
#define FORWARD_FORWARD_H

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "forward/forward_options.h"
#include "model/sink.h"
#include "os/disk.h"

struct forward;

struct forward_config {
    struct sink *next;    /* the store's */
    struct disk *disk;    /* the queue is in its directory "forward" */
    const char *key_file; /* of the store: the queue is encrypted likewise; "": in the clear */
    const struct clock *clock;
    void (*warn)(void *context, const char *text); /* any thread */
    void *context;
};

/* What is to be sent where; all of it stays until the next forward_reload() or forward_free(). */
struct forward_plan {
    struct forward_settings settings; /* checked */
    const struct promfile *promfile;  /* NULL: none */
};

/* Sends nothing yet. All that config names outlives it. */
struct forward *forward_new(const struct forward_config *config);

/* The sink that ingest writes to. */
struct sink *forward_sink(struct forward *f);

/* From now on, by another plan. Requests in progress are waited for, for a short time. Where it
 * fails nothing is sent. */
MUST_USE int forward_reload(struct forward *f, const struct forward_plan *plan, struct why *why);

/* Sends what is there, for at most some seconds; the rest stays in the queue for the next start.
 * The sink goes on to pass things through. */
void forward_stop(struct forward *f);

void forward_free(struct forward *f); /* NULL is fine */

#endif
