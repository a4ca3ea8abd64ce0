/* scrape/recall.h - the lines that a target gave last, and which series each of them is.
 *
 * A line is the bytes of an exposition up to the value (or all of a comment). In almost every
 * answer of a target the same lines follow each other, so that each line remembers its successor:
 * recall_expect() costs a comparison of bytes; recall_find() a hash; and only what neither knows
 * has to be parsed and relabelled. Several lines may be one series: the first is its owner.
 *
 * Memory of a line: 40 bytes, its text, its key, and 8 to 16 bytes of the two tables of hashes.
 *
 * Threads: one at a time.
 */
#ifndef SCRAPE_RECALL_H
#define SCRAPE_RECALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

enum { RECALL_NONE = UINT32_MAX };

static const size_t RECALL_BYTES_MAX = (size_t)1 << 30; /* texts and keys of one target */

enum recall_kind {
    RECALL_SAMPLE,
    RECALL_DROPPED, /* a sample that relabelling drops: it has no key */
    RECALL_CREATED, /* x_created of OpenMetrics: the start of its group's rows */
    /* Parts of a classic histogram that becomes a native one: group is that one's line, and the
     * bound of a bucket stands behind the key. */
    RECALL_BUCKET,
    RECALL_COUNT,
    RECALL_SUM,
    RECALL_HISTOGRAM, /* such a native one: it has no text */
    /* Comments; group is a hash of the family, key_at of RECALL_TYPE an enum metric_type. */
    RECALL_HELP,
    RECALL_TYPE,
    RECALL_UNIT,
};

struct recall_line {
    uint32_t text_at, text_n;
    uint32_t key_at, key_n; /* of the series, canonical */
    uint32_t hash;          /* of the text */
    uint32_t next;          /* the line behind it, or RECALL_NONE */
    uint32_t owner;         /* the line whose series it is, mostly itself */
    uint32_t group;
    uint32_t seen;   /* number of the last answer that had it (an owner: its series) */
    uint8_t context; /* enum metric_type: the type that the line stood below */
    uint8_t kind;    /* enum recall_kind */
    bool live;       /* an owner: there is a sample behind which a staleness marker belongs */
    bool hidden;     /* its sample is not stored itself (a part of a native histogram) */
};

struct recall_table {
    uint32_t *v; /* [capacity] line + 1, 0: empty */
    size_t n, capacity;
};

struct recall {
    struct recall_line *lines; /* [n] */
    size_t n, capacity;
    char *bytes; /* texts and keys */
    size_t bytes_n, bytes_capacity;
    struct recall_table by_text, by_key;
    uint64_t seed;
    uint32_t first, last;  /* line of the last answer that came first; the one behind now */
    uint32_t answer;       /* number of the answer that is being read; 2 for the first */
    uint32_t good;         /* of the last one that was stored; 1: none */
    uint32_t quiet;        /* good answers since a line was added */
    size_t live_n, seen_n; /* owners that are live; lines that this answer had */
};

void recall_init(struct recall *r, uint64_t seed);
void recall_done(struct recall *r);

/* Begins an answer. */
void recall_begin(struct recall *r);

/* The line that came here last time, or RECALL_NONE. */
static inline uint32_t recall_expected(const struct recall *r)
{
    return r->last == RECALL_NONE ? r->first : r->lines[r->last].next;
}

static inline struct str recall_text(const struct recall *r, const struct recall_line *l)
{
    return str_of(r->bytes + l->text_at, l->text_n);
}

static inline struct str recall_key(const struct recall *r, const struct recall_line *l)
{
    return str_of(r->bytes + l->key_at, l->key_n);
}

/* line is the one that stands here. */
static inline void recall_step(struct recall *r, uint32_t line)
{
    uint32_t *place = r->last == RECALL_NONE ? &r->first : &r->lines[r->last].next;
    if (*place != line)
        *place = line;
    r->last = line;
}

/* The line with that text below that type, or RECALL_NONE. */
uint32_t recall_find(const struct recall *r, struct str text, uint8_t context);

/* The owner of the series with that key, or RECALL_NONE. */
uint32_t recall_owner(const struct recall *r, struct str key);

/* A new line; RECALL_NONE where the limit is reached. text "": it is not found by its text; key ""
 * for none. bound stands behind the key where kind is RECALL_BUCKET. */
uint32_t recall_add(struct recall *r, struct str text, enum recall_kind kind, uint8_t context,
                    struct str key, double bound);

double recall_bound(const struct recall *r, const struct recall_line *l);

/* Marks a line as one that this answer had. */
static inline void recall_see(struct recall *r, struct recall_line *l)
{
    if (l->seen != r->answer) {
        l->seen = r->answer;
        r->seen_n++;
    }
}

/* The answer was good: what it did not have is forgotten, as soon as that is worth it. */
void recall_end(struct recall *r);

/* Forgets all lines but those that are owners of live series, which are known by their keys alone
 * from now on: after rules have changed. */
void recall_forget(struct recall *r);

/* What it takes. */
size_t recall_bytes(const struct recall *r);

#endif
