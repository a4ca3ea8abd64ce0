/* codec/sides.h - what a wire format carries beside samples.
 *
 * A reader fills a struct batch and a struct sides at a time and stops when either is full; who
 * calls it takes both before the next call.
 *
 * Threads: plain data.
 */
#ifndef CODEC_SIDES_H
#define CODEC_SIDES_H

#include <stddef.h>

#include "base/str.h"
#include "model/batch.h"

enum {
    SIDES_MAX = 256,
    CODEC_SLACK = 32, /* readable bytes (any content) behind what a fast reader reads */
};

/* Part of the input that never became a sample. */
struct sides_bad {
    size_t at;         /* index of the item (JSON), line (text) or series (protobuf), from 0 or 1 */
    struct str series; /* as far as it is known, as a person would read it */
    struct str reason; /* a sentence */
    size_t samples;    /* how many it cost */
};

struct sides {
    size_t exemplars_n, metadata_n, bad_n;
    struct exemplar exemplars[SIDES_MAX];
    struct metadata metadata[SIDES_MAX];
    struct sides_bad bad[SIDES_MAX];
};

static inline bool sides_full(const struct sides *s)
{
    return s->exemplars_n == SIDES_MAX || s->metadata_n == SIDES_MAX || s->bad_n == SIDES_MAX;
}

static inline bool sides_empty(const struct sides *s)
{
    return s->exemplars_n + s->metadata_n + s->bad_n == 0;
}

static inline void sides_clear(struct sides *s)
{
    s->exemplars_n = s->metadata_n = s->bad_n = 0;
}

#endif
