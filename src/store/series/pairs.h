/* store/series/pairs.h - every label pair of a tenant once, and the series that carry it.
 *
 * A pair is kept as its label bytes (model/labels.h), so that the key of a series is the
 * concatenation of its pairs. Each pair has its postings: ascending ids of series. Names have the
 * list of their pairs.
 *
 * Threads: readers or one change: the head's index lock.
 */
#ifndef STORE_SERIES_PAIRS_H
#define STORE_SERIES_PAIRS_H

#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "base/str.h"
#include "store/series/slab.h"

struct postings {
    uint32_t *v; /* [n], ascending; owned */
    uint32_t n, capacity;
};

struct pair {
    struct str bytes; /* 0x0a LEN 0x0a NAMELEN name 0x12 VALUELEN value */
    uint32_t name;    /* index of its name */
    uint32_t in_name; /* position in the name's list */
    uint32_t rank;    /* position among all pairs by memcmp; pairs_rank() sets it */
    struct postings series;
};

struct pair_name {
    struct str text;
    uint32_t *pairs; /* [n] */
    uint32_t n, capacity;
};

struct pairs {
    struct slab pairs; /* struct pair */
    struct slab names; /* struct pair_name */
    struct map by_bytes, by_name;
    uint32_t ranked; /* pairs that have a rank */
    size_t bytes;    /* of texts and postings, roughly */
};

#define PAIR_NONE UINT32_MAX

void pairs_init(struct pairs *p);
void pairs_done(struct pairs *p);

static inline struct pair *pairs_at(const struct pairs *p, uint32_t i)
{
    return slab_at(&p->pairs, i);
}

/* Index of the pair with those bytes, made where it is new. */
uint32_t pairs_intern(struct pairs *p, struct str bytes);

/* Index of the pair, or PAIR_NONE. */
uint32_t pairs_find(const struct pairs *p, struct str name, struct str value);

/* The name, or NULL where no series has such a label. */
struct pair_name *pairs_name(const struct pairs *p, struct str name);

/* The value of a pair. */
struct str pairs_value(const struct pair *pair);

/* Enters series id into the postings of a pair. */
void pairs_post(struct pairs *p, uint32_t pair, uint32_t id);

/* Gives every pair its rank, when some have none yet. */
void pairs_rank(struct pairs *p);

#endif
