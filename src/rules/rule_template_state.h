/* rules/rule_template_state.h - between the functions of rules' templates and who calls them.
 *
 * Flow:    rule_template.c -> text/template -> functions (rule_template_functions.c), objects
 * Threads: a state belongs to one expansion; the tables are constant.
 */
#ifndef RULES_RULE_TEMPLATE_STATE_H
#define RULES_RULE_TEMPLATE_STATE_H

#include "rules/rule_template.h"
#include "text/template_human.h"
#include "text/template_time.h"
#include "text/template_words.h"

/* The context of a call. */
struct rule_template_state {
    const struct rule_template_data *data;
    unsigned queries;
};

extern const struct template_functions rule_template_functions;      /* for texts */
extern const struct template_functions rule_template_functions_html; /* and tmpl */

/* What a query gives: struct rule_template_sample. */
extern const struct template_object rule_template_sample_object;
/* struct histogram */
extern const struct template_object rule_template_histogram_object;

/* A map of the labels of a key; memory from a. */
struct template_value rule_template_labels(struct str key, struct arena *a);

/* A value of a sample: a number or a histogram. */
struct template_value rule_template_sample_value(double value, const struct histogram *histogram);

#endif
