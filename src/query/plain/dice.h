/* query/plain/dice.h - choices of a test: from a seed, or from the bytes of a fuzzer.
 *
 * Threads: one.
 */
#ifndef QUERY_PLAIN_DICE_H
#define QUERY_PLAIN_DICE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/rand.h"
#include "base/str.h"

struct dice {
    struct str bytes; /* what remains of them; NULL: rand */
    struct rand rand;
};

void dice_seed(struct dice *d, uint64_t seed);

/* Choices from bytes (borrowed); zeros when they have run out. */
void dice_bytes(struct dice *d, struct str bytes);

/* Evenly in [0, n), n at most 65536. */
uint32_t dice_below(struct dice *d, uint32_t n);

/* True about percent times of a hundred. */
bool dice_chance(struct dice *d, uint32_t percent);

/* One of n texts. */
const char *dice_text(struct dice *d, const char *const *texts, size_t n);

#endif
