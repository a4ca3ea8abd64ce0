/* aggregate/rule.h - one rule of aggregation, made ready: what it matches, what is left of labels.
 *
 * Threads: immutable once it is made.
 */
#ifndef AGGREGATE_RULE_H
#define AGGREGATE_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aggregate/aggregate.h"
#include "base/buf.h"
#include "base/str.h"
#include "text/regex.h"

/* rule_output_names has their names, in this order. */
enum rule_output {
    RULE_AVG,      /* of all samples */
    RULE_COUNT,    /* samples */
    RULE_INCREASE, /* of counters: what all series gained in the window */
    RULE_LAST,     /* the latest sample */
    RULE_MAX,
    RULE_MIN,
    RULE_RATE,   /* increase a second */
    RULE_SERIES, /* series that had a sample */
    RULE_SUM,    /* of the last sample of each series */
    RULE_TOTAL,  /* of counters: the sum of all increases so far, a counter itself */
    RULE_OUTPUTS_N
};

extern const char *const rule_output_names[RULE_OUTPUTS_N];

struct rule_match {
    struct str name, value; /* in rule.texts */
    bool negative;
    struct regex *regex; /* NULL: equal to value */
};

struct rule {
    struct regex **metrics; /* [metrics_n]; 0: every name */
    size_t metrics_n;
    struct rule_match *matches; /* [matches_n] */
    size_t matches_n;
    struct option_list by, without;
    bool outputs[RULE_OUTPUTS_N];
    int64_t interval_ms, delay_ms;
    bool keep_input;
    struct option_list names, texts; /* what metrics and matches were made from */
    char *suffix; /* owned: ":1m_by_job_", between the metric's name and the output's */
};

/* row is borrowed for the call only. */
MUST_USE int rule_new(const struct aggregate_row *row, struct rule **ret, struct why *why);
void rule_free(struct rule *r); /* NULL is fine */

bool rule_takes_name(const struct rule *r, struct str name);

/* The labels beside the name, once rule_takes_name(). */
bool rule_takes_labels(const struct rule *r, struct str key);

/* Appends what is left of the labels of key (canonical, without __name__). */
void rule_group(const struct rule *r, struct str key, struct buf *out);

#endif
