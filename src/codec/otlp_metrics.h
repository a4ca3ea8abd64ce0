/* codec/otlp_metrics.h - an ExportMetricsServiceRequest in protobuf, read without copying.
 *
 * Fields come in any order, as protobuf allows: a message is walked once for what stands above its
 * parts (a sum's temporality lies behind its points) and once for the parts, which costs a hop for
 * each.
 *
 * Flow:    unpacked bytes -> resource, scope, metric, point .. -> visitor
 * Source:  opentelemetry-proto: metrics.proto, metrics_service.proto; protobuf encoding.
 * Threads: pure functions.
 */
#ifndef CODEC_OTLP_METRICS_H
#define CODEC_OTLP_METRICS_H

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "codec/otlp_point.h"

/* Who takes what is read. Not 0 from any of them ends the reading, which returns it. All is
 * borrowed for the call but what the request itself has, and resources, scopes and metrics until
 * the next one of their kind. */
struct otlp_visitor {
    void *context;
    int (*resource)(void *context, struct str attributes);
    int (*scope)(void *context, const struct otlp_scope *scope);
    int (*metric)(void *context, const struct otlp_metric *metric);
    int (*point)(void *context, const struct otlp_point *point);
    int (*resource_end)(void *context);
};

/* Reads a request; CODEC_SLACK bytes behind it are readable. lasting holds what lives as long as
 * the request, passing what lives as long as a point: the visitor may reset it in point(). Returns
 * -ERR_FORMAT with the position in why for bytes that are not such a request. */
MUST_USE int otlp_metrics_read(struct str request, struct arena *lasting, struct arena *passing,
                               const struct otlp_visitor *visitor, struct why *why);

/* The next exemplar of a point: 1, 0 at the end, -ERR_FORMAT. *at begins as p->message.p. */
MUST_USE int otlp_metrics_exemplar(const struct otlp_point *p, const char **at, struct arena *a,
                                   struct otlp_exemplar *ret);

/* The parts of a scope's message; false where it is malformed. */
MUST_USE bool otlp_metrics_scope(struct str message, struct arena *a, struct str *ret_name,
                                 struct str *ret_version, struct str *ret_attributes);

#endif
