/* client/core/id.h - random numbers that identify: traces, spans, events.
 *
 * A generator of each thread (xoshiro256**, Blackman and Vigna 2018), seeded from getrandom(2) and
 * again in a forked child. Not for secrets.
 *
 * Threads: any; id_u64() is a few nanoseconds.
 */
#ifndef CLIENT_CORE_ID_H
#define CLIENT_CORE_ID_H

#include <stddef.h>
#include <stdint.h>

uint64_t id_u64(void);
double id_fraction(void); /* [0, 1) */
void id_fill(uint8_t *ret,
             size_t n); /* its bits are random but one, so that no 8 bytes of it are all zero */
void id_text(char ret[33], const uint8_t id[16]);             /* hex and a NUL */
void id_fork_child(void);                                     /* new seeds */
uint64_t id_hash(const void *bytes, size_t n, uint64_t seed); /* wyhash-like mixing; not keyed */

#endif
