/* base/rand.h - repeatable random numbers for simulations and tests, and a seed from the kernel.
 *
 * Source:  Blackman & Vigna, xoshiro256**; splitmix64 fills its state. Not for keys: crypt/.
 * Threads: one struct rand per thread.
 */
#ifndef BASE_RAND_H
#define BASE_RAND_H

#include <stdint.h>

struct rand {
    uint64_t state[4];
};

/* The same seed gives the same numbers on every machine. */
void rand_init(struct rand *r, uint64_t seed);

uint64_t rand_u64(struct rand *r);

/* Evenly in [0, n); n > 0. */
uint64_t rand_below(struct rand *r, uint64_t n);

/* Evenly in [0, 1). */
double rand_unit(struct rand *r);

/* 64 bits that nobody can guess, from the kernel. */
uint64_t rand_seed(void);

#endif
