#include "store/series/chunk_kernel_x86.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#include "base/attr.h"
#include "store/series/chunk_int.h"

#define AVX512 TARGET("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")

/* Which bytes each of eight integers begins with, and where in the first of them. */
AVX512 static __m512i spread(unsigned w, __m512i *ret_shift)
{
    __m512i lane = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
    __m512i bit = _mm512_mullo_epi64(lane, _mm512_set1_epi64(w));
    *ret_shift = _mm512_and_si512(bit, _mm512_set1_epi64(7));
    __m512i byte = _mm512_srli_epi64(bit, 3);
    __m512i half = _mm512_set_epi64(0x0808080808080808, 0, 0x0808080808080808, 0,
                                    0x0808080808080808, 0, 0x0808080808080808, 0);
    byte = _mm512_shuffle_epi8(byte, half); /* first byte of an integer into all eight */
    return _mm512_add_epi8(byte, _mm512_set1_epi64(0x0706050403020100));
}

AVX512 static void avx512_unpack(const uint8_t *p, unsigned width, int64_t *x)
{
    if (width == 64) {
        memcpy(x, p, 8 * CHUNK_INT_BLOCK);
        return;
    }
    __m512i shift, order = spread(width, &shift);
    __m512i mask = _mm512_set1_epi64((long long)(((uint64_t)1 << width) - 1));
    for (unsigned i = 0; i < CHUNK_INT_BLOCK; i += 8, p += width) {
        __m512i v = _mm512_permutexvar_epi8(order, _mm512_loadu_si512(p));
        v = _mm512_and_si512(_mm512_srlv_epi64(v, shift), mask);
        _mm512_storeu_si512(x + i, v);
    }
}

AVX512 static void avx512_add(int64_t *x, int64_t base)
{
    __m512i b = _mm512_set1_epi64(base);
    for (unsigned i = 0; i < CHUNK_INT_BLOCK; i += 8)
        _mm512_storeu_si512(x + i, _mm512_add_epi64(_mm512_loadu_si512(x + i), b));
}

AVX512 static void avx512_unzigzag(int64_t *x)
{
    __m512i one = _mm512_set1_epi64(1), zero = _mm512_setzero_si512();
    for (unsigned i = 0; i < CHUNK_INT_BLOCK; i += 8) {
        __m512i v = _mm512_loadu_si512(x + i);
        __m512i sign = _mm512_sub_epi64(zero, _mm512_and_si512(v, one));
        _mm512_storeu_si512(x + i, _mm512_xor_si512(_mm512_srli_epi64(v, 1), sign));
    }
}

AVX512 static void avx512_sum(int64_t *x, int64_t prev, int64_t step)
{
    __m512i carry = _mm512_set1_epi64(prev), s = _mm512_set1_epi64(step);
    __m512i zero = _mm512_setzero_si512(), last = _mm512_set1_epi64(7);
    for (unsigned i = 0; i < CHUNK_INT_BLOCK; i += 8) {
        __m512i v = _mm512_add_epi64(_mm512_loadu_si512(x + i), s);
        v = _mm512_add_epi64(v, _mm512_alignr_epi64(v, zero, 7));
        v = _mm512_add_epi64(v, _mm512_alignr_epi64(v, zero, 6));
        v = _mm512_add_epi64(v, _mm512_alignr_epi64(v, zero, 4));
        v = _mm512_add_epi64(v, carry);
        _mm512_storeu_si512(x + i, v);
        carry = _mm512_permutexvar_epi64(last, v);
    }
}

AVX512 static void avx512_decimal(const int64_t *x, size_t n, int64_t factor, int64_t base,
                                  double divisor, double *v)
{
    __m512d d = _mm512_set1_pd(divisor);
    __m512i f = _mm512_set1_epi64(factor), b = _mm512_set1_epi64(base);
    for (size_t i = 0; i < n; i += 8) {
        __m512i k = _mm512_loadu_si512(x + i);
        if (factor != 1)
            k = _mm512_mullo_epi64(k, f);
        __m512d r = _mm512_cvtepi64_pd(_mm512_add_epi64(k, b));
        _mm512_storeu_pd(v + i, divisor == 1 ? r : _mm512_div_pd(r, d));
    }
}

AVX512 static void avx512_move(double *v, const int64_t *r, size_t n)
{
    for (size_t i = 0; i < n; i += 8) {
        __m512i bits = _mm512_castpd_si512(_mm512_loadu_pd(v + i));
        bits = _mm512_add_epi64(bits, _mm512_loadu_si512(r + i));
        _mm512_storeu_pd(v + i, _mm512_castsi512_pd(bits));
    }
}

static const struct chunk_kernel set = {
    "avx512", avx512_unpack, avx512_add, avx512_unzigzag, avx512_sum, avx512_decimal, avx512_move,
};

const struct chunk_kernel *chunk_kernel_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                   __builtin_cpu_supports("avx512vbmi")
               ? &set
               : NULL;
}

#else

const struct chunk_kernel *chunk_kernel_avx512(void)
{
    return NULL;
}

#endif
