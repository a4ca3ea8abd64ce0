/* codec/exposition_line.h - one line of an exposition: what is on it, before what it means.
 *
 * The text format takes blanks loosely and any comment; OpenMetrics asks for exactly one blank
 * between parts and knows no other lines than its own.
 *
 * Source:  Prometheus text format 0.0.4; OpenMetrics 1.0; quoted UTF-8 names of Prometheus 3.
 * Threads: pure functions.
 */
#ifndef CODEC_EXPOSITION_LINE_H
#define CODEC_EXPOSITION_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/str.h"
#include "model/batch.h"
#include "model/labels.h"
#include "text/number.h"

enum exposition_format {
    EXPOSITION_TEXT, /* 0.0.4 */
    EXPOSITION_OPENMETRICS,
};

enum exposition_line_type {
    EXPOSITION_LINE_NOTHING, /* blank, or a comment of the text format */
    EXPOSITION_LINE_SAMPLE,
    EXPOSITION_LINE_HELP,
    EXPOSITION_LINE_TYPE,
    EXPOSITION_LINE_UNIT,
    EXPOSITION_LINE_EOF,
};

struct exposition_line {
    enum exposition_line_type type;
    struct str name;                 /* of the metric or family */
    struct str text;                 /* HELP (unescaped), TYPE, UNIT */
    struct label labels[LABELS_MAX]; /* unescaped; without __name__ */
    size_t labels_n;
    double value;
    bool has_time, has_exemplar, exemplar_has_time;
    double time_s; /* OpenMetrics: as it is written */
    int64_t time_ms;
    struct label exemplar_labels[LABELS_MAX];
    size_t exemplar_labels_n;
    double exemplar_value, exemplar_time_s;
};

/* Reads a line (without its line end). strict: escapes that the format does not have, blanks inside
 * of braces (OpenMetrics) and repeated labels are errors. NULL, or what is wrong with it. */
MUST_USE const char *exposition_line_read(struct str line, enum exposition_format format,
                                          bool strict, struct arena *a,
                                          struct exposition_line *ret);

/* The type that a TYPE line of that format names. */
MUST_USE bool exposition_line_family_type(struct str text, enum exposition_format format,
                                          enum metric_type *ret);

/* A value as exposition formats have it: decimal, +Inf, NaN. */
MUST_USE bool exposition_line_number(struct str s, double *ret);

/* The bound of a bucket or quantile as Prometheus 3 has it, "1" as "1.0"; a text that is no number
 * stays. Memory from a, where it is another than value. */
MUST_USE struct str exposition_line_bound(struct str value, struct arena *a);
size_t exposition_line_put_bound(double v, char out[NUMBER_MAX + 2]);

#endif
