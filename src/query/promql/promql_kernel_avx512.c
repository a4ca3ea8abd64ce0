#if defined(__x86_64__)
#define LANES 8
#define ISA   __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw")))
#include "query/promql/promql_kernel_body.h"

static const struct promql_kernel set = {
    "avx512",   rising,          any_nan,      add,  greatest, least, rate,
    window_sum, window_greatest, window_least, plus, minus,    times, over,
};

const struct promql_kernel *promql_kernel_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                   __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw")
               ? &set
               : NULL;
}

#else
#include "query/promql/promql_kernel.h"

const struct promql_kernel *promql_kernel_avx512(void)
{
    return NULL;
}

#endif
