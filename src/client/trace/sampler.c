#include "client/trace/sampler.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "client/core/setting.h"

enum { BITS = 56, DIGITS = BITS / 4, DIGITS_KEPT = 4 };

static _Atomic uint64_t threshold;
static _Atomic double rate_seen = -1; /* the setting of which `threshold` was made */
static _Atomic double adapted = 1;    /* what the adaptive rate allows */
static struct sampler_load load;      /* the worker's */

uint64_t sampler_of_rate(double rate)
{
    if (!(rate > 0)) {
        return SAMPLER_NEVER;
    }
    if (rate >= 1) {
        return 0;
    }
    uint64_t wide = SAMPLER_NEVER - (uint64_t)ldexp(rate, BITS);
    int leading = 0;
    while (leading < DIGITS && (wide >> (BITS - 4 * (leading + 1)) & 15) == 15) {
        leading++;
    }
    int kept = leading + DIGITS_KEPT;
    if (kept < DIGITS) {
        uint64_t unit = (uint64_t)1 << (BITS - 4 * kept);
        wide = (wide + unit / 2) / unit * unit;
    }
    return wide < SAMPLER_NEVER ? wide : SAMPLER_NEVER - 1;
}

double sampler_rate_of(uint64_t t)
{
    return t >= SAMPLER_NEVER ? 0 : ldexp((double)(SAMPLER_NEVER - t), -BITS);
}

size_t sampler_text(uint64_t t, char ret[SAMPLER_TEXT_MAX])
{
    static const char digits[] = "0123456789abcdef";
    t = t < SAMPLER_NEVER ? t : SAMPLER_NEVER - 1;
    size_t n = 0;
    do {
        ret[n++] = digits[t >> (BITS - 4) & 15];
        t = t << 4 & (SAMPLER_NEVER - 1);
    } while (t);
    ret[n] = 0;
    return n;
}

bool sampler_parse(const char *s, size_t n, uint64_t *ret)
{
    if (n == 0 || n > DIGITS) {
        return false;
    }
    uint64_t t = 0;
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
        t = t << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *ret = t << 4 * (DIGITS - n);
    return true;
}

void sampler_into(sonde_context *c, uint64_t t)
{
    /* one more than the threshold, so that zeros say: not known */
    uint64_t kept = t < SAMPLER_NEVER - 1 ? t + 1 : SAMPLER_NEVER - 1;
    memcpy(c->spare, &kept, sizeof c->spare);
}

bool sampler_from(const sonde_context *c, uint64_t *ret)
{
    uint64_t kept = 0;
    memcpy(&kept, c->spare, sizeof c->spare);
    if (kept) {
        *ret = kept - 1;
    }
    return kept != 0;
}

double sampler_adapt(struct sampler_load *l, double most, uint64_t roots, double seconds)
{
    double now = seconds > 0 ? (double)roots / seconds : 0;
    /* a rise counts at once, a fall slowly: a burst after a pause stays bounded */
    if (!l->begun || now > l->roots_a_second) {
        l->roots_a_second = now;
    } else {
        l->roots_a_second += (now - l->roots_a_second) * (1 - exp(-seconds / 4));
    }
    l->begun = true;
    return most > 0 && l->roots_a_second > most ? most / l->roots_a_second : 1;
}

static void settle(double rate)
{
    double allowed = atomic_load_explicit(&adapted, memory_order_relaxed);
    atomic_store_explicit(&threshold, sampler_of_rate(rate < allowed ? rate : allowed),
                          memory_order_relaxed);
    atomic_store_explicit(&rate_seen, rate, memory_order_relaxed);
}

static double wanted(void)
{
    return atomic_load_explicit(&setting.trace_sample_rate, memory_order_relaxed);
}

uint64_t sampler_threshold(void)
{
    double rate = wanted(), seen = atomic_load_explicit(&rate_seen, memory_order_relaxed);
    if (__builtin_expect(memcmp(&rate, &seen, sizeof rate) != 0, 0)) {
        settle(rate);
    }
    return atomic_load_explicit(&threshold, memory_order_relaxed);
}

void sampler_tick(uint64_t roots, double seconds)
{
    double most = atomic_load_explicit(&setting.trace_spans_per_second_max, memory_order_relaxed);
    atomic_store_explicit(&adapted, sampler_adapt(&load, most, roots, seconds),
                          memory_order_relaxed);
    settle(wanted());
}

void sampler_start(void)
{
    load = (struct sampler_load){0};
    atomic_store_explicit(&adapted, 1, memory_order_relaxed);
    settle(wanted());
}

double sampler_rate(void)
{
    return sampler_rate_of(sampler_threshold());
}
