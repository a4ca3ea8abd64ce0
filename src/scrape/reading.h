/* scrape/reading.h - the body of an answer -> rows: which remembered line, which value, what time.
 *
 * Nothing is stored yet: a body that is wrong anywhere, or past a limit, gives nothing at all, as
 * with Prometheus. A line that the target gave before is recognised by its bytes (scrape/recall.h),
 * so that only its value is parsed.
 *
 * Flow:    body -> recall -> rows, exemplars, metadata -> scrape/writing.h
 * Source:  Prometheus, scrape/: what fails a scrape, what counts; model/textparse: le, quantile,
 *          native histograms of classic ones.
 * Threads: one per reading; it is kept from body to body for its memory.
 */
#ifndef SCRAPE_READING_H
#define SCRAPE_READING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "codec/exposition_line.h"
#include "codec/metric_family_read.h"
#include "promfile/promfile.h"
#include "scrape/recall.h"

struct reading_row {
    uint32_t line;  /* of the recall */
    uint32_t extra; /* its index + 1, 0: none */
    double value;
    int64_t ts_ms;
    bool timed; /* the line has a time of its own */
};

struct reading_extra {
    const struct histogram *histogram; /* NULL: a float */
    int64_t start_ms;
};

struct reading_exemplar {
    uint32_t line; /* whose series */
    struct exemplar exemplar;
};

struct reading {
    const struct promfile_scrape *config;
    struct str target; /* its labels, a bare key */
    struct recall *recall;
    int64_t now_ms; /* time of samples that have none */

    struct {
        struct reading_row *v;
        size_t n, capacity;
    } rows;
    struct {
        struct reading_extra *v;
        size_t n, capacity;
    } extras;
    struct {
        struct reading_exemplar *v;
        size_t n, capacity;
    } exemplars;
    struct {
        struct metadata *v;
        size_t n, capacity;
    } metadata;     /* that was told anew or changed */
    size_t samples; /* in the body */
    size_t misses;  /* lines that had to be parsed */
    struct arena arena;

    /* The family whose lines are being read: */
    uint32_t family; /* hash of its name */
    enum metric_type type;
    uint32_t help, type_line, unit; /* lines of its comments, or RECALL_NONE */
    bool changed;                   /* one of them is new */
    size_t line_n;
    bool ended;
    enum exposition_format format;
    struct exposition_line line, comment;
    struct metric_family_reader families;
    struct batch batch;
    struct sides sides;
};

struct reading *reading_new(void);
void reading_free(struct reading *r); /* NULL is fine */

/* How a body is to be read. */
enum reading_format { READING_TEXT, READING_OPENMETRICS, READING_PROTOBUF };

/* Reads body, for which config, target, recall and now_ms are set; the recall's answer has begun.
 * -ERR_FORMAT, -ERR_LIMIT: the scrape fails; samples is what was counted until then. */
MUST_USE int reading_take(struct reading *r, struct str body, enum reading_format format,
                          struct why *why);

/* The format of a Content-Type; where it is missing or unknown that of fallback, or -ERR_FORMAT. */
MUST_USE int reading_format_of(struct str content_type, enum promfile_protocol fallback,
                               enum reading_format *ret, struct why *why);

#endif
