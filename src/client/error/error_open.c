#include "client/error/error_open.h"

#include <string.h>

#include "client/core/id.h"
#include "client/core/ticks.h"

enum state { STATE_NEW, STATE_OPEN, STATE_ENDING, STATE_ENDED };

static struct error_open table[ERROR_OPEN_MAX];
static _Atomic uint32_t hint;
static uint64_t seed[2];

sonde_error_ref error_open_plain(void)
{
    return id_u64() | ERROR_OPEN_NONE;
}

sonde_error_ref error_open_begin(uint32_t type_id, int level, uint64_t now_ticks)
{
    sonde_error_ref random = id_u64() & ~UINT64_C(255);
    random = random ? random : UINT64_C(1) << 32;
    uint32_t from = atomic_load_explicit(&hint, memory_order_relaxed);
    for (uint32_t i = 0; i < ERROR_OPEN_MAX; i++) {
        uint32_t at = (from + i) % ERROR_OPEN_MAX;
        struct error_open *o = &table[at];
        uint64_t none = 0;
        if (atomic_load_explicit(&o->ref, memory_order_relaxed) ||
            !atomic_compare_exchange_strong_explicit(&o->ref, &none, random | at,
                                                     memory_order_acquire, memory_order_relaxed)) {
            continue;
        }
        o->begin_ticks = o->end_ticks = now_ticks;
        o->outcome = SONDE_OUTCOME_UNKNOWN;
        o->level = level;
        o->type_id = type_id;
        o->sent = o->told = false;
        o->message[0] = 0;
        atomic_store_explicit(&o->retries, 0, memory_order_relaxed);
        atomic_store_explicit(&o->has_event, false, memory_order_relaxed);
        atomic_store_explicit(&o->state, STATE_OPEN, memory_order_release);
        atomic_store_explicit(&hint, at + 1, memory_order_relaxed);
        return random | at;
    }
    return error_open_plain();
}

struct error_open *error_open_find(sonde_error_ref ref)
{
    uint32_t at = (uint32_t)(ref & 255);
    if (at >= ERROR_OPEN_MAX || atomic_load_explicit(&table[at].ref, memory_order_acquire) != ref) {
        return NULL;
    }
    return &table[at];
}

void error_open_has_event(sonde_error_ref ref)
{
    struct error_open *o = error_open_find(ref);
    if (o) {
        atomic_store_explicit(&o->has_event, true, memory_order_relaxed);
    }
}

int error_open_end(sonde_error_ref ref, int outcome)
{
    struct error_open *o = error_open_find(ref);
    uint32_t open = STATE_OPEN;
    if (!o || !atomic_compare_exchange_strong_explicit(
                  &o->state, &open, STATE_ENDING, memory_order_acquire, memory_order_relaxed)) {
        return SONDE_ERROR_NOT_FOUND;
    }
    o->end_ticks = ticks_now();
    o->outcome = outcome;
    atomic_store_explicit(&o->state, STATE_ENDED, memory_order_release);
    return 0;
}

void error_open_cancel(sonde_error_ref ref)
{
    struct error_open *o = error_open_find(ref);
    if (o) {
        error_open_free(o);
    }
}

void error_open_retry(sonde_error_ref ref)
{
    struct error_open *o = error_open_find(ref);
    if (o) {
        atomic_fetch_add_explicit(&o->retries, 1, memory_order_relaxed);
    }
}

void error_open_event_id(sonde_error_ref ref, uint8_t ret[16])
{
    for (int i = 0; i < 2; i++) {
        uint64_t half = id_hash(&ref, sizeof ref, seed[i]);
        memcpy(ret + (size_t)8 * (size_t)i, &half, sizeof half);
    }
    ret[6] = (uint8_t)((ret[6] & 0x0f) | 0x40); /* a UUID of version 4 */
    ret[8] = (uint8_t)((ret[8] & 0x3f) | 0x80);
}

bool error_open_ended(const struct error_open *o)
{
    return atomic_load_explicit(&o->state, memory_order_acquire) == STATE_ENDED;
}

double error_open_seconds(const struct error_open *o)
{
    return (double)ticks_ns(o->end_ticks - o->begin_ticks) / 1e9;
}

void error_open_visit(uint64_t most_ns, void (*visit)(struct error_open *o, void *context),
                      void *context)
{
    uint64_t most = ticks_of_ns(most_ns), now = ticks_now();
    for (uint32_t i = 0; i < ERROR_OPEN_MAX; i++) {
        struct error_open *o = &table[i];
        uint64_t ref = atomic_load_explicit(&o->ref, memory_order_acquire);
        if (!ref) {
            continue;
        }
        uint32_t state = atomic_load_explicit(&o->state, memory_order_acquire);
        if (state == STATE_OPEN && now > o->begin_ticks && now - o->begin_ticks > most) {
            (void)error_open_end(ref, SONDE_OUTCOME_UNKNOWN); /* somebody was quicker: as well */
        }
        if (error_open_ended(o)) {
            visit(o, context);
        }
    }
}

void error_open_free(struct error_open *o)
{
    atomic_store_explicit(&o->state, STATE_NEW, memory_order_relaxed);
    atomic_store_explicit(&o->ref, 0, memory_order_release);
}

void error_open_reset(void)
{
    for (uint32_t i = 0; i < ERROR_OPEN_MAX; i++) {
        error_open_free(&table[i]);
    }
    id_fill((uint8_t *)seed, sizeof seed);
}
