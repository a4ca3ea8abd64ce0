/* serve/page.h - the files of the web page, straight from the binary.
 *
 * They are kept gzipped and sent so; the rare client that takes no gzip gets them unpacked. The
 * page may load from this server only: no script or style stands in the HTML itself.
 *
 * Threads: the request's loop.
 */
#ifndef SERVE_PAGE_H
#define SERVE_PAGE_H

#include "net/http.h"

/* Context: struct serve. Answers "/" and every path that no other route takes. */
void page_handle(struct http_request *r, void *serve);

/* Context: struct serve. Paths of Prometheus's own pages lead to ours: queries (/graph,
 * /query) with the expression and the table that they show (/graph?g0.expr=EXPRESSION&g0.tab=1 of
 * a link in an alert), alerts and rules, and the overview for the others. */
void page_redirect(struct http_request *r, void *serve);

#endif
