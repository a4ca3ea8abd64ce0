/* cli/query_answer.h - an answer of the query API, read for printing.
 *
 * A scalar or a text is one series without labels. Values keep the text that they were sent as.
 *
 * Flow:    JSON of /api/v1/query, /query_range -> struct query_answer -> table, CSV, chart
 * Threads: plain data in an arena.
 */
#ifndef CLI_QUERY_ANSWER_H
#define CLI_QUERY_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "text/json.h"

struct query_label {
    struct str name, value;
};

struct query_point {
    int64_t ts_ms;
    double value;    /* NaN for a histogram or a text */
    struct str text; /* as it was sent; of a histogram its JSON */
    bool histogram;
};

struct query_series {
    struct query_label *labels; /* [labels_n], __name__ first, then by name */
    size_t labels_n;
    struct query_point *points; /* [n], oldest first */
    size_t n;
};

struct query_answer {
    bool range;                  /* a matrix */
    bool single;                 /* a scalar or a text */
    struct query_series *series; /* [n] */
    size_t n;
    struct str *warnings, *infos; /* [warnings_n], [infos_n] */
    size_t warnings_n, infos_n;
    struct str error;   /* what went wrong; empty where the query succeeded */
    struct str stats;   /* the JSON of "stats", empty where there is none */
    struct str explain; /* likewise */
};

/* Reads body; texts are a's or body's. -ERR_FORMAT: it is no answer of the query API. */
MUST_USE int query_answer_read(struct str body, struct arena *a, struct query_answer *ret,
                               struct why *why);

/* The text of the object or array whose first event the reader has just given, however deep it is;
 * the reader goes on behind it. Empty where it does not end. */
struct str query_answer_raw(struct json_reader *r);

/* up{job="x"}; {} where there are no labels. */
void query_answer_labels(const struct query_series *s, struct buf *out);

/* s with control characters as \n and \x1b, so that nothing in an answer steers a terminal. */
void query_answer_visible(struct str s, struct buf *out);

/* How many columns s takes: its code points. */
size_t query_answer_width(struct str s);

/* The labels that the first n series have alike: none where n is 1. Memory from a. */
struct query_series query_answer_shared(const struct query_answer *answer, size_t n,
                                        struct arena *a);

/* As query_answer_labels(), without those of shared. */
void query_answer_labels_but(const struct query_series *s, const struct query_series *shared,
                             struct buf *out);

enum { QUERY_ANSWER_TIME_MAX = 40 };

/* 2026-11-22T05:00:00Z, with .123 where there are milliseconds; returns the length. */
size_t query_answer_time(int64_t ts_ms, char out[QUERY_ANSWER_TIME_MAX]);

/* The names of all labels that any series has: __name__ first, then by name. Memory from a. */
void query_answer_names(const struct query_answer *answer, struct arena *a, struct str **ret,
                        size_t *ret_n);

/* The value of a label, "" where a series has none. */
struct str query_answer_value(const struct query_series *s, struct str name);

#endif
