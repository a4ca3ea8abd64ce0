#include "query/promql/promql.h"

static bool account_add(struct promql_account *a, uint64_t n)
{
    uint64_t max = atomic_load_explicit(&a->bytes_max, memory_order_relaxed);
    uint64_t before = atomic_fetch_add_explicit(&a->bytes, n, memory_order_relaxed);
    if (max == 0 || (n <= max && before <= max - n))
        return true;
    atomic_fetch_sub_explicit(&a->bytes, n, memory_order_relaxed);
    return false;
}

static void account_give(struct promql_account *a, const struct promql_account *end, uint64_t n)
{
    for (; a != end; a = a->above)
        atomic_fetch_sub_explicit(&a->bytes, n, memory_order_relaxed);
}

bool promql_meter_charge(struct promql_meter *m, uint64_t n, const struct promql_account **ret)
{
    for (struct promql_account *a = m->account; a; a = a->above) {
        if (account_add(a, n))
            continue;
        account_give(m->account, a, n);
        *ret = a;
        return false;
    }
    atomic_fetch_add_explicit(&m->bytes, n, memory_order_relaxed);
    return true;
}

void promql_meter_done(struct promql_meter *m)
{
    account_give(m->account, NULL, atomic_exchange_explicit(&m->bytes, 0, memory_order_relaxed));
}
