/* serve/health_api_inside.h - what the files of the health endpoints share.
 *
 * Threads: the request's loop.
 */
#ifndef SERVE_HEALTH_API_INSIDE_H
#define SERVE_HEALTH_API_INSIDE_H

#include "health/health.h"
#include "net/http.h"

struct serve;

/* Of the daemon's own checks and those of components. */
enum health_state health_api_worst(const struct serve *s);

/* Answers /health in our own words. */
void health_api_own(struct http_request *r, struct serve *s);

#endif
