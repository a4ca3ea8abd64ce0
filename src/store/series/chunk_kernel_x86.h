/* store/series/chunk_kernel_x86.h - the sets of inner loops for x86-64; NULL on other processors
 * and where this one lacks the instructions.
 *
 * Threads: pure functions.
 */
#ifndef STORE_SERIES_CHUNK_KERNEL_X86_H
#define STORE_SERIES_CHUNK_KERNEL_X86_H

#include "store/series/chunk_kernel.h"

/* Needs AVX2. */
const struct chunk_kernel *chunk_kernel_avx2(void);

/* Needs AVX-512 F, BW, DQ, VL and VBMI. */
const struct chunk_kernel *chunk_kernel_avx512(void);

#endif
