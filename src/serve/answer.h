/* serve/answer.h - the envelope and the values of Prometheus's answers, as text.
 *
 * Source:  Prometheus, web/api/v1 and util/jsonutil: how numbers and times are printed.
 * Threads: pure functions over a job's body.
 */
#ifndef SERVE_ANSWER_H
#define SERVE_ANSWER_H

#include "model/histogram.h"
#include "query/promql/promql.h"
#include "serve/job.h"

/* Answers a request on its loop with {"status":"success","data":data}; data is JSON. */
void answer_data(struct http_request *r, struct str data);

/* Answers a request on its loop with {"status":"error","errorType":type,"error":...}. */
void answer_refuse(struct http_request *r, int status, const char *type, const char *format, ...)
    PRINTF(4, 5);

/* Replaces the body by {"status":"error",...} with the status that goes with the kind. */
void answer_error(struct job *j, enum promql_error kind, const char *format, ...) PRINTF(3, 4);

/* As answer_error, for what is no fault of a query: 404 not_found and the like. */
void answer_fault(struct job *j, int status, const char *type, const char *format, ...)
    PRINTF(4, 5);

/* As answer_error, for an error of the store. */
void answer_failure(struct job *j, int err, const struct why *why);

/* As answer_failure, for what people make, change and drop: 404 there is none, 409 it is there
 * already or not in that state, 403, 504 and 507. */
void answer_refusal(struct job *j, int err, const struct why *why);

/* {"status":"success","data": */
void answer_begin(struct job *j);
/* ,"warnings":[..],"infos":[..]} with at most ten of each and how many more there are; the result
 * may be NULL, extra "". */
void answer_end(struct job *j, const struct promql_result *r, struct str extra);

/* {"name":"value",..} of a key. */
void answer_labels(struct buf *b, struct str key);

/* Nothing to say: 204 without a body. */
void answer_nothing(struct job *j);

enum { ANSWER_TIME_MAX = 32, ANSWER_DATE_MAX = 40 };

/* A wall time as Prometheus's status endpoints have it, 2026-01-02T13:36:40.2Z; one outside of the
 * years 1900 to 9999, as ANSWER_NEVER is, is its "never". */
#define ANSWER_NEVER INT64_MIN
struct str answer_date(int64_t ts_ms, char out[ANSWER_DATE_MAX]);

/* 1.500 or 1: a point's time in seconds. The other one returns its length, without a NUL. */
void answer_time(struct buf *b, int64_t ts_ms);
size_t answer_time_text(int64_t ts_ms, char out[ANSWER_TIME_MAX]);

/* {"count":..,"sum":..,"buckets":[..]} */
void answer_histogram(struct buf *b, const struct histogram *h);

#endif
