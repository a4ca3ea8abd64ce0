/* client/trace/sampler.h - which traces are kept: consistent probability.
 *
 * A trace is kept where its random number (the right-most 56 bits of its id) is at least the
 * threshold: all who use the same or a smaller threshold keep it too. A probability p has the
 * threshold (1 - p) * 2^56, written into tracestate as `ot=th:` with hexadecimal digits, trailing
 * zeros left out. So that few digits travel, a threshold is rounded to four digits behind its
 * leading f's.
 *
 * The adaptive rate is the smaller one of the setting trace.sample_rate and what keeps about
 * trace.spans_per_second_max root traces a second, by a moving mean of the roots that began.
 *
 * Source:  opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling
 * Threads: sampler_threshold(): any; the rest as said.
 */
#ifndef CLIENT_TRACE_SAMPLER_H
#define CLIENT_TRACE_SAMPLER_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "sonde/core.h"

#define SAMPLER_NEVER ((uint64_t)1 << 56) /* the threshold that nothing reaches */
enum { SAMPLER_TEXT_MAX = 16 };

/* Pure functions. */
uint64_t sampler_of_rate(double rate);                      /* the threshold of a probability */
double sampler_rate_of(uint64_t threshold);                 /* and back */
static inline uint64_t sampler_random(const uint8_t id[16]) /* the 56 bits */
{
    uint64_t r;
    memcpy(&r, id + 8, sizeof r);
    return be64toh(r) & (((uint64_t)1 << 56) - 1);
}
/* "e666": without trailing zeros, "0" for all; returns its length. */
size_t sampler_text(uint64_t threshold, char ret[SAMPLER_TEXT_MAX]);
/* Reads 1..14 hexadecimal digits; false where they are none. */
bool sampler_parse(const char *s, size_t n, uint64_t *ret);

/* A threshold rides in a context's spare bytes, so that it goes where the context goes. */
void sampler_into(sonde_context *c, uint64_t threshold);
bool sampler_from(const sonde_context *c, uint64_t *ret); /* false: not known */

struct sampler_load {
    double roots_a_second; /* moving mean */
    bool begun;
};
/* The rate that keeps about `most` roots a second, of which `roots` began in the last `seconds`; at
 * most 1. most 0: no bound. */
double sampler_adapt(struct sampler_load *l, double most, uint64_t roots, double seconds);

/* The threshold in force. Follows the setting trace.sample_rate at once. */
uint64_t sampler_threshold(void);
/* By the worker, each second or so: the adaptive rate. */
void sampler_tick(uint64_t roots, double seconds);
void sampler_start(void);
double sampler_rate(void); /* the probability in force */

#endif
