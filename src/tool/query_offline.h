/* tool/query_offline.h - a query over the data directory of a daemon that does not run. Nothing
 * that is stored there changes.
 *
 * Threads: one.
 */
#ifndef TOOL_QUERY_OFFLINE_H
#define TOOL_QUERY_OFFLINE_H

#include "cli/query_request.h"
#include "tool/offline.h"

/* Appends the answer to ret, the JSON that a daemon would send; 0, or 1 after a sentence on
 * standard error where the directory cannot be read. */
MUST_USE int query_offline(struct offline *o, const struct query_request *q, struct buf *ret);

#endif
