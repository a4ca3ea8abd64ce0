/* serve/scrape_page.h - /metrics: the collectors' last values and the daemon's own, in the text
 * format 0.0.4 or OpenMetrics 1.0, as the client asks.
 *
 * Source:  Prometheus text exposition format 0.0.4, OpenMetrics 1.0.
 * Threads: the request's loop.
 */
#ifndef SERVE_SCRAPE_PAGE_H
#define SERVE_SCRAPE_PAGE_H

#include <stdbool.h>

#include "base/buf.h"
#include "net/http.h"
#include "serve/serve.h"

/* Context: struct serve. */
void scrape_page_handle(struct http_request *r, void *serve);

/* Writes the whole page. */
void scrape_page_write(const struct serve_source *source, bool openmetrics, struct buf *out);

/* Does this Accept header prefer OpenMetrics? */
bool scrape_page_openmetrics(struct str accept);

#endif
