#include "client/error/error_alike.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "client/core/id.h"
#include "client/core/setting.h"
#include "client/core/ticks.h"

enum { PROBES_MAX = 8, FOLDED_MAX = 256 };

struct entry {
    _Atomic uint64_t hash;  /* 0: free */
    _Atomic uint64_t until; /* ticks: the end of its window */
    _Atomic uint64_t next;  /* of its bucket: when the next one is due, in ticks */
    _Atomic uint64_t left_out, total;
};

static struct entry table[ERROR_ALIKE_MAX];
static _Atomic uint64_t next_of_all;

/* Takes a place from a bucket that gets one every `interval` and holds `most`. */
static bool take(_Atomic uint64_t *next, uint64_t now, uint64_t interval, uint64_t most)
{
    if (!interval) {
        return true;
    }
    uint64_t seen = atomic_load_explicit(next, memory_order_relaxed), from;
    do {
        from = seen > now ? seen : now;
        if (from + interval - now > most * interval) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(next, &seen, from + interval,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

static uint64_t interval(uint64_t period_ns, uint64_t most)
{
    return most ? ticks_of_ns(period_ns / most) : 0;
}

static bool room_of_all(uint64_t now)
{
    uint64_t most = setting.error_per_second_max;
    return take(&next_of_all, now, interval(1000000000, most), most);
}

/* Its window is over (or it is new): is it kept? */
static enum error_verdict reopen(struct entry *e, uint64_t now, uint64_t *ret_left_out)
{
    uint64_t most = setting.error_alike_per_minute_max;
    if (!take(&e->next, now, interval(60000000000, most), most)) {
        return ERROR_LIMITED; /* the window is open anyhow: it is asked again after it */
    }
    if (!room_of_all(now)) {
        atomic_store_explicit(&e->until, now, memory_order_relaxed);
        return ERROR_LIMITED;
    }
    *ret_left_out = atomic_exchange_explicit(&e->left_out, 0, memory_order_relaxed);
    return ERROR_KEPT;
}

static enum error_verdict ask_entry(struct entry *e, uint64_t now, uint64_t window,
                                    uint64_t *ret_left_out)
{
    atomic_fetch_add_explicit(&e->total, 1, memory_order_relaxed);
    uint64_t until = atomic_load_explicit(&e->until, memory_order_relaxed);
    if (now >= until &&
        atomic_compare_exchange_strong_explicit(&e->until, &until, now + window,
                                                memory_order_relaxed, memory_order_relaxed)) {
        return reopen(e, now, ret_left_out);
    }
    atomic_fetch_add_explicit(&e->left_out, 1, memory_order_relaxed);
    return ERROR_ALIKE;
}

/* May a new hash take its place: free, or long over and told? */
static bool over(struct entry *e, uint64_t hash, uint64_t now, uint64_t window)
{
    return !hash || (atomic_load_explicit(&e->until, memory_order_relaxed) + window < now &&
                     !atomic_load_explicit(&e->left_out, memory_order_relaxed));
}

enum error_verdict error_alike_ask(uint64_t hash, uint64_t now, uint32_t *ret_entry,
                                   uint64_t *ret_left_out)
{
    uint64_t window = ticks_of_ns(setting.error_dedup_ms * 1000000), old = 0;
    struct entry *place = NULL;
    *ret_left_out = 0;
    *ret_entry = ERROR_ALIKE_NONE;
    hash += !hash;
    for (size_t i = 0; i < PROBES_MAX; i++) {
        struct entry *e = &table[(hash + i) % ERROR_ALIKE_MAX];
        uint64_t h = atomic_load_explicit(&e->hash, memory_order_relaxed);
        if (h == hash) {
            *ret_entry = (uint32_t)(e - table);
            return ask_entry(e, now, window, ret_left_out);
        }
        if (!place && over(e, h, now, window)) {
            place = e;
            old = h;
        }
    }
    if (!place || !atomic_compare_exchange_strong_explicit(
                      &place->hash, &old, hash, memory_order_relaxed, memory_order_relaxed)) {
        return room_of_all(now) ? ERROR_KEPT : ERROR_LIMITED;
    }
    *ret_entry = (uint32_t)(place - table);
    atomic_store_explicit(&place->next, 0, memory_order_relaxed);
    atomic_store_explicit(&place->total, 0, memory_order_relaxed);
    return ask_entry(place, now, window, ret_left_out);
}

uint64_t error_alike_over(uint32_t entry, uint64_t now_ticks)
{
    struct entry *e = &table[entry];
    if (!atomic_load_explicit(&e->left_out, memory_order_relaxed) ||
        atomic_load_explicit(&e->until, memory_order_relaxed) > now_ticks) {
        return 0;
    }
    return atomic_exchange_explicit(&e->left_out, 0, memory_order_relaxed);
}

uint64_t error_alike_total(uint32_t entry)
{
    return atomic_load_explicit(&table[entry].total, memory_order_relaxed);
}

uint64_t error_alike_hash(uint32_t entry)
{
    return atomic_load_explicit(&table[entry].hash, memory_order_relaxed);
}

void error_alike_reset(void)
{
    for (size_t i = 0; i < ERROR_ALIKE_MAX; i++) {
        atomic_store_explicit(&table[i].hash, 0, memory_order_relaxed);
        atomic_store_explicit(&table[i].until, 0, memory_order_relaxed);
        atomic_store_explicit(&table[i].next, 0, memory_order_relaxed);
        atomic_store_explicit(&table[i].left_out, 0, memory_order_relaxed);
        atomic_store_explicit(&table[i].total, 0, memory_order_relaxed);
    }
    atomic_store_explicit(&next_of_all, 0, memory_order_relaxed);
}

uint64_t error_alike_of(const char *type, const char *pattern, const char *message, uint64_t place)
{
    uint64_t hash = id_hash(type, strlen(type), place);
    if (pattern) {
        return id_hash(pattern, strlen(pattern), hash);
    }
    char folded[FOLDED_MAX];
    size_t n = 0;
    for (const char *s = message; *s && n < sizeof folded; s++) {
        bool digit = *s >= '0' && *s <= '9';
        if (!digit || !n || folded[n - 1] != '0') {
            folded[n++] = digit ? '0' : *s;
        }
    }
    return id_hash(folded, n, hash);
}
