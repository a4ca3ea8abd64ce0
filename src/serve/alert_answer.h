/* serve/alert_answer.h - what the APIs of alerting share: texts of errors as Alertmanager gives
 * them, and rows of alerts and silences as JSON.
 *
 * Source:  Alertmanager's API v2: names of members, order of rows, wording of errors.
 * Threads: pure functions over a job's body, but where said.
 */
#ifndef SERVE_ALERT_ANSWER_H
#define SERVE_ALERT_ANSWER_H

#include "alert/alert.h"
#include "serve/job.h"
#include "text/json.h"
#include "text/json_tree.h"

enum { ALERT_ANSWER_BODY_MAX = 16 * 1024 * 1024 /* bytes of a list of alerts */ };

/* Answers with a JSON text: Alertmanager's errors. */
void alert_answer_text(struct job *j, int status, const char *format, ...) PRINTF(3, 4);

/* {"code":..,"message":..}: what is wrong with the form of a request. */
void alert_answer_code(struct job *j, int status, int code, const char *format, ...) PRINTF(4, 5);

/* 200 without a body. */
void alert_answer_empty(struct job *j, int status);

/* "2026-01-02T13:36:40.200Z" */
void alert_answer_date(struct json_writer *w, const char *key, int64_t ts_ms);

/* The members of one alert without its braces. */
void alert_answer_row(struct json_writer *w, const struct alert_row *r);

/* A silence, braces included. */
void alert_answer_silence(struct json_writer *w, const struct alert_silence *s);

/* The engine; NULL where there is none (the request is answered then). Any thread. */
struct alerting *alert_answer_engine(struct serve *s, struct http_request *r);

/* ---- reading */

/* true, 1, yes, ..: true; another text: false; missing: fallback. On the request's loop. */
bool alert_answer_bool(struct http_request *r, const char *name, bool fallback);

/* The matchers of all `filter` parameters in arena a. False where one is none: why has the text. On
 * the request's loop. */
MUST_USE int alert_answer_filter(struct http_request *r, const char *name, struct arena *a,
                                 struct matcher_list *ret, struct why *why);

/* RFC 3339 of a JSON member; 0 where it is missing or Go's zero time. -ERR_FORMAT. */
MUST_USE int alert_answer_time(const struct json_tree *node, int64_t *ret_ms);

/* {"name":"value"} as a bare key in a; -ERR_FORMAT. */
MUST_USE int alert_answer_read_labels(const struct json_tree *node, struct arena *a,
                                      struct str *ret, struct why *why);

/* The matchers of a silence, [{"name":..,"value":..,"isRegex":..,"isEqual":..}]. */
MUST_USE int alert_answer_read_matchers(const struct json_tree *node, struct arena *a,
                                        struct matcher_list *ret, struct why *why);

/* A UUID's text. */
bool alert_answer_is_uuid(struct str s);

#endif
