/* store/series/chunk_kernel.h - the inner loops of decoding, one set per kind of processor.
 *
 * Each loop handles one mini-block of CHUNK_INT_BLOCK integers, whole, whatever part of it is used.
 * All sets give the same bits for the same input: additions wrap, conversions and divisions round
 * as IEEE 754 says.
 *
 * Flow:    chunk_int, chunk -> chunk_kernel() -> table of functions
 * Threads: pure functions; the choice is made once and may be overridden by tests.
 */
#ifndef STORE_SERIES_CHUNK_KERNEL_H
#define STORE_SERIES_CHUNK_KERNEL_H

#include <stddef.h>
#include <stdint.h>

enum { CHUNK_KERNEL_WIDTH_MAX = 56 }; /* bits; wider integers are kept as 64 */

struct chunk_kernel {
    const char *name;

    /* Unpacks 64 integers of width bits (0..56 or 64), lowest bit first, from p, which is readable
     * for 64 * width / 8 + 64 bytes. */
    void (*unpack)(const uint8_t *p, unsigned width, int64_t *x);
    /* x[i] += base */
    void (*add)(int64_t *x, int64_t base);
    /* x[i] = unzigzag(x[i]) */
    void (*unzigzag)(int64_t *x);
    /* x[i] = prev + (x[0] + step) + .. + (x[i] + step) */
    void (*sum)(int64_t *x, int64_t prev, int64_t step);
    /* v[i] = (double)(x[i] * factor + base) / divisor, n rounded up to 64 */
    void (*decimal)(const int64_t *x, size_t n, int64_t factor, int64_t base, double divisor,
                    double *v);
    /* The bits of v[i] + r[i], n rounded up to 8. */
    void (*move)(double *v, const int64_t *r, size_t n);
};

/* The best set for this processor. */
const struct chunk_kernel *chunk_kernel(void);

/* Set i of those that this processor can run, NULL behind the last. */
const struct chunk_kernel *chunk_kernel_at(size_t i);

/* Makes chunk_kernel() answer k, for tests; NULL: the best again. */
void chunk_kernel_use(const struct chunk_kernel *k);

extern const struct chunk_kernel chunk_kernel_plain;

#endif
