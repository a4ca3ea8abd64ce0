/* receive/metrics_push.h - POST /api/metrics: samples as JSON or as exposition text.
 *
 * Content-Type decides: application/json (codec/metrics_json.h), text/plain (text format 0.0.4),
 * application/openmetrics-text. Content-Encoding gzip, deflate, zstd, snappy or none. The answer is
 * {"accepted":n,"refused_total":n,"refused":[{"index":i,"series":..,"reason":..}]} with status 200
 * if anything was accepted (or nothing was sent), 400 if nothing was:
 * docs/adr/0007-partial-writes.md.
 *
 * Threads: handlers run on their loops; one scratch space per lane.
 */
#ifndef RECEIVE_METRICS_PUSH_H
#define RECEIVE_METRICS_PUSH_H

#include "receive/receiver.h"

enum {
    METRICS_PUSH_BODY_MAX = 32 << 20,
    METRICS_PUSH_UNPACKED_MAX = 32 << 20,
    METRICS_PUSH_REFUSED_MAX = 100, /* named in an answer; the rest is counted */
};

extern const struct receiver_ops metrics_push_receiver;

#endif
