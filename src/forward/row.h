/* forward/row.h - samples, exemplars and metadata as the bytes of a block of the queue.
 *
 * Flow:    tap -> row_put_*() -> queue; queue -> row_next() -> destination
 * Source:  docs/format/forward.md
 * Threads: one per writer or reader.
 */
#ifndef FORWARD_ROW_H
#define FORWARD_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "model/batch.h"

enum row_kind { ROW_FLOAT, ROW_HISTOGRAM, ROW_EXEMPLAR, ROW_METADATA };

struct row {
    enum row_kind kind;
    struct str key; /* but of metadata */
    int64_t ts_ms, start_ms;
    double value;
    const struct histogram *histogram;
    struct str labels; /* of an exemplar */
    struct metadata metadata;
};

struct row_writer {
    struct buf bytes;
    uint32_t rows;
    size_t key_at, key_n; /* the last key in bytes */
    int64_t last_ms;
};

void row_writer_init(struct row_writer *w, size_t bytes_max);
void row_writer_done(struct row_writer *w);
void row_writer_clear(struct row_writer *w);

/* Nothing is added where it does not fit (-ERR_LIMIT): write out what is there, and again. */
MUST_USE int row_put(struct row_writer *w, const struct row *row);

struct row_reader {
    const uint8_t *p, *end;
    struct str key;
    int64_t last_ms;
    struct arena *arena; /* of histograms */
};

/* Rows borrow from bytes. */
void row_reader_init(struct row_reader *r, struct str bytes, struct arena *a);

/* 1 with the next row, 0 at the end, -ERR_CORRUPT. */
MUST_USE int row_next(struct row_reader *r, struct row *ret);

#endif
