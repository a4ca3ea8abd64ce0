/* scrape/reading_inside.h - what the files of scrape/reading.h share.
 *
 * Threads: as there.
 */
#ifndef SCRAPE_READING_INSIDE_H
#define SCRAPE_READING_INSIDE_H

#include "scrape/reading.h"

MUST_USE int reading_text(struct reading *r, struct str body, struct why *why);
MUST_USE int reading_family(struct reading *r, struct str body, struct why *why);

/* Joins the parts of classic histograms into native ones, which are added as rows. */
void reading_join(struct reading *r);

/* A row for line; returns it until the next one. */
struct reading_row *reading_row(struct reading *r, uint32_t line, double value);

/* The row's extra, made where it is missing. */
struct reading_extra *reading_extra(struct reading *r, struct reading_row *row);

/* A line that was not known: labels [n] are its labels with __name__ first, as exposed. text is
 * what it is recognised by. */
MUST_USE int reading_learn(struct reading *r, struct str text, struct label *labels, size_t n,
                           uint32_t *ret, struct why *why);

/* A comment line that was not known: r->comment has been read from it. */
MUST_USE int reading_learn_comment(struct reading *r, struct str text, uint32_t *ret,
                                   struct why *why);

/* Such a line, known or new, stands here: the family may be another from now on. */
void reading_on_comment(struct reading *r, uint32_t line);

/* The last family ends: its metadata is told where it changed. */
void reading_end_family(struct reading *r);

#endif
