/* client/metric/metrics.h - all metrics of the process, as text.
 *
 * Threads: any.
 */
#ifndef CLIENT_METRIC_METRICS_H
#define CLIENT_METRIC_METRICS_H

#include "client/core/text.h"
#include "client/metric/writer.h"

enum { METRICS_TEXT_MAX = 64 << 20 };

/* Takes the exporter's lock where the library runs: it goes on running until export_unlock().
 * SONDE_ERROR_STATE: it does not, or the caller is within an export. */
int metrics_begin(void);
/* Appends; SONDE_ERROR_STATE within an export, SONDE_ERROR_MEMORY where it was cut. */
int metrics_text(struct text *ret, bool openmetrics);
/* The registry, then all sources, to a writer; under the exporter's lock. */
void metrics_write(struct source_writer *w, bool (*match)(const char *name, void *context),
                   void *context);

#endif
