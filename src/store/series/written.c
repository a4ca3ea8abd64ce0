#include "store/series/written.h"

#include <stdbool.h>

#include "base/mem.h"

static const int64_t MINUTE_MS = 60000, HOUR_MS = 3600000, DAY_MS = 86400000;

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

uint64_t written_mark(struct written *w)
{
    return atomic_fetch_add(&w->epoch, 1) + 1;
}

static uint64_t now(const struct written *w)
{
    return atomic_load(&w->epoch) + 1;
}

static void raise_to(atomic_ullong *bucket, uint64_t epoch)
{
    unsigned long long before = atomic_load_explicit(bucket, memory_order_relaxed);
    while (before < epoch && !atomic_compare_exchange_weak(bucket, &before, epoch))
        ;
}

/* Notes units [first, last]; a span as long as the ring is all of it. */
static void raise_all(atomic_ullong *ring, size_t ring_n, int64_t first, int64_t last,
                      uint64_t epoch)
{
    if ((uint64_t)last - (uint64_t)first >= ring_n) {
        first = 0;
        last = (int64_t)ring_n - 1;
    }
    for (int64_t i = first; i <= last; i++)
        raise_to(&ring[(uint64_t)i % ring_n], epoch);
}

void written_note(struct written *w, const int64_t *ts_ms, size_t n)
{
    uint64_t epoch = now(w);
    int64_t from = 0;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && ts_ms[i] >= from && ts_ms[i] - from < MINUTE_MS)
            continue;
        int64_t minute = floor_div(ts_ms[i], MINUTE_MS);
        from = minute * MINUTE_MS;
        raise_to(&w->minutes[(uint64_t)minute % WRITTEN_MINUTES], epoch);
        raise_to(&w->hours[(uint64_t)floor_div(ts_ms[i], HOUR_MS) % WRITTEN_HOURS], epoch);
        raise_to(&w->days[(uint64_t)floor_div(ts_ms[i], DAY_MS) % WRITTEN_DAYS], epoch);
    }
}

void written_note_range(struct written *w, int64_t from_ms, int64_t to_ms)
{
    uint64_t epoch = now(w);
    if (from_ms > to_ms)
        return;
    raise_all(w->minutes, WRITTEN_MINUTES, floor_div(from_ms, MINUTE_MS),
              floor_div(to_ms, MINUTE_MS), epoch);
    raise_all(w->hours, WRITTEN_HOURS, floor_div(from_ms, HOUR_MS), floor_div(to_ms, HOUR_MS),
              epoch);
    raise_all(w->days, WRITTEN_DAYS, floor_div(from_ms, DAY_MS), floor_div(to_ms, DAY_MS), epoch);
}

static uint64_t bucket(const atomic_ullong *ring, size_t ring_n, int64_t i)
{
    return atomic_load(&ring[(uint64_t)i % ring_n]);
}

/* The newest of the buckets of [first, last]. */
static uint64_t newest_of(const atomic_ullong *ring, size_t ring_n, int64_t first, int64_t last)
{
    uint64_t newest = 0;
    if ((uint64_t)last - (uint64_t)first >= ring_n) {
        first = 0;
        last = (int64_t)ring_n - 1;
    }
    for (int64_t i = first; i <= last; i++)
        newest = MAX(newest, bucket(ring, ring_n, i));
    return newest;
}

static uint64_t newest_in_hour(const struct written *w, int64_t hour, int64_t from_ms,
                               int64_t to_ms)
{
    int64_t begin = hour * HOUR_MS, end = begin + HOUR_MS - 1;
    uint64_t minutes =
        newest_of(w->minutes, WRITTEN_MINUTES, floor_div(MAX(begin, from_ms), MINUTE_MS),
                  floor_div(MIN(end, to_ms), MINUTE_MS));
    return MIN(bucket(w->hours, WRITTEN_HOURS, hour), minutes);
}

static uint64_t newest_in_day(const struct written *w, int64_t day, int64_t from_ms, int64_t to_ms)
{
    int64_t begin = day * DAY_MS, end = begin + DAY_MS - 1;
    uint64_t most = bucket(w->days, WRITTEN_DAYS, day), newest = 0;
    int64_t last = floor_div(MIN(end, to_ms), HOUR_MS);
    for (int64_t hour = floor_div(MAX(begin, from_ms), HOUR_MS); hour <= last; hour++) {
        if (bucket(w->hours, WRITTEN_HOURS, hour) > newest)
            newest = MAX(newest, newest_in_hour(w, hour, from_ms, to_ms));
    }
    return MIN(most, newest);
}

uint64_t written_newest(const struct written *w, int64_t from_ms, int64_t to_ms)
{
    uint64_t newest = 0;
    if (from_ms > to_ms)
        return 0;
    int64_t first = floor_div(from_ms, DAY_MS), last = floor_div(to_ms, DAY_MS);
    if (last - first >= WRITTEN_DAYS)
        return newest_of(w->days, WRITTEN_DAYS, first, last);
    for (int64_t day = first; day <= last; day++) {
        if (bucket(w->days, WRITTEN_DAYS, day) > newest)
            newest = MAX(newest, newest_in_day(w, day, from_ms, to_ms));
    }
    return newest;
}
