/* client/metric/object_writer.h - metrics as JSON, for the command `metrics`.
 *
 * {"name","type","help","unit","series":[{"labels":{},"value":1}, ..]}; samples with a suffix have
 * it as "suffix"; native histograms have count, sum, zero, p50, p90, p99 and [upper bound, count]
 * of each bucket in use.
 *
 * Threads: under the exporter's lock.
 */
#ifndef CLIENT_METRIC_OBJECT_WRITER_H
#define CLIENT_METRIC_OBJECT_WRITER_H

#include "client/core/jot.h"
#include "client/metric/writer.h"

struct object_writer {
    struct source_writer writer;
    struct jot *jot;     /* in an open array */
    const char *pattern; /* with * and ?; NULL: all */
    bool open, skip;
};

void object_writer_init(struct object_writer *w, struct jot *j, const char *pattern);
void object_writer_end(struct object_writer *w);

/* Does a name match a pattern with * and ? (both end with NUL)? */
bool object_writer_match(const char *pattern, const char *name);

#endif
