/* serve/checkup_json.h - a check of a component as JSON, for the endpoints that show any.
 *
 * Threads: pure functions.
 */
#ifndef SERVE_CHECKUP_JSON_H
#define SERVE_CHECKUP_JSON_H

#include "health/checkup.h"
#include "text/json.h"

/* An object: name, kind, group, status, message, times, uptime and figures; settings too where
 * whole is true, secrets hidden. */
void checkup_json_put(struct json_writer *w, const struct checkup_view *v, bool whole);

/* Members of an open object: status and what comes of it. */
void checkup_json_sum(struct json_writer *w, const struct standing_sum *s);

#endif
