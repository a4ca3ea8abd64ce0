#include "client/operation/operation_total.h"

#include <math.h>
#include <string.h>

void operation_total_begin(struct operation_total *t)
{
    memset(t, 0, sizeof *t);
    t->sum.least_ns = UINT64_MAX;
    t->now_ticks = ticks_now();
}

static void add_buckets(struct buckets_sum *into, const struct buckets_sum *other)
{
    for (size_t i = 0; i < BUCKETS_N; i++) {
        into->bucket[i] += other->bucket[i];
    }
    into->count += other->count;
    into->zero += other->zero;
    into->sum += other->sum;
}

static void add_rates(struct operation_total *t, sonde_operation *o, const struct tally_sum *sum)
{
    uint64_t since = atomic_load_explicit(&o->since_ticks, memory_order_relaxed);
    uint64_t count = tally_count(sum), failed = sum->ended[SONDE_OPERATION_FAILED];
    struct pace_added a = pace_added(&o->pace, 1, count, failed, t->now_ticks, since);
    t->rate_1s.count += a.count / a.seconds;
    t->rate_1s.failed += a.failed / a.seconds;
    a = pace_added(&o->pace, 10, count, failed, t->now_ticks, since);
    t->rate_10s.count += a.count / a.seconds;
    t->rate_10s.failed += a.failed / a.seconds;
    a = pace_added(&o->pace, PACE_SECONDS, count, failed, t->now_ticks, since);
    t->rate_60s.count += a.count / a.seconds;
    t->rate_60s.failed += a.failed / a.seconds;
}

static void add_failures(struct operation_total *t, sonde_operation *o)
{
    uint64_t last = atomic_load_explicit(&o->failure.last_ticks, memory_order_relaxed);
    if (last <= t->last_error_ticks) {
        return;
    }
    struct failure_message messages[FAILURE_MESSAGES];
    size_t n = failure_read(&o->failure, messages);
    t->last_error_ticks = last;
    t->last_error[0] = 0;
    if (n) {
        memcpy(t->last_error, messages[0].text, sizeof t->last_error);
    }
}

void operation_total_add(struct operation_total *t, sonde_operation *o)
{
    struct tally_sum sum;
    struct buckets_sum buckets;
    pace_lock();
    tally_sum(o, &sum, &buckets);
    add_rates(t, o, &sum);
    pace_unlock();
    tally_sum_add(&t->sum, &sum);
    add_buckets(&t->buckets, &buckets);
    uint64_t first = atomic_load_explicit(&o->first_ticks, memory_order_relaxed);
    if (first && (!t->first_ticks || first < t->first_ticks)) {
        t->first_ticks = first;
    }
    t->operations++;
    add_failures(t, o);
}

static int64_t unix_ms(uint64_t ticks)
{
    return ticks ? ticks_unix_ns(ticks) / 1000000 : 0;
}

/* The buckets know a value within 4.5 %, the extremes are exact. */
static double quantile(const struct operation_total *t, double q)
{
    double v = buckets_quantile(&t->buckets, q);
    double least = (double)t->sum.least_ns * 1e-9, most = (double)t->sum.most_ns * 1e-9;
    if (isnan(v)) { /* there was no memory for buckets */
        return (double)t->sum.total_ns * 1e-9 / (double)tally_count(&t->sum);
    }
    return v < least ? least : v > most ? most : v;
}

void operation_total_info(const struct operation_total *t, const char *service,
                          const char *operation, sonde_operation_info *ret)
{
    uint64_t n = tally_count(&t->sum), failed = t->sum.ended[SONDE_OPERATION_FAILED];
    double total = (double)t->sum.total_ns * 1e-9;
    *ret = (sonde_operation_info){
        .struct_size = sizeof *ret,
        .service = service,
        .operation = operation,
        .operations = t->operations,
        .count = n,
        .completed = t->sum.ended[SONDE_OPERATION_COMPLETED],
        .failed = failed,
        .abandoned = t->sum.ended[SONDE_OPERATION_ABANDONED],
        .recovered = t->sum.ended[SONDE_OPERATION_RECOVERED],
        .active = t->sum.active,
        .total = total,
        .minimum = n ? (double)t->sum.least_ns * 1e-9 : NAN,
        .maximum = n ? (double)t->sum.most_ns * 1e-9 : NAN,
        .mean = n ? total / (double)n : NAN,
        .p50 = n ? quantile(t, 0.5) : NAN,
        .p90 = n ? quantile(t, 0.9) : NAN,
        .p95 = n ? quantile(t, 0.95) : NAN,
        .p99 = n ? quantile(t, 0.99) : NAN,
        .rate_1s = t->rate_1s.count,
        .rate_10s = t->rate_10s.count,
        .rate_60s = t->rate_60s.count,
        .error_rate = n ? (double)failed / (double)n : 0,
        .error_rate_60s = t->rate_60s.count > 0 ? t->rate_60s.failed / t->rate_60s.count : 0,
        .uptime = t->first_ticks && t->now_ticks > t->first_ticks
                      ? (double)ticks_ns(t->now_ticks - t->first_ticks) * 1e-9
                      : 0,
        .first_ms = unix_ms(t->first_ticks),
        .last_ms = unix_ms(t->sum.last_ticks),
        .last_error_ms = unix_ms(t->last_error_ticks),
    };
    memcpy(ret->last_error, t->last_error, sizeof ret->last_error);
}

void operation_total_of(sonde_operation *o, sonde_operation_info *ret)
{
    struct operation_total t;
    operation_total_begin(&t);
    operation_total_add(&t, o);
    operation_total_info(&t, o->service->name, o->name, ret);
}
