/* client/trace/trace.h - spans leave the process: rings -> OTLP -> client/core/outgoing.h.
 *
 * Threads: trace_drain_now(): any; the rest: the worker, or who flushes while it does not run.
 */
#ifndef CLIENT_TRACE_TRACE_H
#define CLIENT_TRACE_TRACE_H

#include "client/core/text.h"
#include "client/trace/otlp.h"
#include "client/trace/span.h"

/* A ring is half full: the worker empties it as soon as it can. */
void trace_drain_now(void);

/* All that has ended goes to outgoing_put(). */
void trace_export(void);
/* One record as a message of `field`; pure. */
void trace_export_span(struct text *t, unsigned field, const struct span_record *r);
/* Forgets what the rings hold: in a forked child it is the parent's. */
void trace_export_forget(void);

/* Commands and metrics: trace_command.c. */
void trace_command_start(void);
void trace_command_stop(void);

#endif
