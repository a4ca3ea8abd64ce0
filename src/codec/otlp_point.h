/* codec/otlp_point.h - OpenTelemetry's metrics as they stand in a request, before they become
 * series: what a reader finds and codec/otlp_translate.h takes.
 *
 * Attributes stay bytes: a run of protobuf fields, each a KeyValue (codec/otlp_value.h walks it).
 * So a series that is known is found by comparing bytes, and nothing is taken apart.
 *
 * Source:  opentelemetry-proto, metrics/v1/metrics.proto.
 * Threads: plain data; borrowed from the request or the reader's arenas.
 */
#ifndef CODEC_OTLP_POINT_H
#define CODEC_OTLP_POINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum otlp_kind {
    OTLP_GAUGE,
    OTLP_SUM,
    OTLP_HISTOGRAM,
    OTLP_EXPONENTIAL,
    OTLP_SUMMARY,
};

enum otlp_temporality { OTLP_UNSPECIFIED, OTLP_DELTA, OTLP_CUMULATIVE };

enum {
    OTLP_BUCKETS_MAX = 16384, /* of one side of an exponential histogram, as sent */
    OTLP_BOUNDS_MAX = 1024,   /* of a histogram; quantiles of a summary */
    OTLP_ATTRIBUTES_MAX = 256 /* of one point, resource or scope */
};

struct otlp_scope {
    struct str message; /* all but schema_url, as sent */
    struct str schema_url;
};

struct otlp_metric {
    struct str name, description, unit;
    enum otlp_kind kind;
    enum otlp_temporality temporality; /* of sums and histograms */
    bool monotonic;                    /* of sums */
};

struct otlp_buckets {
    int32_t offset; /* index of the first */
    size_t n;
    const uint64_t *counts; /* [n] */
};

struct otlp_quantile {
    double quantile, value;
};

struct otlp_point {
    struct str attributes;      /* a run of KeyValue fields */
    uint64_t start_ns, time_ns; /* since 1970; start 0: not known */
    double value;               /* of gauges and sums */
    struct str message;         /* the point as sent, for its exemplars */
    uint32_t exemplar_number;   /* of their field; 0: there are none */
    bool no_value;              /* the flag "no recorded value": the series has ended */
    const char *bad;            /* why it cannot be taken, else NULL */
    struct otlp_distribution {
        uint64_t count;
        double sum;
        bool has_sum;
        struct str bucket_counts; /* of histograms: 8 bytes each, little-endian */
        struct str bounds;        /* likewise, doubles */
        int32_t scale;            /* from here: of exponential histograms */
        uint64_t zero_count;
        double zero_threshold;
        struct otlp_buckets positive, negative;
        const struct otlp_quantile *quantiles; /* [quantiles_n], of summaries */
        size_t quantiles_n;
    } d; /* of histograms and summaries; of gauges and sums it is not set */
};

struct otlp_exemplar {
    uint64_t time_ns;
    double value;
    struct str trace_id, span_id; /* bytes; may be empty */
    struct str attributes;        /* the run of those that were filtered out of the point */
};

#endif
