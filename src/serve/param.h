/* serve/param.h - reading the parameters that Prometheus's API shares.
 *
 * Each answers the request itself with 400 and Prometheus's text where the parameter is wrong, and
 * then returns false: the handler just ends.
 *
 * Threads: the request's loop.
 */
#ifndef SERVE_PARAM_H
#define SERVE_PARAM_H

#include <stdbool.h>
#include <stdint.h>

#include "net/http.h"
#include "query/promql/promql.h"

/* Unix seconds (rounded to ms) or RFC 3339; must be there. */
bool param_time_needed(struct http_request *r, struct str name, int64_t *ret_ms);

/* The same; fallback where it is missing. */
bool param_time(struct http_request *r, struct str name, int64_t fallback_ms, int64_t *ret_ms);

/* Seconds or 1h30m; fallback where it is missing. */
bool param_duration(struct http_request *r, struct str name, int64_t fallback_ms, int64_t *ret_ms);

/* A whole number >= 0; 0 where it is missing. */
bool param_limit(struct http_request *r, struct str name, uint64_t *ret);

/* A whole number; fallback where it is missing. */
bool param_number(struct http_request *r, struct str name, int64_t fallback, int64_t *ret);

/* 1, t, T, true, True, TRUE and their opposites, as Go's ParseBool; false for anything else. */
bool param_parse_bool(struct str text, bool *ret);

/* Reads a time: false for anything that is none. */
bool param_parse_time(struct str text, int64_t *ret_ms);

/* Answers 400 bad_data with `invalid parameter "name": text`. */
void param_refuse(struct http_request *r, struct str name, const char *text);

/* The matchers of all match[] parameters; each one is a selector of its own. */
struct param_selector {
    struct matcher *matchers; /* [n], in the request's arena */
    size_t n;
};

struct param_selectors {
    struct param_selector *v;
    size_t n;
};

/* PARAM_NEEDED: none at all is refused, and faults name the parameter. */
enum param_wanted { PARAM_OPTIONAL, PARAM_NEEDED };
bool param_selectors(struct http_request *r, enum param_wanted wanted, struct param_selectors *ret);

/* start and end of the metadata endpoints: all of time where they are missing. An end before the
 * start is no fault: nothing lies between them. */
bool param_window(struct http_request *r, int64_t *ret_from_ms, int64_t *ret_to_ms);

#endif
