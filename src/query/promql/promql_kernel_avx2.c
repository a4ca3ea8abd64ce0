#if defined(__x86_64__)
#define LANES 4
#define ISA   __attribute__((target("avx2")))
#include "query/promql/promql_kernel_body.h"

static const struct promql_kernel set = {
    "avx2",     rising,          any_nan,      add,  greatest, least, rate,
    window_sum, window_greatest, window_least, plus, minus,    times, over,
};

const struct promql_kernel *promql_kernel_avx2(void)
{
    return __builtin_cpu_supports("avx2") ? &set : NULL;
}

#else
#include "query/promql/promql_kernel.h"

const struct promql_kernel *promql_kernel_avx2(void)
{
    return NULL;
}

#endif
