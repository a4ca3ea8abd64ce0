/* pack/snappy.h - a decoder of snappy's block format, for the hot path of remote write.
 *
 * Fast by wide copies that may write up to SNAPPY_SLACK bytes behind the output, into slack that
 * the caller provides; nothing is ever read or written outside of the buffers.
 *
 * Source:  snappy format description (format_description.txt, google/snappy).
 * Threads: pure functions.
 */
#ifndef PACK_SNAPPY_H
#define PACK_SNAPPY_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

enum { SNAPPY_SLACK = 64 }; /* bytes */

/* The length that a block says it unpacks to, from its preamble alone; nothing is allocated and the
 * number may be a lie: check it against a cap. -ERR_FORMAT where there is no preamble. */
MUST_USE int snappy_length(struct str in, size_t *ret);

/* Unpacks a block to exactly out_n bytes (what snappy_length() said); out has out_n + SNAPPY_SLACK
 * writable bytes, of which the last SNAPPY_SLACK end up with any content. -ERR_FORMAT where the
 * block is damaged or its length is not out_n (the content of out is then undefined). */
MUST_USE int snappy_decode(struct str in, uint8_t *out, size_t out_n);

#endif
