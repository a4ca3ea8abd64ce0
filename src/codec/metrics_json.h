/* codec/metrics_json.h - samples as JSON: what POST /api/metrics takes.
 *
 * One object or an array of them:
 *   {"name": "room_temperature", "value": 21.5, "timestamp": 1732233600, "tags": {"room": "attic"}}
 * value is a number, or one of the texts "NaN", "+Inf", "-Inf". timestamp is a number of seconds
 * since 1970 (fractions are fine) or, from 1e11 on, of milliseconds, or an RFC 3339 text; without
 * one it is now. tags are texts, numbers or booleans. A bad item costs itself alone.
 *
 * Source:  RFC 8259; RFC 3339.
 * Threads: one per reader.
 */
#ifndef CODEC_METRICS_JSON_H
#define CODEC_METRICS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "codec/sides.h"
#include "model/batch.h"
#include "text/json.h"

struct metrics_json_reader {
    struct json_reader json;
    int64_t now_ms;
    bool begun, array, ended;
    size_t item_n; /* items read */
    struct label labels[LABELS_MAX + 1];
    size_t labels_n;
    size_t items[BATCH_MAX]; /* [out] the index of each row's item, from 0 */
    struct arena arena;      /* of what the present batch points to */
};

void metrics_json_init(struct metrics_json_reader *r);
void metrics_json_done(struct metrics_json_reader *r);

/* text outlives the batches. */
void metrics_json_begin(struct metrics_json_reader *r, struct str text, int64_t now_ms);

/* Fills b and s (bad alone) anew: 1 where there is something in one of them, 0 at the end,
 * -ERR_FORMAT with line and column in why where it is not JSON or neither object nor array. */
MUST_USE int metrics_json_next(struct metrics_json_reader *r, struct batch *b, struct sides *s,
                               struct why *why);

/* Milliseconds since 1970 of an RFC 3339 text ("2026-11-22T05:00:00.5+01:00"; a blank or 't' for
 * 'T' is fine); false for anything else. */
MUST_USE bool metrics_json_time(struct str text, int64_t *ret_ms);

#endif
