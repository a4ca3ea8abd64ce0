#include "pack/budget.h"

#include <stdatomic.h>

#include "base/err.h"
#include "base/must.h"

static _Atomic uint64_t limit = 1024u * 1024 * 1024;
static _Atomic uint64_t used;

void budget_set(uint64_t max)
{
    atomic_store(&limit, max);
}

int budget_reserve(uint64_t n)
{
    uint64_t have = atomic_load_explicit(&used, memory_order_relaxed);
    uint64_t max = atomic_load_explicit(&limit, memory_order_relaxed);
    do {
        if (have > max || n > max - have)
            return -ERR_BUSY;
    } while (!atomic_compare_exchange_weak(&used, &have, have + n));
    return 0;
}

void budget_release(uint64_t n)
{
    must(atomic_fetch_sub(&used, n) >= n);
}

uint64_t budget_used(void)
{
    return atomic_load(&used);
}
