/* serve/federate.h - /federate: the newest samples of chosen series, for another Prometheus to
 * scrape.
 *
 * Answers the last sample of the last five minutes of every series that one of match[] selects,
 * each with its time, all untyped; what ended by a staleness marker is left out. The external
 * labels are added where a series has none of that name, and an empty instance, so that who honours
 * labels does not put its own there. Native histograms go out in protobuf alone.
 *
 * Flow:    match[] -> store/face -> samples by name -> text, OpenMetrics or protobuf by Accept
 * Source:  Prometheus, federation.
 * Threads: the handler on its loop, the work on the pool.
 */
#ifndef SERVE_FEDERATE_H
#define SERVE_FEDERATE_H

#include "net/http.h"

/* Context: struct serve. */
void federate_handle(struct http_request *r, void *serve);

#endif
