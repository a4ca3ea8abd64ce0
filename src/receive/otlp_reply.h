/* receive/otlp_reply.h - what OTLP answers with, in the encoding of the request.
 *
 * Source:  opentelemetry-proto, metrics_service.proto; google/rpc/status.proto and code.proto.
 * Threads: pure functions.
 */
#ifndef RECEIVE_OTLP_REPLY_H
#define RECEIVE_OTLP_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

/* ExportMetricsServiceResponse; partial_success only where there is something to say. */
struct str otlp_reply_success(bool json, uint64_t rejected, struct str message, struct arena *a);

/* google.rpc.Status for an HTTP status. */
struct str otlp_reply_status(bool json, int http_status, struct str message, struct arena *a);

/* The code of gRPC that an HTTP status stands for. */
int otlp_reply_code(int http_status);

#endif
