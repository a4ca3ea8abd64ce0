/* collect/emit_writer.h - writes what an emitter has after a run to a sink: a sample of each series
 * that the run gave, a staleness marker for each that it did not, metadata once a family.
 *
 * It does not commit: the caller does, when all of its emitters are written.
 *
 * Flow:    emit_begin() .. emit_end() -> emit_writer_run() -> sink
 * Threads: the one that the lane belongs to.
 */
#ifndef COLLECT_EMIT_WRITER_H
#define COLLECT_EMIT_WRITER_H

#include "collect/emit.h"
#include "model/sink.h"

struct stat; /* base/stat.h */

/* What a writer is made of; all of it is borrowed. */
struct emit_writer_plan {
    struct sink *sink;
    size_t lane;
    struct tenant *tenant;
    const char *subject;  /* of log lines: "health" */
    const char *what;     /* "series of checks" */
    struct stat *samples; /* counts what was taken; NULL: nothing does */
    struct stat *refused; /* and what was not */
};

struct emit_writer {
    struct emit_writer_plan plan;
    struct batch *batch; /* owned */
    struct map families; /* whose metadata has been written */
    bool failed;         /* the last batch was not taken whole: it is told once */
};

void emit_writer_init(struct emit_writer *w, const struct emit_writer_plan *plan);

/* Fine for one that is all zero. */
void emit_writer_done(struct emit_writer *w);

/* After emit_end(): series that have ended are dropped from e. */
void emit_writer_run(struct emit_writer *w, struct emit *e, int64_t ts_ms);

#endif
