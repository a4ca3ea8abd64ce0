/* text/duration.h - durations as Prometheus's files and queries have them: `1h30m`, `500ms`, `0`.
 *
 * Source:  Prometheus, model.Duration: units y, w, d, h, m, s, ms, each at most once, in this
 *          order; whole numbers; no sign.
 * Threads: pure functions.
 */
#ifndef TEXT_DURATION_H
#define TEXT_DURATION_H

#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* -ERR_FORMAT, -ERR_RANGE: not a valid duration string: "5x". */
MUST_USE int duration_read(struct str text, int64_t *ret_ms, struct why *why);

/* Appends the shortest text of a duration; years and weeks only where nothing is left of them. */
void duration_put(struct buf *out, int64_t ms);

#endif
