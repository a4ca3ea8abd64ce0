/* text/byte_size.h - numbers of bytes as Prometheus's files have them: `10MB`, `1.5GiB`, `0`.
 *
 * Source:  Base2Bytes of the units package that Prometheus reads them with: K, M, G, T, P and E are
 *          powers of 1024 with or without the i, a unit must be there, several may be added up.
 * Threads: pure functions.
 */
#ifndef TEXT_BYTE_SIZE_H
#define TEXT_BYTE_SIZE_H

#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* -ERR_FORMAT, -ERR_RANGE. May be negative. */
MUST_USE int byte_size_read(struct str text, int64_t *ret, struct why *why);

/* Appends the largest whole units: 10MiB, 1MiB512KiB. */
void byte_size_put(struct buf *out, uint64_t bytes);

#endif
