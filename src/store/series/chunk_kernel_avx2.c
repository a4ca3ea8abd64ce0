#include "store/series/chunk_kernel_x86.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#include "base/attr.h"
#include "store/series/chunk_int.h"

#define AVX2 TARGET("avx2")

static long long at(const uint8_t *p)
{
    long long v;
    memcpy(&v, p, sizeof v);
    return v;
}

AVX2 static void avx2_unpack(const uint8_t *p, unsigned width, int64_t *x)
{
    if (width == 64) {
        memcpy(x, p, 8 * CHUNK_INT_BLOCK);
        return;
    }
    __m256i mask = _mm256_set1_epi64x((long long)(((uint64_t)1 << width) - 1));
    /* Eight integers take width whole bytes, so that shifts and offsets repeat. */
    unsigned w = width;
    __m256i low = _mm256_set_epi64x(3 * w % 8, 2 * w % 8, w % 8, 0);
    __m256i high = _mm256_set_epi64x(7 * w % 8, 6 * w % 8, 5 * w % 8, 4 * w % 8);
    for (unsigned i = 0; i < CHUNK_INT_BLOCK; i += 8, p += w) {
        __m256i a = _mm256_set_epi64x(at(p + 3 * w / 8), at(p + 2 * w / 8), at(p + w / 8), at(p));
        __m256i b = _mm256_set_epi64x(at(p + 7 * w / 8), at(p + 6 * w / 8), at(p + 5 * w / 8),
                                      at(p + 4 * w / 8));
        a = _mm256_and_si256(_mm256_srlv_epi64(a, low), mask);
        b = _mm256_and_si256(_mm256_srlv_epi64(b, high), mask);
        _mm256_storeu_si256((__m256i *)(x + i), a);
        _mm256_storeu_si256((__m256i *)(x + i + 4), b);
    }
}

AVX2 static void avx2_add(int64_t *x, int64_t base)
{
    __m256i b = _mm256_set1_epi64x(base);
    for (unsigned i = 0; i < CHUNK_INT_BLOCK; i += 4) {
        __m256i *to = (__m256i *)(x + i);
        _mm256_storeu_si256(to, _mm256_add_epi64(_mm256_loadu_si256(to), b));
    }
}

AVX2 static void avx2_unzigzag(int64_t *x)
{
    __m256i one = _mm256_set1_epi64x(1), zero = _mm256_setzero_si256();
    for (unsigned i = 0; i < CHUNK_INT_BLOCK; i += 4) {
        __m256i *to = (__m256i *)(x + i);
        __m256i v = _mm256_loadu_si256(to);
        __m256i sign = _mm256_sub_epi64(zero, _mm256_and_si256(v, one));
        _mm256_storeu_si256(to, _mm256_xor_si256(_mm256_srli_epi64(v, 1), sign));
    }
}

AVX2 static void avx2_sum(int64_t *x, int64_t prev, int64_t step)
{
    __m256i carry = _mm256_set1_epi64x(prev), s = _mm256_set1_epi64x(step);
    __m256i zero = _mm256_setzero_si256();
    for (unsigned i = 0; i < CHUNK_INT_BLOCK; i += 4) {
        __m256i *to = (__m256i *)(x + i);
        __m256i v = _mm256_add_epi64(_mm256_loadu_si256(to), s);
        v = _mm256_add_epi64(v, _mm256_slli_si256(v, 8));
        __m256i half = _mm256_blend_epi32(_mm256_permute4x64_epi64(v, 0x55), zero, 0x0f);
        v = _mm256_add_epi64(_mm256_add_epi64(v, half), carry);
        _mm256_storeu_si256(to, v);
        carry = _mm256_permute4x64_epi64(v, 0xff);
    }
}

/* Any int64 to the nearest double: both halves as exact doubles, one rounding when they meet. */
AVX2 static __m256d to_double(__m256i v)
{
    __m256i magic_low = _mm256_set1_epi64x(0x4330000000000000);  /* 2^52 */
    __m256i magic_high = _mm256_set1_epi64x(0x4530000080000000); /* 2^84 + 2^63 */
    __m256d magic_all = _mm256_castsi256_pd(_mm256_set1_epi64x(0x4530000080100000));
    __m256i low = _mm256_blend_epi32(magic_low, v, 0x55);
    __m256i high = _mm256_xor_si256(_mm256_srli_epi64(v, 32), magic_high);
    return _mm256_add_pd(_mm256_sub_pd(_mm256_castsi256_pd(high), magic_all),
                         _mm256_castsi256_pd(low));
}

AVX2 static void avx2_decimal(const int64_t *x, size_t n, int64_t factor, int64_t base,
                              double divisor, double *v)
{
    __m256d d = _mm256_set1_pd(divisor);
    __m256i b = _mm256_set1_epi64x(base);
    __m256i f = _mm256_set1_epi64x(factor), f_high = _mm256_srli_epi64(f, 32);
    for (size_t i = 0; i < n; i += 4) {
        __m256i k = _mm256_loadu_si256((const __m256i *)(x + i));
        if (factor != 1) {
            __m256i cross = _mm256_add_epi64(_mm256_mul_epu32(k, f_high),
                                             _mm256_mul_epu32(_mm256_srli_epi64(k, 32), f));
            k = _mm256_add_epi64(_mm256_mul_epu32(k, f), _mm256_slli_epi64(cross, 32));
        }
        __m256d r = to_double(_mm256_add_epi64(k, b));
        _mm256_storeu_pd(v + i, divisor == 1 ? r : _mm256_div_pd(r, d));
    }
}

AVX2 static void avx2_move(double *v, const int64_t *r, size_t n)
{
    for (size_t i = 0; i < n; i += 4) {
        __m256i bits = _mm256_castpd_si256(_mm256_loadu_pd(v + i));
        bits = _mm256_add_epi64(bits, _mm256_loadu_si256((const __m256i *)(r + i)));
        _mm256_storeu_pd(v + i, _mm256_castsi256_pd(bits));
    }
}

static const struct chunk_kernel set = {
    "avx2", avx2_unpack, avx2_add, avx2_unzigzag, avx2_sum, avx2_decimal, avx2_move,
};

const struct chunk_kernel *chunk_kernel_avx2(void)
{
    return __builtin_cpu_supports("avx2") ? &set : NULL;
}

#else

const struct chunk_kernel *chunk_kernel_avx2(void)
{
    return NULL;
}

#endif
