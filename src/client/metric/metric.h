/* client/metric/metric.h - what client/send asks: all metrics, ready to be sent.
 *
 * Threads: any, one export at a time; send calls it on the worker.
 */
#ifndef CLIENT_METRIC_METRIC_H
#define CLIENT_METRIC_METRIC_H

#include <stdbool.h>
#include <stdint.h>

#include "client/core/module.h"
#include "client/core/text.h"

/* Calls frame with each payload of FRAME_METRICS (remote write 1), all as of unix_ms; more: another
 * one follows (FRAME_MORE). Metadata is among them for what is new, and for all each minute.
 * Exemplars go once. */
void metric_export_frames(int64_t unix_ms,
                          void (*frame)(void *context, const struct text *payload, bool more),
                          void *context);
/* There is a new connection: metadata is sent again with the next export. */
void metric_export_again(void);

extern const struct module metric_module;

#endif
