/* store/series/fingerprint.h - a keyed 128-bit hash of label bytes.
 *
 * The head finds a series by it without comparing labels, so two keys must not collide even when
 * their author tries: the key is random and lives as long as the process. Not stored anywhere.
 *
 * Source:  the AES round as a mixing function, as in many non-cryptographic hashes (aHash, meow
 *          hash), with more rounds at the end than those; XXH3 where the processor has no AES.
 * Threads: pure functions.
 */
#ifndef STORE_SERIES_FINGERPRINT_H
#define STORE_SERIES_FINGERPRINT_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct fingerprint {
    uint64_t lo, hi;
};

struct fingerprint_key {
    uint64_t words[8]; /* random */
};

/* A key that nobody can guess. */
void fingerprint_key_init(struct fingerprint_key *key);

struct fingerprint fingerprint_of(const struct fingerprint_key *key, struct str bytes);

/* The same without AES instructions: for other processors, and to be tested on all. */
struct fingerprint fingerprint_plain(const struct fingerprint_key *key, struct str bytes);

#endif
