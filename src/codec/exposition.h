/* codec/exposition.h - metrics as text: the Prometheus text format 0.0.4 and OpenMetrics 1.0.
 *
 * The reader is lenient as a scraper must be: a bad line costs itself alone. The checker is strict:
 * it says whether a whole body is what its specification asks for.
 *
 * Flow:    bytes -> batch + sides, again and again
 * Source:  as exposition_line.h; OpenMetrics 1.0 for the checks of whole families.
 * Threads: one per reader.
 */
#ifndef CODEC_EXPOSITION_H
#define CODEC_EXPOSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "codec/exposition_line.h"
#include "codec/sides.h"
#include "model/batch.h"

/* The format of a Content-Type; false for none of them. "" is not taken for one. */
MUST_USE bool exposition_format_of(struct str content_type, enum exposition_format *ret);

struct exposition_reader {
    struct str rest; /* lines not read yet */
    enum exposition_format format;
    int64_t now_ms;    /* time of samples without one */
    size_t line_n;     /* lines read */
    bool ended;        /* "# EOF" was there */
    bool told;         /* that it was missing, or what is behind it */
    struct str family; /* of the last metadata, in family_buf */
    enum metric_type type;
    bool has_metadata; /* family has something to tell that was not told */
    struct str help, unit;
    struct arena families; /* of family, help, unit */
    struct exposition_line line;
    size_t lines[BATCH_MAX];    /* [out] the line of each row, from 1 */
    uint64_t groups[BATCH_MAX]; /* hash of a row's labels without le and quantile */
    struct arena arena;         /* of what the present batch points to */
};

void exposition_init(struct exposition_reader *r);
void exposition_done(struct exposition_reader *r);

/* text outlives the batches. */
void exposition_begin(struct exposition_reader *r, struct str text, enum exposition_format format,
                      int64_t now_ms);

/* Fills b and s anew: 1 where there is something in one of them, 0 at the end. Bad lines are in
 * s->bad. x_created lines of OpenMetrics become the start_ms of the rows that they are of. */
MUST_USE int exposition_next(struct exposition_reader *r, struct batch *b, struct sides *s);

/* Is text all that its specification asks for? -ERR_FORMAT with the line in why. */
MUST_USE int exposition_check(struct str text, enum exposition_format format, struct why *why);

#endif
