/* codec/otlp_name.h - names of OpenTelemetry's metrics, units and attributes as Prometheus writes
 * them.
 *
 * Source:  OpenTelemetry specification, "Prometheus and OpenMetrics compatibility"; Prometheus 3's
 *          OTLP receiver (translation_strategy), whose results these are.
 * Threads: pure functions.
 */
#ifndef CODEC_OTLP_NAME_H
#define CODEC_OTLP_NAME_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"
#include "codec/otlp_point.h"

struct otlp_name_rules {
    bool escape;               /* only what plain names have: [a-zA-Z0-9_:], others become _ */
    bool suffixes;             /* unit and type at the end of metrics */
    bool key_prefix;           /* _x becomes key_x in labels */
    bool preserve_underscores; /* a__b stays so in labels */
};

/* Appends the name of a metric: "http.duration" in ms becomes http_duration_milliseconds. False
 * where nothing is left of it. */
MUST_USE bool otlp_name_metric(const struct otlp_name_rules *rules, const struct otlp_metric *m,
                               struct buf *out);

/* Appends the name of a label; false where nothing is left of it. */
MUST_USE bool otlp_name_label(const struct otlp_name_rules *rules, struct str key, struct buf *out);

/* Appends the unit as a word: "By/s" becomes bytes_per_second, "1" and "{x}" nothing. */
void otlp_name_unit(const struct otlp_name_rules *rules, struct str unit, struct buf *out);

#endif
