/* text/template_human.h - numbers that people can read, as functions of templates.
 *
 * Source:  Prometheus, docs/configuration/template_reference.md: humanize and its relatives.
 * Threads: pure functions.
 */
#ifndef TEXT_TEMPLATE_HUMAN_H
#define TEXT_TEMPLATE_HUMAN_H

#include "text/template_words.h"

/* A text, number or duration as a number: -ERR_FORMAT in Go's words. */
MUST_USE int template_human_number(const struct template_value *v, double *ret, struct why *why);

int template_human_decimal(TEMPLATE_WORDS_ARGUMENTS); /* 1.234k */
int template_human_1024(TEMPLATE_WORDS_ARGUMENTS);    /* 1.2Ki */
int template_human_duration(TEMPLATE_WORDS_ARGUMENTS);
int template_human_percentage(TEMPLATE_WORDS_ARGUMENTS);
int template_human_timestamp(TEMPLATE_WORDS_ARGUMENTS);

#endif
