/* client/metric/text_writer.h - metrics as text: Prometheus's format 0.0.4 and OpenMetrics 1.0.
 *
 * Source:  Prometheus text format 0.0.4; OpenMetrics 1.0
 * Threads: under the exporter's lock.
 */
#ifndef CLIENT_METRIC_TEXT_WRITER_H
#define CLIENT_METRIC_TEXT_WRITER_H

#include "client/core/text.h"
#include "client/metric/writer.h"

struct text_writer {
    struct source_writer writer;
    struct text *text;
    bool openmetrics;
};

void text_writer_init(struct text_writer *w, struct text *text, bool openmetrics);
void text_writer_end(struct text_writer *w); /* "# EOF" where the format has it */

/* Calls each for every bound of a native histogram that is shown as a classic bucket, growing, with
 * how many values lie at or below it; the bound +Inf is the last. */
void text_writer_classic(const struct source_histogram *h,
                         void (*each)(double bound, uint64_t below, void *context), void *context);

#endif
