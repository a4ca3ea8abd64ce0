/* cli/query_request.h - what `sonde query` asks, and asking a running daemon for it.
 *
 * Threads: one.
 */
#ifndef CLI_QUERY_REQUEST_H
#define CLI_QUERY_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct query_request {
    const char *expression;
    const char *tenant; /* "default" */
    bool range;
    int64_t start_ms, end_ms; /* instant: both the time */
    int64_t step_ms;          /* of a range */
    uint64_t limit;           /* series; 0: all */
    bool stats, explain;
};

/* POSTs it to the daemon at url ("http://127.0.0.1:7663") and appends the answer's JSON to ret:
 * 0 with whatever the daemon says of the query; -ERR_x: it did not answer, or with no JSON. */
MUST_USE int query_request_send(const struct query_request *q, const char *url, struct buf *ret,
                                struct why *why);

/* Tells of a query that failed, on the lines of out: "sonde query: TEXT", and where the text names
 * a place of the expression (1:5: parse error: ..) that line of it with a caret under the place. */
void query_request_failure(const struct query_request *q, struct str text, struct buf *out);

#endif
