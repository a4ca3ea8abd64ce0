/* serve/probe.h - can the daemon commit a write and answer a query, right now?
 *
 * A probe writes one sample of sonde_probe into the tenant _sonde through the sink, waits for the
 * commit that makes it durable, and asks the query engine for it. Its outcome is cached for a
 * second; a probe that does not come back in two seconds is an answer as well: not ready.
 *
 * Threads: probe_ask() on a loop; the steps run on the pool and the committing thread.
 */
#ifndef SERVE_PROBE_H
#define SERVE_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "health/health.h"
#include "net/http.h"

struct serve;
struct probe;

enum { PROBE_TEXT_MAX = 256 };

struct probe_outcome {
    bool ready;
    double commit_s, query_s, age_s;
    char text[PROBE_TEXT_MAX]; /* why not, or "" */
};

struct probe *probe_new(struct serve *s);
void probe_free(struct probe *p); /* NULL is fine */

/* Calls done(r, outcome) on the request's loop: at once where a fresh outcome is there. */
void probe_ask(struct probe *p, struct http_request *r,
               void (*done)(struct http_request *r, void *context,
                            const struct probe_outcome *outcome),
               void *context);

/* For the registry of checks: the last outcome as a reading (context: struct probe); starts the
 * next probe. */
void probe_commit_check(void *context, struct health_reading *ret);
void probe_query_check(void *context, struct health_reading *ret);

#endif
