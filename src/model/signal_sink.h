/* model/signal_sink.h - where spans, logs and errors of applications go: apps writes into it.
 *
 * Today the spool on disk (apps/signal_spool.h) takes them all; a store of spans, of logs or of
 * errors implements the same table and takes its kind's place.
 *
 * Threads: take() from any one thread; done() comes on any thread and must not block.
 */
#ifndef MODEL_SIGNAL_SINK_H
#define MODEL_SIGNAL_SINK_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum signal_kind {
    SIGNAL_SPANS,  /* ExportTraceServiceRequest, OTLP protobuf */
    SIGNAL_LOGS,   /* ExportLogsServiceRequest, OTLP protobuf */
    SIGNAL_ERRORS, /* a Sentry envelope */
    SIGNAL_CRASH,  /* a crash record of libsonde, as its handler sent it */
    SIGNAL_KINDS_N
};

struct signal {
    enum signal_kind kind;
    struct str bytes;
    struct str service, instance; /* of who sent it; "" where not known */
    int64_t time_ms;              /* when it came */
    int64_t pid;                  /* of the sender, by the kernel; 0: not known */
    int64_t uid;                  /* -1: not known */
    uint64_t of; /* SIGNAL_ERRORS: number + 1 of the crash record it was made of; 0: of none */
};

struct signal_sink;

struct signal_sink_ops {
    /* Copies s. Calls done(context, err) exactly once, maybe from within: 0 as soon as it is
     * durable (or was known already); -ERR_BUSY, -ERR_FULL, -ERR_IO: later; -ERR_FORMAT: never. */
    void (*take)(struct signal_sink *sink, const struct signal *s,
                 void (*done)(void *context, int err), void *context);
};

struct signal_sink {
    const struct signal_sink_ops *ops;
};

#endif
