/* cli/query_table.h - an answer of the query API as aligned text.
 *
 * An instant answer is a line a series: a column for each label (the whole series where there are
 * many), then the value. A range is a block a series: its name, then a line a point.
 *
 * Threads: pure functions.
 */
#ifndef CLI_QUERY_TABLE_H
#define CLI_QUERY_TABLE_H

#include "cli/query_answer.h"

void query_table(const struct query_answer *answer, struct buf *out);

/* "stats" of an answer, a line a figure below the title: timings.evalTotalTime 0.001. */
MUST_USE int query_table_figures(struct str json, const char *title, struct buf *out,
                                 struct why *why);

#endif
