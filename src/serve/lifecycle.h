/* serve/lifecycle.h - POST and PUT of /-/reload and /-/quit, where server.lifecycle is on.
 *
 * A reload is what SIGHUP asks for: the parent process reads the configuration, this one takes it
 * over with the rule files. The request waits until the daemon says by serve_reloaded() how that
 * went.
 *
 * Flow:    request -> serve_daemon.reload -> parent -> serve_reloaded() -> answer
 * Source:  Prometheus, management API: statuses and texts.
 * Threads: handlers on their loops; serve_reloaded() from any.
 */
#ifndef SERVE_LIFECYCLE_H
#define SERVE_LIFECYCLE_H

#include "net/http.h"

struct lifecycle;

struct lifecycle *lifecycle_new(void);
void lifecycle_free(struct lifecycle *l); /* NULL is fine */

/* A reload has ended: problem is "" where it went well. Any thread. */
void lifecycle_reloaded(struct lifecycle *l, const char *problem);

/* Context of all: struct serve. */
void lifecycle_reload(struct http_request *r, void *serve);
void lifecycle_quit(struct http_request *r, void *serve);

/* GET of both: 405 with Prometheus's text. */
void lifecycle_refuse(struct http_request *r, void *serve);

#endif
