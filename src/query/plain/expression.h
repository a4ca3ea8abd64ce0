/* query/plain/expression.h - random expressions about the series of world.h that parse and mostly
 * give something.
 *
 * Threads: one.
 */
#ifndef QUERY_PLAIN_EXPRESSION_H
#define QUERY_PLAIN_EXPRESSION_H

#include "base/buf.h"
#include "query/plain/dice.h"
#include "query/plain/world.h"

struct expression_shape {
    const struct world_shape *world;
    unsigned depth;    /* 5: deep enough for everything */
    bool histograms;   /* about native histograms */
    bool range_vector; /* may be one as a whole */
};

/* Appends an expression. */
void expression_make(struct dice *d, const struct expression_shape *shape, struct buf *out);

#endif
