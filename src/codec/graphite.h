/* codec/graphite.h - Graphite's plaintext protocol, and names of both of its protocols.
 *
 *   servers.web1.cpu.load 1.5 1732233600
 *   cpu.load;host=web1;env=prod 1.5
 *
 * A path without tags is the series' name, or is taken apart by the first template whose filter
 * fits it: "servers.* .host.measurement*" makes cpu.load{host="web1"} of the first line.
 *
 * Flow:    bytes -> batch + sides (bad alone), again and again
 * Source:  Graphite's documentation, "Feeding in your data" and "Tags"; Telegraf's templates.
 * Threads: one per reader; plans are constant.
 */
#ifndef CODEC_GRAPHITE_H
#define CODEC_GRAPHITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "codec/sides.h"
#include "model/batch.h"

enum {
    GRAPHITE_LINE_MAX = 64 * 1024, /* bytes of a line, and of a path */
    GRAPHITE_PARTS_MAX = 64,       /* of a path that templates see */
    GRAPHITE_TEMPLATES_MAX = 256,
    GRAPHITE_SHOWN_MAX = 200, /* bytes of a bad line that are shown */
};

struct graphite_template {
    struct str filter; /* "servers.*"; empty: fits everything */
    struct str parts;  /* ".host.measurement*" */
    struct str labels; /* "region=eu,env=prod", or empty */
};

/* How series are called. */
struct graphite_plan {
    bool underscores;                          /* _ for what a name without quotes cannot have */
    const struct graphite_template *templates; /* [templates_n] */
    size_t templates_n;
    int64_t now_ms; /* time of samples without one */
};

/* Takes "FILTER TEMPLATE LABELS", whose first and last part may be missing, apart; borrows text.
 * -ERR_FORMAT with what is wrong with it. */
MUST_USE int graphite_template_read(struct str text, struct graphite_template *ret,
                                    struct why *why);

struct graphite_reader {
    struct str rest; /* lines not read yet */
    const struct graphite_plan *plan;
    size_t line_n;      /* lines read since init */
    struct buf name;    /* of the present series */
    struct buf labels;  /* label bytes of it */
    struct buf scratch; /* a label on its way */
    struct arena arena; /* of what the present batch points to */
};

void graphite_init(struct graphite_reader *r);
void graphite_done(struct graphite_reader *r);

/* Whole lines, and a last one that may have no line end; text and plan outlive the batches. */
void graphite_begin(struct graphite_reader *r, struct str text, const struct graphite_plan *plan);

/* Fills b and s (bad alone) anew: 1 where there is something in one of them, 0 at the end. */
MUST_USE int graphite_next(struct graphite_reader *r, struct batch *b, struct sides *s);

/* For other ways to the same samples: appends a row (there is room for one) of path, as r's plan
 * (given by graphite_begin()) calls it; memory from r's arena. time_s is -1 (or any that is less
 * than 0) or NaN for now. NULL, or what is wrong. */
const char *graphite_row(struct graphite_reader *r, struct str path, double value, double time_s,
                         struct batch *b);

/* Forgets what the last batch pointed to: before the first row of a batch that is filled by
 * graphite_row(). */
void graphite_forget(struct graphite_reader *r);

#endif
