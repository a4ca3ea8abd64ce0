/* client/metric/frame_writer.h - metrics as remote write 1: WriteRequests of at most about 512 KiB.
 *
 * Labels are sorted; job and instance are the application's service and instance, and labels of
 * these names become exported_job and exported_instance, as with a scrape. The label bytes of
 * a series of the registry are made once and kept with it.
 *
 * Source:  Prometheus, prompb/remote.proto and types.proto
 * Threads: under the exporter's lock.
 */
#ifndef CLIENT_METRIC_FRAME_WRITER_H
#define CLIENT_METRIC_FRAME_WRITER_H

#include "client/core/text.h"
#include "client/metric/writer.h"

enum { FRAME_WRITER_FULL = 512 << 10, FRAME_WRITER_MAX = 3 << 20 };

struct frame_writer {
    struct source_writer writer;
    struct text text;
    int64_t unix_ms;
    bool all_metadata;
    bool cut; /* something was too big and is missing */
    void (*frame)(void *context, const struct text *payload, bool more);
    void *context;
};

void frame_writer_init(struct frame_writer *w, int64_t unix_ms,
                       void (*frame)(void *context, const struct text *payload, bool more),
                       void *context);
void frame_writer_end(struct frame_writer *w); /* hands over the last one and frees */

#endif
