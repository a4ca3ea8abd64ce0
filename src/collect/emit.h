/* collect/emit.h - how a collector says its values, at the cost of a comparison each.
 *
 * A collector names a family (static) and the values of its labels. The emitter expects the same
 * series in the same order as in the run before; where that holds, a value costs a short memcmp,
 * and nothing is formatted or hashed. A new series has its key built once; one that was not seen in
 * a run has ended: the runner writes a staleness marker for it.
 *
 *   static const struct family BYTES = {"node_network_receive_bytes_total", METRIC_COUNTER,
 *                                       "Bytes received.", {"device"}};
 *   emit(e, &BYTES, value, device);
 *
 * A '*' in a family's name or help is replaced by the first values, in their order; the other
 * values belong to the labels. Texts that are not UTF-8 are repaired when the key is built.
 *
 * Threads: an emitter belongs to whoever runs its collector.
 */
#ifndef COLLECT_EMIT_H
#define COLLECT_EMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/map.h"
#include "base/str.h"
#include "model/batch.h"
#include "model/labels.h"

enum {
    EMIT_LABELS_MAX = 24,
    EMIT_VALUE_MAX = 1024,    /* bytes of one label's value; more is cut off */
    EMIT_SERIES_MAX = 100000, /* of one collector; what exceeds it is counted and dropped */
};

struct family {
    const char *name; /* with stars, see above */
    enum metric_type type;
    const char *help;
    const char *labels[EMIT_LABELS_MAX]; /* names, up to the first NULL */
};

struct stat_sample; /* base/stat.h, whose struct stat is not the system's */

/* One series of a collector. */
struct emit_series {
    const struct family *family;
    char *ident; /* owned: the values given, one after the other */
    size_t ident_n;
    struct str key;   /* owned: canonical key, with job and instance */
    struct str name;  /* owned: its metric name, "node_load1" */
    struct str base;  /* owned: name of its family, without _bucket, _sum, _count */
    struct str help;  /* owned */
    struct str text;  /* owned: name{labels} as in the exposition format, no job, instance */
    double value;     /* of the last run that gave one */
    uint64_t run;     /* the run that gave it */
    uint32_t order;   /* its place in that run */
    uint32_t at;      /* its place in emit.v */
    bool published;   /* this and the next two are the runner's: the series is written */
    double shown;     /* the value written last, */
    int64_t shown_ms; /* and its time */
};

struct emit {
    struct emit_series **v; /* [n] in the order of the last run */
    size_t n, capacity;
    size_t cursor; /* where the next one is expected */
    uint64_t run;
    uint32_t emitted; /* in this run */
    bool changed;     /* a series came or the order differs */
    uint64_t dropped; /* values of series past the limit or given twice */
    struct map idents, keys;
    struct str job, instance; /* borrowed */
};

void emit_init(struct emit *e, struct str job, struct str instance);
void emit_done(struct emit *e);

/* Starts a run. */
void emit_begin(struct emit *e);

/* One value; values[n] are those of the stars and then of the labels. */
void emit_value(struct emit *e, const struct family *f, double value, const struct str *values,
                size_t n);

#define emit(e, f, value, ...)                                                                     \
    emit_value((e), (f), (value), (const struct str[]){__VA_ARGS__},                               \
               sizeof((const struct str[]){__VA_ARGS__}) / sizeof(struct str))
#define emit_plain(e, f, value) emit_value((e), (f), (value), NULL, 0)

/* One value of the daemon's own statistics. */
void emit_stat(struct emit *e, const struct stat_sample *s);

/* A series whose name and labels come from elsewhere (a file). base is its family: name without
 * _bucket, _sum, _count. Labels job and instance become exported_job and exported_instance, as when
 * Prometheus scrapes. At most EMIT_LABELS_MAX labels; false for more. */
struct emit_foreign {
    struct str name, base, help;
    enum metric_type type;
    const struct label *labels; /* [labels_n] */
    size_t labels_n;
};
bool emit_foreign(struct emit *e, const struct emit_foreign *s, double value);

/* Ends a run: the order is learnt for the next one. Series that were not seen have run < e->run. */
void emit_end(struct emit *e);

/* Takes the series at v[i] out and frees it (the last one takes its place). */
void emit_drop(struct emit *e, size_t i);

/* All series in the text exposition format, families together; for tests and tools. */
void emit_print(const struct emit *e, struct buf *out);

#endif
