/* codec/metric_family.h - writes metrics as delimited protobuf messages, io.prometheus.client
 * MetricFamily: the one exposition format that has native histograms.
 *
 * Families come one after the other, each with all of its metrics.
 *
 * Source:  Prometheus, client_model/metrics.proto; a varint with the length stands before each
 *          message.
 * Threads: one per writer.
 */
#ifndef CODEC_METRIC_FAMILY_H
#define CODEC_METRIC_FAMILY_H

#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "text/name_escape.h"

enum metric_family_type {
    METRIC_FAMILY_UNTYPED = 3,
    METRIC_FAMILY_HISTOGRAM = 4,
    METRIC_FAMILY_GAUGE_HISTOGRAM = 5,
};

#define METRIC_FAMILY_CONTENT_TYPE                                                                 \
    STR("application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "               \
        "encoding=delimited")

struct metric_family_writer {
    struct buf *out;
    struct buf family; /* of the open one; empty: none is open */
    struct buf metric, part;
};

void metric_family_init(struct metric_family_writer *w, struct buf *out);

/* Ends the last family; a writer may be used again. */
void metric_family_done(struct metric_family_writer *w);

/* Ends the family before. */
void metric_family_begin(struct metric_family_writer *w, struct str name,
                         enum metric_family_type type);

/* A metric of it with the labels of key (but __name__), which may be empty texts too. */
void metric_family_untyped(struct metric_family_writer *w, struct str key, double value,
                           int64_t ts_ms);

/* As floats, like Prometheus's own federation; one with custom bounds has classic buckets, as the
 * format has no others for it. */
void metric_family_histogram(struct metric_family_writer *w, struct str key,
                             const struct histogram *h, int64_t ts_ms);

/* The weight (q) that an Accept header gives to this format, with how it wants names; 0: it does
 * not take it. */
double metric_family_weight(struct str accept, enum name_escape *ret_escape);

#endif
