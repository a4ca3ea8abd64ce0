/* client/error/error_alike.h - which of many errors are kept: deduplication and rate limits.
 *
 * A fixed table of hashes. The first error of a hash is kept and opens a window; those within the
 * window are counted at the entry. A bucket for each hash and one for all bound what is kept.
 * Entries are taken over when their window is over; where the table is full of open windows, only
 * the bucket of all holds. Races may keep one error too many, never lose a count.
 *
 * Source:  the buckets are the generic cell rate algorithm (ITU-T I.371)
 * Threads: error_alike_ask(): any, without locks; the rest: the worker.
 */
#ifndef CLIENT_ERROR_ERROR_ALIKE_H
#define CLIENT_ERROR_ERROR_ALIKE_H

#include <stddef.h>
#include <stdint.h>

enum { ERROR_ALIKE_MAX = 256, ERROR_ALIKE_NONE = UINT32_MAX >> 1 };

enum error_verdict { ERROR_KEPT, ERROR_ALIKE, ERROR_LIMITED };

/* ret_left_out: how many like it were left out before it (of ERROR_KEPT). */
enum error_verdict error_alike_ask(uint64_t hash, uint64_t now_ticks, uint32_t *ret_entry,
                                   uint64_t *ret_left_out);
/* Of an entry whose window is over: how many were left out in it, now told; 0 otherwise. */
uint64_t error_alike_over(uint32_t entry, uint64_t now_ticks);
/* How many errors an entry has had since its first. */
uint64_t error_alike_total(uint32_t entry);
uint64_t error_alike_hash(uint32_t entry);
void error_alike_reset(void);

/* A hash of what makes errors alike: numbers within message do not count. */
uint64_t error_alike_of(const char *type, const char *pattern, const char *message, uint64_t place);

#endif
