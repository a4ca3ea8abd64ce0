/* model/sink.h - where batches go: collect and receive write into it, ingest implements it.
 *
 * A writer takes a lane (one per thread that writes), asks for its tenant once, appends batches
 * and then commits: the callback comes when everything appended on the lane before is durable.
 *
 * Threads: a lane belongs to one thread; the callback comes on any thread and must not block.
 */
#ifndef MODEL_SINK_H
#define MODEL_SINK_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "model/batch.h"

struct tenant; /* opaque; made and owned by the store, lives as long as it */

enum { SINK_LANES_MAX = 32, TENANT_NAME_MAX = 64 };

struct sink;

struct sink_ops {
    /* The tenant of that name, made where it is new. -ERR_FORMAT for a bad name ([a-zA-Z0-9_.-],
     * not starting with '.'), -ERR_LIMIT for too many tenants. */
    int (*tenant)(struct sink *s, struct str name, struct tenant **ret, struct why *why);

    /* Takes the samples of b one by one and sets b->err[i]; returns how many were taken, or -ERR_x
     * where none could be (disk full, closing): then b->err is not set. why (may be NULL) tells of
     * the first sample refused: which series and why. */
    int (*append)(struct sink *s, size_t lane, struct tenant *t, struct batch *b, struct why *why);

    int (*exemplar)(struct sink *s, size_t lane, struct tenant *t, const struct exemplar *e,
                    struct why *why);
    int (*metadata)(struct sink *s, size_t lane, struct tenant *t, const struct metadata *m);

    /* Calls done(context, err) exactly once, with 0 as soon as all that was appended on the lane
     * before is durable, or with the error that makes that impossible (-ERR_FULL, -ERR_IO). */
    void (*commit)(struct sink *s, size_t lane, void (*done)(void *context, int err),
                   void *context);
};

struct sink {
    const struct sink_ops *ops;
};

#endif
