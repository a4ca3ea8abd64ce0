/* receive/statsd_table.h - which series a line of StatsD is of.
 *
 * A line names its series by its own bytes: type, name, tags, container. The table finds those with
 * one hash and one comparison; only a miss makes labels of them. Lines that say the same in other
 * words (tags in another order, "a.b" and "a_b") are aliases of one series.
 *
 * Flow:    line -> statsd_table_find() -> alias -> series; a miss -> statsd_table_add()
 * Threads: one at a time.
 */
#ifndef RECEIVE_STATSD_TABLE_H
#define RECEIVE_STATSD_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/map.h"
#include "base/str.h"
#include "codec/statsd.h"
#include "model/histogram_builder.h"

enum statsd_kind {
    STATSD_KIND_COUNTER,
    STATSD_KIND_GAUGE,
    STATSD_KIND_SET,
    STATSD_KIND_HISTOGRAM,
};

/* The different values of a set in this interval, as hashes. */
struct statsd_set {
    uint64_t *v; /* [capacity], a power of two or 0; owned; 0 is an empty place */
    size_t n, capacity;
};

/* A histogram of fixed buckets: its counts, and the keys of its series. */
struct statsd_classic {
    double sum;
    double *counts;   /* [bounds + 1], owned, not cumulative */
    struct str *keys; /* [bounds + 3]: the buckets, _sum, _count; owned with keys_bytes */
    char *keys_bytes;
};

struct statsd_series {
    struct str key; /* canonical, owned */
    enum statsd_kind kind;
    bool begun;    /* it has been written once */
    uint32_t seen; /* the interval in which a line came last */
    double value;  /* counter, gauge */
    struct statsd_set set;
    struct histogram_builder histogram;
    struct statsd_classic *classic; /* owned, or NULL */
    struct statsd_alias *aliases;
    struct statsd_series *next; /* of those that have ended */
};

/* What a line says of its series. */
struct statsd_id {
    char type;
    struct str name, tags, container;
};

struct statsd_alias {
    uint64_t hash;
    struct statsd_series *series;
    struct statsd_alias *next; /* of the same series */
    double scale;              /* of values: 0.001 for timers */
    char type;
    uint32_t name_n, tags_n, container_n;
    char bytes[]; /* name, tags, container */
};

struct statsd_slot {
    uint64_t hash;
    struct statsd_alias *alias; /* NULL: empty */
};

struct statsd_table {
    struct statsd_slot *slots; /* [capacity], a power of two; owned */
    size_t capacity, aliases_n;
    struct {
        struct statsd_series **v; /* owned, with what they point to */
        size_t n, capacity;
    } series;
    struct map by_key; /* canonical key -> series */
    size_t series_max;
    uint64_t seed;
};

void statsd_table_init(struct statsd_table *t, size_t series_max);
void statsd_table_done(struct statsd_table *t);

uint64_t statsd_table_hash(const struct statsd_table *t, const struct statsd_id *id);

/* The alias of id, or NULL. */
HOT struct statsd_alias *statsd_table_find(const struct statsd_table *t, const struct statsd_id *id,
                                           uint64_t hash);

/* Makes id an alias of the series with that key, which is made where it is missing (*ret_new). */
MUST_USE enum statsd_bad statsd_table_add(struct statsd_table *t, const struct statsd_id *id,
                                          uint64_t hash, struct str key, enum statsd_kind kind,
                                          struct statsd_alias **ret, bool *ret_new);

/* Takes series[i] and its aliases out; the last series moves to i. The caller frees it. */
MUST_USE struct statsd_series *statsd_table_take(struct statsd_table *t, size_t i);
void statsd_series_free(struct statsd_series *s);

#endif
