#include "store/series/chunk_kernel.h"

#include <stdatomic.h>

#include "base/bits.h"
#include "store/series/chunk_int.h"
#include "store/series/chunk_kernel_x86.h"

static void plain_unpack(const uint8_t *p, unsigned width, int64_t *x)
{
    if (width == 64) {
        for (unsigned i = 0; i < CHUNK_INT_BLOCK; i++)
            x[i] = (int64_t)load64(p + 8 * i);
        return;
    }
    uint64_t mask = ((uint64_t)1 << width) - 1;
    for (unsigned i = 0; i < CHUNK_INT_BLOCK; i++) {
        unsigned bit = i * width;
        x[i] = (int64_t)((load64(p + bit / 8) >> (bit % 8)) & mask);
    }
}

static void plain_add(int64_t *x, int64_t base)
{
    for (unsigned i = 0; i < CHUNK_INT_BLOCK; i++)
        x[i] = (int64_t)((uint64_t)x[i] + (uint64_t)base);
}

static void plain_unzigzag(int64_t *x)
{
    for (unsigned i = 0; i < CHUNK_INT_BLOCK; i++)
        x[i] = unzigzag((uint64_t)x[i]);
}

static void plain_sum(int64_t *x, int64_t prev, int64_t step)
{
    uint64_t at = (uint64_t)prev;
    for (unsigned i = 0; i < CHUNK_INT_BLOCK; i++) {
        at += (uint64_t)x[i] + (uint64_t)step;
        x[i] = (int64_t)at;
    }
}

static void plain_decimal(const int64_t *x, size_t n, int64_t factor, int64_t base, double divisor,
                          double *v)
{
    for (size_t i = 0; i < n; i++) {
        int64_t k = (int64_t)((uint64_t)x[i] * (uint64_t)factor + (uint64_t)base);
        v[i] = (double)k / divisor;
    }
}

static void plain_move(double *v, const int64_t *r, size_t n)
{
    for (size_t i = 0; i < n; i++)
        v[i] = bits_double(double_bits(v[i]) + (uint64_t)r[i]);
}

const struct chunk_kernel chunk_kernel_plain = {
    "plain", plain_unpack, plain_add, plain_unzigzag, plain_sum, plain_decimal, plain_move,
};

static _Atomic(const struct chunk_kernel *) chosen;

const struct chunk_kernel *chunk_kernel_at(size_t i)
{
    const struct chunk_kernel *sets[3];
    size_t n = 0;
    if (chunk_kernel_avx512())
        sets[n++] = chunk_kernel_avx512();
    if (chunk_kernel_avx2())
        sets[n++] = chunk_kernel_avx2();
    sets[n++] = &chunk_kernel_plain;
    return i < n ? sets[i] : NULL;
}

const struct chunk_kernel *chunk_kernel(void)
{
    const struct chunk_kernel *k = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (LIKELY(k))
        return k;
    k = chunk_kernel_at(0);
    atomic_store_explicit(&chosen, k, memory_order_relaxed);
    return k;
}

void chunk_kernel_use(const struct chunk_kernel *k)
{
    atomic_store_explicit(&chosen, k, memory_order_relaxed);
}
