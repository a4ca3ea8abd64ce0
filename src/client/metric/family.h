/* client/metric/family.h - the registry: metrics by name, their series by label values.
 *
 * A family is a metric: name, type, label names. A series is one set of label values; public
 * handles (sonde_counter, ..) point to it. Neither is ever freed: what is removed is hidden. The
 * lists grow at their ends by a release store, so that the exporter walks them without a lock.
 *
 * Threads: family_get(), family_series(), ..: any, under the registry's lock; family_with(): any,
 *          without a lock where the thread has looked the same up before.
 */
#ifndef CLIENT_METRIC_FAMILY_H
#define CLIENT_METRIC_FAMILY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/metric/cells.h"
#include "client/metric/exemplar.h"
#include "client/metric/writer.h"
#include "sonde/metric.h"

enum {
    FAMILY_LABELS_MAX = SOURCE_LABELS_MAX - 1, /* one is left for le and quantile */
    FAMILY_NAME_MAX = 256,
    FAMILY_HELP_MAX = 1024,
    FAMILY_VALUE_MAX = 1024, /* bytes of a label's value; longer ones are cut */
    FAMILY_BOUNDS_MAX = 64,
    FAMILY_QUANTILES_MAX = 10,
    FAMILY_MAX = 10000,      /* metrics */
    FAMILY_SUMMARY_AGES = 5, /* steps in which a summary's window slides */
};

enum family_kind {
    FAMILY_COUNTER,
    FAMILY_GAUGE,
    FAMILY_HISTOGRAM,
    FAMILY_NATIVE,
    FAMILY_SUMMARY,
};

struct series {
    struct sonde_family *family;
    uint32_t cell, cells_n; /* CELLS_NONE: of a gauge */
    sonde_label *labels;    /* [labels_n + 1] */
    uint64_t hash;
    _Atomic bool hidden;
    struct series *_Atomic next; /* of the family, in the order of their making */
    struct series *same;         /* of the hash table; under the registry's lock */
    struct exemplar_set *_Atomic exemplars;
    /* under the exporter's lock */
    union cells_value *base; /* [cells_n] at the last reset; NULL: zero */
    struct buckets_sum *base_buckets;
    struct buckets_sum *ages;  /* [FAMILY_SUMMARY_AGES] of a summary: at the steps before */
    struct writer_bytes *kept; /* [kept_n] for remote write */
    uint32_t kept_n;
    double (*read)(void *user);
    void *user;
    _Alignas(64) _Atomic double gauge;
};

struct family_shape { /* what all series of a family have in common */
    enum family_kind kind;
    const double *bounds; /* padded for vectors: [bounds_padded], the rest +Inf */
    uint32_t bounds_n, bounds_padded;
    double quantiles[FAMILY_QUANTILES_MAX];
    uint32_t quantiles_n;
    uint32_t window_s;
};

struct sonde_family {
    struct family_shape shape;
    uint64_t seed; /* of its series' hashes */
    const char *name, *help;
    uint32_t labels_n;
    const char *label[FAMILY_LABELS_MAX];
    const char **bound_text;           /* [bounds_n + 1] of le, or [quantiles_n] */
    _Atomic bool hidden, told;         /* told: the daemon has its metadata */
    struct sonde_family *_Atomic next; /* by name */
    struct sonde_family *same;         /* of the hash table */
    struct series *_Atomic first;
    struct series *last, *other; /* under the registry's lock */
    struct series **table;       /* [table_size] */
    uint32_t table_size, series_n;
    _Atomic size_t series_max; /* 0: as of metric.series_max */
    uint64_t age_ns; /* of a summary: when its window slid last; under the exporter's lock */
    uint32_t ages_n, age;
};

/* Gets or makes; names end with NULL. NULL with a problem. shape->bounds is copied. */
struct sonde_family *family_get(const char *name, const char *help, const char *const *label_names,
                                const struct family_shape *shape);
/* The series of labels, which name the family's labels in any order (family made where new). */
struct series *family_series(const char *name, const char *help, const sonde_label *labels,
                             const struct family_shape *shape);
/* The series of values in the order of names; NULL: another kind of family, not running. */
struct series *family_with(struct sonde_family *f, const char *const *values,
                           enum family_kind kind);

/* Fewer series than metric.series_max. */
void family_limit(struct sonde_family *f, size_t series_max);
bool family_taken(const char *name); /* is there one of that name (a counter: with _total)? */
int family_hide(const char *name);
struct sonde_family *family_first(void); /* in the order of names, hidden ones too */
size_t family_count(size_t *ret_series); /* all that were ever made */
void family_start(void);                 /* takes the limits of the settings */
void family_fork_child(void);

/* Sets what a series has now as its zero; under the exporter's lock. */
void family_rebase(struct series *s);

#endif
