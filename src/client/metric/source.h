/* client/metric/source.h - metrics that are computed when they are read: how modules (operations,
 * caches, memory, frames, health) put theirs among the registry's.
 *
 * A source is called for every export (each second to the daemon, on each scrape of /metrics) and
 * writes families. The writer behind it is the text exposition, remote write, or JSON.
 *
 * Threads: a source is called under the exporter's lock, by the worker or by a caller of
 * sonde_metrics_text(); it must not call the exporter.
 */
#ifndef CLIENT_METRIC_SOURCE_H
#define CLIENT_METRIC_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "sonde/core.h"

enum source_type { SOURCE_COUNTER, SOURCE_GAUGE, SOURCE_HISTOGRAM, SOURCE_SUMMARY };

/* A native histogram's state (Prometheus; schema -4..8, base 2^(2^-schema)): buckets are absolute
 * counts; bucket i of positive covers (base^(offset+i-1), base^(offset+i)]. */
struct source_histogram {
    int schema;
    double zero_threshold;
    uint64_t zero_count, count;
    double sum;
    int positive_offset, negative_offset;
    const uint64_t *positive, *negative; /* [positive_n], [negative_n] */
    size_t positive_n, negative_n;
};

enum { SOURCE_LABELS_MAX = 16 };

struct source_writer; /* opaque; client/metric implements it */

/* Begins a family. name, help, unit (NULL: none) are borrowed until the next one. A counter's name
 * may end in "_total" or not: its samples always do. Where the application has a metric of this
 * name, that one counts and this one is left out. */
void source_family(struct source_writer *w, const char *name, enum source_type type,
                   const char *help, const char *unit);
/* A sample of it: suffix "" or "_total", "_sum", "_count", "_bucket"; labels end with a NULL name
 * (NULL: none) and are at most SOURCE_LABELS_MAX. */
void source_sample(struct source_writer *w, const char *suffix, const sonde_label *labels,
                   double value);
/* A native histogram (as text: classic buckets at each power of two of it). */
void source_native(struct source_writer *w, const sonde_label *labels,
                   const struct source_histogram *h);

struct source {
    const char *name;
    void (*write)(struct source_writer *w, void *context);
    void *context;
    struct source *next;
};
void source_add(struct source *s);    /* borrowed until source_remove() */
void source_remove(struct source *s); /* it is not running any more when this returns */

/* Calls all of them; under the exporter's lock. */
void source_write_all(struct source_writer *w);

#endif
