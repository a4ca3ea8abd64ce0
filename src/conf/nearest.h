/* conf/nearest.h - which of several words was probably meant.
 *
 * Source:  Damerau and Levenshtein's distance (adjacent letters swapped count once).
 * Threads: one at a time.
 */
#ifndef CONF_NEAREST_H
#define CONF_NEAREST_H

#include <stddef.h>

#include "base/str.h"

struct nearest {
    struct str word;
    const char *best; /* NULL while none is near */
    size_t distance;
};

/* Looks for words near to word: at most a third of its letters may differ, and at least two. */
void nearest_init(struct nearest *n, struct str word);
void nearest_offer(struct nearest *n, const char *candidate);

#endif
