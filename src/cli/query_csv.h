/* cli/query_csv.h - an answer of the query API as CSV: a column for each label, time, value; a line
 * a point.
 *
 * Source:  RFC 4180: lines end with CR LF, quotes are doubled.
 * Threads: pure functions.
 */
#ifndef CLI_QUERY_CSV_H
#define CLI_QUERY_CSV_H

#include "cli/query_answer.h"

void query_csv(const struct query_answer *answer, struct buf *out);

#endif
