/* codec/otlp_series.h - what a point's series are called: the slow half of codec/otlp_translate.h,
 * done once for each series, kept in the cache.
 *
 * Flow:    resource, scope, metric, attributes -> labels -> canonical keys
 * Threads: one per translator.
 */
#ifndef CODEC_OTLP_SERIES_H
#define CODEC_OTLP_SERIES_H

#include "codec/otlp_translate.h"

enum { OTLP_SERIES_METADATA_MS = 300000 }; /* from one time that metadata is written to the next */

/* Levels of the cache; a metric's is OTLP_SERIES_METRIC and what kind it is. */
enum { OTLP_SERIES_RESOURCE, OTLP_SERIES_SCOPE, OTLP_SERIES_POINT, OTLP_SERIES_METRIC };

/* Keys of a histogram's series, then one for each bound. A summary has no infinite bucket; its
 * quantiles begin there. */
enum { OTLP_SERIES_COUNT, OTLP_SERIES_SUM, OTLP_SERIES_INFINITE, OTLP_SERIES_BOUNDS };

struct otlp_series_resource {
    const char *fault; /* why none of its points can be taken, else NULL */
    const struct label *promoted;
    size_t promoted_n;
    struct str job, instance;
    struct str target_info; /* key; empty where there is none */
};

struct otlp_series_scope {
    const char *fault;
    const struct label *labels;
    size_t labels_n;
};

struct otlp_series_metric {
    const char *fault;
    struct str name, unit;
    int64_t metadata_ms; /* when it was written last */
};

/* Finds or makes t->resource, t->scope and t->series_of for the present metric; why they cannot be,
 * or NULL. */
const char *otlp_series_above(struct otlp_translate *t);

/* Finds or makes the keys of a point; NULL with why where it has none. bounds: what else tells its
 * series, 8 bytes a bound or quantile. */
struct otlp_cache_entry *otlp_series_of(struct otlp_translate *t, struct str attributes,
                                        struct str bounds, struct why *why);

#endif
