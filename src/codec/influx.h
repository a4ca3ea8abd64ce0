/* codec/influx.h - InfluxDB's line protocol.
 *
 *   cpu,host=web1 usage_user=1.5,cores=8i 1732233600000000000
 *
 * Each field is a sample of the series measurement_field with the line's tags as labels. Floats,
 * integers (1i, 1u) and booleans are values; texts are none and are counted alone. A bad line costs
 * itself alone.
 *
 * Flow:    bytes -> batch + sides (bad alone), again and again
 * Source:  InfluxDB 1.8, line protocol reference and its messages; VictoriaMetrics for the names.
 * Threads: one per reader.
 */
#ifndef CODEC_INFLUX_H
#define CODEC_INFLUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"
#include "codec/sides.h"
#include "model/batch.h"

enum {
    INFLUX_TAGS_MAX = 64 * 1024, /* bytes of the labels that a line's tags make */
    INFLUX_KEYS_MAX = 4 << 20,   /* bytes of the keys of a line's fields, which repeat its tags */
    INFLUX_SHOWN_MAX = 200,      /* bytes of a bad line that are shown */
};

/* What a timestamp counts. */
enum influx_unit {
    INFLUX_NS,
    INFLUX_US,
    INFLUX_MS,
    INFLUX_S,
    INFLUX_M,
    INFLUX_H,
};

/* "n", "ns", "u", "us", "µ", "ms", "s", "m", "h", and "" for nanoseconds; false for others. */
MUST_USE bool influx_unit_of(struct str text, enum influx_unit *ret);

/* How series are called, and times read. */
struct influx_plan {
    struct str separator;  /* between measurement and field */
    bool skip_measurement; /* a series is called as its field alone */
    bool skip_single;      /* the only field of a line: as its measurement alone */
    bool underscores;      /* _ for what a name without quotes cannot have */
    struct str db_label;   /* a label of that name has db; none where one of both is empty, or where
                            * a tag is called so */
    struct str db;
    enum influx_unit unit;
    int64_t now_ms; /* time of lines without one */
};

struct influx_reader {
    const char *p, *end;  /* whole lines, each with its line end */
    const char *main_end; /* of the text itself */
    const struct influx_plan *plan;
    struct buf last;         /* a last line that had no line end, with one */
    size_t last_n;           /* bytes of it that are to be read after the others; 0: none */
    size_t line_n;           /* lines read */
    uint64_t texts;          /* fields that were texts, since begin */
    struct buf name;         /* of the present line: what stands before the field's name */
    struct buf tail;         /* of the present line: its labels */
    struct buf scratch;      /* a name on its way */
    bool bare;               /* of the present line: its field has no part in the name */
    size_t keys_n;           /* of the present line: bytes of keys */
    const char *at;          /* the next field of a line that did not fit a batch, or NULL */
    int64_t at_ms;           /* its time */
    const char *at_end;      /* behind the line */
    size_t lines[BATCH_MAX]; /* [out] the line of each row, from 1 */
    struct arena arena;      /* of what the present batch points to */
};

void influx_init(struct influx_reader *r);
void influx_done(struct influx_reader *r);

/* text (with CODEC_SLACK readable bytes behind it) and plan outlive the batches. */
void influx_begin(struct influx_reader *r, struct str text, const struct influx_plan *plan);

/* Fills b and s (bad alone) anew: 1 where there is something in one of them, 0 at the end. */
MUST_USE int influx_next(struct influx_reader *r, struct batch *b, struct sides *s);

#endif
