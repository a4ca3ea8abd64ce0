/* codec/rw1.h - a remote write 1.0 request (prometheus.WriteRequest), read without copying.
 *
 * The keys of the rows are the label bytes of the request itself wherever they lie together, as all
 * senders put them; else they are put together in the reader's memory. Rows of one series have the
 * same key pointer.
 *
 * Flow:    unpacked bytes -> batch + sides, again and again
 * Source:  Prometheus, prompb/remote.proto and types.proto; protobuf encoding.
 * Threads: one per reader.
 */
#ifndef CODEC_RW1_H
#define CODEC_RW1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "codec/sides.h"
#include "model/batch.h"

struct rw1_reader {
    const uint8_t *start, *p, *end; /* the request; p: its next field */
    const uint8_t *at, *series_end; /* the present series; at: its next field */
    struct str key;
    bool labels_done;   /* key has all labels of the present series */
    struct arena arena; /* of what the present batch points to */
};

void rw1_init(struct rw1_reader *r);
void rw1_done(struct rw1_reader *r);

/* Starts with a request; CODEC_SLACK bytes behind it are readable and it outlives the batches. */
void rw1_begin(struct rw1_reader *r, struct str request);

/* Fills b and s anew: 1 where there is something in one of them, 0 at the end, -ERR_FORMAT with the
 * position in why for bytes that are not such a request. */
MUST_USE int rw1_next(struct rw1_reader *r, struct batch *b, struct sides *s, struct why *why);

#endif
