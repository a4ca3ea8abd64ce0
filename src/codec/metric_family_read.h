/* codec/metric_family_read.h - reads metrics as delimited protobuf messages, io.prometheus.client
 * MetricFamily: the one exposition format that has native histograms.
 *
 * Counters, gauges, untyped metrics and summaries come out as floats under the names that the text
 * format gives them; a histogram comes out as one native sample, as its classic series, or as both.
 * A malformed message ends the reading, since nothing behind it can be found.
 *
 * Flow:    bytes -> batch + sides, again and again
 * Source:  Prometheus, client_model/metrics.proto; a varint with the length stands before each
 *          message.
 * Threads: one per reader.
 */
#ifndef CODEC_METRIC_FAMILY_READ_H
#define CODEC_METRIC_FAMILY_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "codec/sides.h"
#include "model/batch.h"

struct metric_family_row {
    struct str key;
    double value;
    const struct histogram *histogram;
    const struct exemplar *exemplars; /* [exemplars_n] */
    size_t exemplars_n;
};

struct metric_family_reader {
    const uint8_t *p, *end;
    int64_t now_ms; /* time of samples without one */
    bool native;    /* native histograms are wanted */
    bool classic;   /* classic series even of those that are native too */
    /* The present family: */
    struct str name, help, unit;
    enum metric_type type;
    bool gauge_histogram, has_metadata;
    const uint8_t *metric, *family_end;
    /* The present metric: */
    struct {
        struct metric_family_row *v;
        size_t n, capacity, at;
    } rows;
    int64_t ts_ms, start_ms;
    bool timed;
    struct buf key;

    enum metric_type types[BATCH_MAX]; /* [out] of each row's family */
    bool has_time[BATCH_MAX];          /* [out] did the row come with a time of its own? */
    struct arena arena;                /* of what the present batch points to */
};

void metric_family_read_init(struct metric_family_reader *r);
void metric_family_read_done(struct metric_family_reader *r);

/* Bytes outlive the batches. native and classic may be set behind it. */
void metric_family_read_begin(struct metric_family_reader *r, struct str bytes, int64_t now_ms);

/* Fills b and s anew: 1 where there is something in one of them, 0 at the end. -ERR_FORMAT,
 * -ERR_LIMIT: the bytes are no such messages; then both are empty. A malformed series name alone
 * (no UTF-8, a label twice) is left to who checks keys. */
MUST_USE int metric_family_read(struct metric_family_reader *r, struct batch *b, struct sides *s,
                                struct why *why);

#endif
