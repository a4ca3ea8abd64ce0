/* collect/exposition_emit.h - a text of the exposition format as values of an emitter.
 *
 * A text counts as a whole: one bad line, or a sample with a time of its own, and nothing of it is
 * given. The text's own labels job and instance get the prefix exported_.
 *
 * Flow:    bytes -> codec/exposition_line.h -> emit
 * Threads: one at a time.
 */
#ifndef COLLECT_EXPOSITION_EMIT_H
#define COLLECT_EXPOSITION_EMIT_H

#include "base/attr.h"
#include "base/err.h"
#include "codec/exposition_line.h"
#include "collect/emit.h"

/* Where a text is from, and how much of it is taken. */
struct exposition_emit_source {
    const char *name; /* before what is wrong, "FILE"; and "Metric read from FILE" without a HELP */
    enum exposition_format format;
    size_t series_max;          /* 0: no limit of its own */
    const struct label *labels; /* [labels_n] that all series get; they win */
    size_t labels_n;
};

/* -ERR_FORMAT with the line in why, -ERR_LIMIT for too many labels or series. */
MUST_USE int exposition_emit(struct str text, const struct exposition_emit_source *source,
                             struct emit *e, struct why *why);

#endif
