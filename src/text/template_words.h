/* text/template_words.h - functions over texts that templates of Prometheus and Alertmanager share.
 *
 * Rows of a table of functions (text/template.h) name them.
 *
 * Source:  Prometheus, docs/configuration/template_reference.md; Alertmanager's notification
 *          template reference.
 * Threads: pure functions.
 */
#ifndef TEXT_TEMPLATE_WORDS_H
#define TEXT_TEMPLATE_WORDS_H

#include "text/template.h"

#define TEMPLATE_WORDS_ARGUMENTS                                                                   \
    struct template_call *c, const struct template_value *args, size_t n,                          \
        struct template_value *ret, struct why *why

/* The text in b becomes the answer of a function; b is done. */
MUST_USE int template_words_give(struct template_call *c, struct buf *b, struct template_value *ret,
                                 struct why *why);

int template_words_re_replace_all(TEMPLATE_WORDS_ARGUMENTS); /* pattern, replacement, text */
int template_words_match(TEMPLATE_WORDS_ARGUMENTS);          /* pattern, text */
int template_words_title(TEMPLATE_WORDS_ARGUMENTS);
int template_words_to_upper(TEMPLATE_WORDS_ARGUMENTS);
int template_words_to_lower(TEMPLATE_WORDS_ARGUMENTS);
int template_words_safe_html(TEMPLATE_WORDS_ARGUMENTS);
int template_words_escape_query(TEMPLATE_WORDS_ARGUMENTS);

#endif
