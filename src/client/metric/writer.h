/* client/metric/writer.h - what is behind a source_writer: one struct for all forms of output.
 *
 * Flow:    registry, sources -> source_writer -> text exposition, remote write, JSON
 * Threads: under the exporter's lock (export.h).
 */
#ifndef CLIENT_METRIC_WRITER_H
#define CLIENT_METRIC_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/metric/source.h"

struct exemplar_copy {
    uint8_t trace_id[16], span_id[8];
    double value;
    int64_t unix_ms;
};

/* Label bytes of one sample as remote write has them, kept from one export to the next by the
 * series that they belong to; bytes NULL: not made yet. */
struct writer_bytes {
    char *bytes;
    size_t n;
};

struct writer_sample {
    const char *suffix;
    const sonde_label *labels;
    double value;
    const struct exemplar_copy *exemplar; /* NULL: none */
    struct writer_bytes *kept;            /* NULL: nowhere to keep them */
};

struct writer_native {
    const sonde_label *labels;
    const struct source_histogram *histogram;
    const struct exemplar_copy *exemplars; /* [exemplars_n] */
    size_t exemplars_n;
    struct writer_bytes *kept;
};

/* A family as all writers see it: a counter's name is without "_total". */
struct writer_family {
    const char *name;
    size_t name_n;
    enum source_type type;
    const char *help, *unit; /* "" for none */
    bool new_to_daemon;      /* nobody has been told its metadata yet */
};

struct source_writer {
    void (*family)(struct source_writer *w);
    void (*sample)(struct source_writer *w, const struct writer_sample *s);
    void (*native)(struct source_writer *w, const struct writer_native *h);
    bool (*taken)(const char *name); /* is this name the application's? NULL: never */
    struct writer_family now;
    bool to_daemon; /* which keeps in mind what it was told about families */
    bool muted;     /* the application has a metric of this name: that one counts */
};

/* Begins a family of the registry; of sources: source_family(). */
void writer_family_begin(struct source_writer *w, const char *name, enum source_type type,
                         const char *help, const char *unit, bool new_to_daemon);
/* The length of a family's name: a counter's without "_total". */
size_t writer_base(const char *name, enum source_type type);
/* The suffix of a sample of the family now: that of counters is always "_total". */
const char *writer_suffix(const struct source_writer *w, const char *suffix);

#endif
