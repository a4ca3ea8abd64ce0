/* codec/otlp_value.h - attributes of OpenTelemetry: walking a run of them, and any value as text.
 *
 * A value becomes the text that OpenTelemetry's own collectors make of it: booleans and numbers as
 * in JSON, bytes as base64, arrays and maps as JSON with sorted keys.
 *
 * Source:  opentelemetry-proto, common.proto; "Mapping arbitrary data to OTLP AnyValue".
 * Threads: pure functions.
 */
#ifndef CODEC_OTLP_VALUE_H
#define CODEC_OTLP_VALUE_H

#include <stddef.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

enum { OTLP_VALUE_PAIRS_MAX = 1024 }; /* of one map */

struct otlp_attribute {
    struct str key;
    struct str value; /* as text */
};

/* All attributes of a run, sorted by key (stable), at most max. *ret [*ret_n] and its texts are of
 * the run or of a. -ERR_FORMAT for malformed bytes, -ERR_LIMIT for too many or too deep ones. */
MUST_USE int otlp_value_attributes(struct str run, size_t max, struct arena *a,
                                   struct otlp_attribute **ret, size_t *ret_n, struct why *why);

#endif
