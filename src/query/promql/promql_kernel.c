#define LANES 2
#define ISA
#include "query/promql/promql_kernel_body.h"

#include <stdatomic.h>

static const struct promql_kernel set = {
    "plain",    rising,          any_nan,      add,  greatest, least, rate,
    window_sum, window_greatest, window_least, plus, minus,    times, over,
};

const struct promql_kernel *promql_kernel_plain(void)
{
    return &set;
}

static _Atomic(const struct promql_kernel *) chosen;

const struct promql_kernel *promql_kernel_at(size_t i)
{
    const struct promql_kernel *sets[3];
    size_t n = 0;
    if (promql_kernel_avx512())
        sets[n++] = promql_kernel_avx512();
    if (promql_kernel_avx2())
        sets[n++] = promql_kernel_avx2();
    sets[n++] = promql_kernel_plain();
    return i < n ? sets[i] : NULL;
}

const struct promql_kernel *promql_kernel(void)
{
    const struct promql_kernel *k = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (LIKELY(k))
        return k;
    k = promql_kernel_at(0);
    atomic_store_explicit(&chosen, k, memory_order_relaxed);
    return k;
}

void promql_kernel_use(const struct promql_kernel *k)
{
    atomic_store_explicit(&chosen, k, memory_order_relaxed);
}
