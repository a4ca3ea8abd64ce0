/* rules/rule_template_state.h - between the functions of rules' templates and who calls them.
 *
 * Flow:    rule_template.c -> text/template -> functions (rule_template_functions.c), objects
 * Threads: a state belongs to one expansion; the tables are constant.
 */
#ifndef RULES_RULE_TEMPLATE_STATE_H
#define RULES_RULE_TEMPLATE_STATE_H

#include "rules/rule_template.h"

/* The context of a call. */
struct rule_template_state {
    const struct rule_template_data *data;
    unsigned queries;
};

#define RULE_TEMPLATE_ARGUMENTS                                                                    \
    struct template_call *c, const struct template_value *args, size_t n,                          \
        struct template_value *ret, struct why *why

extern const struct template_functions rule_template_functions;      /* for texts */
extern const struct template_functions rule_template_functions_html; /* and tmpl */

/* What a query gives: struct rule_template_sample. */
extern const struct template_object rule_template_sample_object;
/* struct histogram */
extern const struct template_object rule_template_histogram_object;
/* int64_t: milliseconds since 1970; nanoseconds */
extern const struct template_object rule_template_time_object;
extern const struct template_object rule_template_duration_object;

/* A map of the labels of a key; memory from a. */
struct template_value rule_template_labels(struct str key, struct arena *a);

/* A value of a sample: a number or a histogram. */
struct template_value rule_template_sample_value(double value, const struct histogram *histogram);

/* A text, number or duration as a number: -ERR_FORMAT in Go's words. */
MUST_USE int rule_template_number(const struct template_value *v, double *ret, struct why *why);

/* A time or a duration as a value of a template; memory from the call. */
struct template_value rule_template_time(struct template_call *c, int64_t ms);
struct template_value rule_template_duration(struct template_call *c, int64_t ns);

/* Appends a time as Go's Time.Format does with that layout, in UTC. */
void rule_template_format_time(int64_t ms, struct str layout, struct buf *out);

/* Seconds as milliseconds since 1970 or as nanoseconds, refused outside of what Go can hold. */
MUST_USE int rule_template_seconds_to_time(double seconds, int64_t *ret_ms, struct why *why);
MUST_USE int rule_template_seconds_to_duration(double seconds, int64_t *ret_ns, struct why *why);

/* The functions that make numbers readable. */
int rule_template_humanize(RULE_TEMPLATE_ARGUMENTS);
int rule_template_humanize_1024(RULE_TEMPLATE_ARGUMENTS);
int rule_template_humanize_duration(RULE_TEMPLATE_ARGUMENTS);
int rule_template_humanize_percentage(RULE_TEMPLATE_ARGUMENTS);
int rule_template_humanize_timestamp(RULE_TEMPLATE_ARGUMENTS);

/* The text in b becomes the answer of a function; b is done. */
MUST_USE int rule_template_give(struct template_call *c, struct buf *b, struct template_value *ret,
                                struct why *why);

#endif
