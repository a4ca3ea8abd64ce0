/* receive/otlp.h - OpenTelemetry's metrics: POST /v1/metrics and /api/v1/otlp/v1/metrics.
 *
 * Content-Type application/x-protobuf or application/json, Content-Encoding gzip, deflate, zstd or
 * none; the answer has the request's type. What can be taken is taken: points that cannot be are
 * counted in partial_success, with the reasons of the first ones.
 *
 * Answers: 200 with ExportMetricsServiceResponse; else google.rpc.Status: 400 not such a request;
 * 413 too large; 415 another type or encoding; 429 and 503 with Retry-After where a retry helps.
 *
 * Flow:    body -> otlp_take() -> codec/otlp_translate.h -> push -> commit -> done()
 * Source:  OpenTelemetry protocol specification, "OTLP/HTTP".
 * Threads: handlers run on their loops; one scratch space per lane; sums of deltas are shared.
 */
#ifndef RECEIVE_OTLP_H
#define RECEIVE_OTLP_H

#include "base/arena.h"
#include "base/str.h"
#include "os/loop.h"
#include "receive/receiver.h"

enum {
    OTLP_BODY_MAX = 64 << 20, /* bytes as sent; unpacked it is otlp.body_bytes_max */
    OTLP_NAMED_MAX = 10,      /* refused points that an answer names */
};

extern const struct receiver_ops otlp_receiver; /* its state is a struct otlp */

struct otlp;

/* What became of a request. */
struct otlp_outcome {
    int err;            /* 0: taken; else -ERR_x: of the bytes, the tenant, the store */
    bool retry;         /* the same bytes may be taken later */
    int64_t retry_s;    /* when, where retry */
    uint64_t rejected;  /* data points; with err 0 all others are stored */
    struct str message; /* why; empty where all is well */
};

/* A message of ExportMetricsServiceRequest, however it came: over HTTP, or in a frame of gRPC. */
struct otlp_call {
    struct str bytes; /* unpacked; CODEC_SLACK bytes behind it are readable; for the call only */
    bool json;
    struct str tenant;   /* empty: the default */
    struct loop *loop;   /* that done is called on */
    size_t lane;         /* of that loop */
    struct arena *arena; /* lives until done; message is of it */
    void (*done)(void *context, const struct otlp_outcome *outcome);
    void *context;
};

/* Takes a request on its lane's thread; calls done exactly once, on the loop, before it returns or
 * when what was taken is durable. */
void otlp_take(struct otlp *o, const struct otlp_call *call);

#endif
