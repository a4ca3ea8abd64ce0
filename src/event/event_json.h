/* event/event_json.h - events as pipelines and people write them in JSON, and as the API shows
 * them.
 *
 * An event is {"kind", "title", "text", "time", "end", "labels", "status", "id_key", "url",
 * "source"}; one or an array of them. Times are milliseconds ("time_ms", "end_ms"), seconds, or RFC
 * 3339. "service", "version" and "environment" may stand beside the labels, and a deployment that
 * has them needs no title.
 *
 * Source:  Grafana's HTTP API for annotations, whose bodies are taken too.
 * Threads: pure functions.
 */
#ifndef EVENT_EVENT_JSON_H
#define EVENT_EVENT_JSON_H

#include "base/buf.h"
#include "event/event.h"

enum { EVENT_JSON_EVENTS_MAX = 1000 /* of one body */ };

/* What is missing stays as it is in *like. -ERR_FORMAT: why says in which event. */
MUST_USE int event_json_read(struct str body, const struct event *like, struct arena *a,
                             struct event **ret, size_t *ret_n, struct why *why);

/* Grafana's {"time", "timeEnd", "tags", "text"}: tags with ':' or '=' become labels, and a tag that
 * speaks of a deployment makes one of it. */
MUST_USE int event_json_read_annotation(struct str body, struct arena *a, struct event *ret,
                                        struct why *why);

/* {"id":..} */
void event_json_put(const struct event *v, struct buf *out);
/* As Grafana shows it. */
void event_json_put_annotation(const struct event *v, struct buf *out);

/* name=value .. as a canonical key from a; -ERR_FORMAT. */
MUST_USE int event_json_labels(const struct str *pairs, size_t n, struct arena *a, struct str *ret,
                               struct why *why);

#endif
