/* client/trace/otlp.h - what OTLP's requests of spans and of log records have in common.
 *
 * Source:  github.com/open-telemetry/opentelemetry-proto 1.11; semantic conventions of resources
 * Threads: one at a time (the worker, or who flushes).
 */
#ifndef CLIENT_TRACE_OTLP_H
#define CLIENT_TRACE_OTLP_H

#include "client/core/text.h"

/* KeyValue of a text into `field`. */
void otlp_string(struct text *t, unsigned field, const char *key, const char *value);
/* ResourceSpans.resource, ResourceLogs.resource: who this process is. */
void otlp_resource(struct text *t, unsigned field);
/* InstrumentationScope: this library. */
void otlp_scope(struct text *t, unsigned field);

/* A request that is being filled: Export..Request{ Resource..{ resource, Scope..{ scope, .. } } }:
 * requests of spans and logs nest alike. */
struct otlp_request {
    struct text text;
    size_t whole, scope; /* what proto_close() needs */
    unsigned items;
};
enum { OTLP_FULL_BYTES = 512 * 1024, OTLP_MAX_BYTES = 2 << 20 };
void otlp_begin(struct otlp_request *r);
/* Closes it; r->text is the request. */
void otlp_end(struct otlp_request *r);
void otlp_done(struct otlp_request *r); /* gives back its memory */

#endif
