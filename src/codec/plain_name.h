/* codec/plain_name.h - names of other systems as names that need no quotes.
 *
 * Each character that a plain name does not have becomes '_', and a digit at the beginning gets one
 * in front: as statsd_exporter and collectd_exporter do it. It cannot be undone.
 *
 * Threads: pure functions.
 */
#ifndef CODEC_PLAIN_NAME_H
#define CODEC_PLAIN_NAME_H

#include "base/buf.h"
#include "base/str.h"

/* Appends prefix and name as the name of a metric: [a-zA-Z_:][a-zA-Z0-9_:]*. */
void plain_name_metric(struct str prefix, struct str name, struct buf *out);

/* Appends name as that of a label: [a-zA-Z_][a-zA-Z0-9_]*. */
void plain_name_label(struct str name, struct buf *out);

#endif
