/* receive/otlp_grpc.h - OpenTelemetry's metrics over gRPC: MetricsService/Export.
 *
 * Source:  opentelemetry-proto, metrics_service.proto; OTLP specification, "OTLP/gRPC".
 * Threads: the request's loop.
 */
#ifndef RECEIVE_OTLP_GRPC_H
#define RECEIVE_OTLP_GRPC_H

#include "net/http.h"
#include "receive/otlp.h"

#define OTLP_GRPC_PATH "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"

/* Answers a call, whose message may unpack to at most max bytes. */
void otlp_grpc_call(struct http_request *r, struct otlp *o, size_t max);

#endif
