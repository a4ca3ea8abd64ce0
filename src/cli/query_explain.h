/* cli/query_explain.h - "explain" of an answer as text: a line for each node of the expression,
 * with what it took, indented by its depth.
 *
 * Threads: pure functions.
 */
#ifndef CLI_QUERY_EXPLAIN_H
#define CLI_QUERY_EXPLAIN_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* json is the object; its "tree" becomes lines, all else figures. -ERR_FORMAT, -ERR_LIMIT. */
MUST_USE int query_explain(struct str json, struct buf *out, struct why *why);

#endif
