/* client/trace/propagation.h - ids, tracestate and baggage that go from process to process: one
 * piece of memory that does not change and is counted by who holds it.
 *
 * Flow:    headers -> sonde_propagation -> spans of this process -> headers
 * Source:  W3C Trace Context and Baggage; github.com/openzipkin/b3-propagation; Jaeger's
 *          uber-trace-id; Sentry's sentry-trace
 * Threads: any.
 */
#ifndef CLIENT_TRACE_PROPAGATION_H
#define CLIENT_TRACE_PROPAGATION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/trace/tracestate.h"
#include "sonde/span.h"

struct sonde_propagation {
    _Atomic uint32_t holders;
    uint32_t baggage_n;
    uint32_t state_n;
    bool found;  /* the context is not all zero */
    bool remote; /* it came from another process */
    sonde_context context;
    char bytes[]; /* tracestate [state_n], baggage [baggage_n] */
};

/* NULL: no memory. state and baggage may be NULL with 0. */
sonde_propagation *propagation_new(const sonde_context *context, const char *state, size_t state_n,
                                   const char *baggage, size_t baggage_n, bool remote);
/* One more holder, each of which calls sonde_propagation_free(); NULL gives NULL. */
sonde_propagation *propagation_hold(const sonde_propagation *p);

/* What comes without traceparent: each reads one kind of header; false where it is bad. The ids of
 * a context without a decision are decided on by our sampler. */
bool propagation_b3(const char *value, sonde_context *ret);
bool propagation_b3_multi(const char *trace, const char *span, const char *sampled,
                          const char *flags, sonde_context *ret);
bool propagation_uber(const char *value, sonde_context *ret);
bool propagation_sentry(const char *value, sonde_context *ret);

/* tracestate of a span: what it came with, otherwise our own threshold; returns its length. */
size_t propagation_state(const sonde_context *context, const sonde_propagation *carried,
                         char ret[TRACESTATE_MAX]);

#endif
