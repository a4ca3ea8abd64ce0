/* codec/otlp_metrics_json.h - an ExportMetricsServiceRequest in OTLP's JSON, written again in
 * protobuf: so that all that follows (codec/otlp_metrics.h) is written once.
 *
 * Ids are hexadecimal, 64-bit integers texts or numbers, enums numbers or names, doubles numbers or
 * "NaN", "Infinity", "-Infinity"; unknown keys are passed over, null is the default.
 *
 * Flow:    JSON -> table of messages -> protobuf bytes
 * Source:  OTLP specification, "JSON Protobuf Encoding"; ProtoJSON.
 * Threads: pure functions.
 */
#ifndef CODEC_OTLP_METRICS_JSON_H
#define CODEC_OTLP_METRICS_JSON_H

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* Appends the request to out. a: for texts with escapes. -ERR_FORMAT with line and column in why
 * for what is no such request, -ERR_LIMIT where out is full or the text too deep. */
MUST_USE int otlp_metrics_json(struct str json, struct arena *a, struct buf *out, struct why *why);

#endif
