/* store/disk/log_check.h - reads a whole log for damage, changing nothing: both copies of each
 * header, every block, the zeros between, what lies behind the last block.
 *
 * A torn end of the last segment cannot be told from damage there, and is reported too.
 *
 * Threads: pure functions over a disk.
 */
#ifndef STORE_DISK_LOG_CHECK_H
#define STORE_DISK_LOG_CHECK_H

#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "crypt/keyring.h"
#include "os/disk.h"

struct log_check {
    uint64_t segments, blocks, problems;
};

/* Calls f with a sentence for each problem in the segments of dir from number from on. -ERR_KEY or
 * a disk that does not answer ends it. A missing directory is an empty log. */
MUST_USE int log_check(struct disk *d, const char *dir, const struct keyring *ring, uint64_t from,
                       void (*f)(void *context, const char *text), void *context,
                       struct log_check *ret, struct why *why);

#endif
