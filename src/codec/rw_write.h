/* codec/rw_write.h - remote write requests of both versions, written.
 *
 * Each row becomes a TimeSeries of its own, in the order of the rows; its labels are sorted by
 * name, as receivers ask for.
 *
 * Flow:    rows -> protobuf bytes (not packed yet)
 * Source:  Prometheus, prompb/remote.proto, io/prometheus/write/v2/types.proto; Remote-Write 1.0
 *          and 2.0.
 * Threads: one per writer.
 */
#ifndef CODEC_RW_WRITE_H
#define CODEC_RW_WRITE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/map.h"
#include "model/batch.h"

struct rw_write_exemplar {
    struct exemplar exemplar; /* its key is that of the row */
    const struct rw_write_exemplar *next;
};

struct rw_write_row {
    struct str key; /* labels, any order, no duplicates */
    int64_t ts_ms;
    int64_t start_ms; /* 0: not known; 2.0 sends it */
    double value;
    const struct histogram *histogram;         /* NULL: value counts */
    bool bare;                                 /* exemplars alone: neither counts */
    const struct rw_write_exemplar *exemplars; /* a list; NULL: none */
    const struct metadata *metadata;           /* 2.0 sends it; NULL: none */
};

struct rw_writer {
    struct buf series, part;
    struct {
        struct label *v;
        size_t n, capacity;
    } labels;
    struct map symbols; /* of the present request -> numbers */
    struct buf texts;   /* their field, as it is sent */
    struct buf body;    /* the series of the present request */
};

void rw_write_init(struct rw_writer *w);
void rw_write_done(struct rw_writer *w);

/* Append a prometheus.WriteRequest of rows, or of metadata, to out. */
void rw_write_v1(struct rw_writer *w, const struct rw_write_row *rows, size_t n, struct buf *out);
void rw_write_v1_metadata(struct rw_writer *w, const struct metadata *m, size_t n, struct buf *out);

/* Appends an io.prometheus.write.v2.Request of rows to out. Bare rows are left out: 2.0 has no
 * series without samples. */
void rw_write_v2(struct rw_writer *w, const struct rw_write_row *rows, size_t n, struct buf *out);

#endif
