/* client/core/ring.h - a ring of bytes from one thread to the one thread: records of any size.
 *
 * The writer reserves, fills and commits; it never waits: where the ring is full the record is
 * counted as lost and the caller goes on. The reader peeks and releases. A record is 8-byte aligned
 * and never wraps (a filler takes the rest of the ring).
 *
 * Threads: one writer; one reader at a time.
 */
#ifndef CLIENT_CORE_RING_H
#define CLIENT_CORE_RING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct ring {
    size_t size;                        /* of bytes; a power of two */
    _Alignas(64) _Atomic uint64_t head; /* written up to; the writer's */
    uint64_t tail_seen;                 /* the writer's idea of tail */
    _Atomic uint64_t lost;              /* records that found no room */
    _Alignas(64) _Atomic uint64_t tail; /* read up to; the reader's */
    char *bytes;                        /* touched only where used: mmap */
};

/* size is rounded up to a power of two of at least 4 KiB; NULL where there is no memory. */
struct ring *ring_new(size_t size);
void ring_free(struct ring *r); /* NULL is fine */

/* Room for a record of n bytes, or NULL (counted). n is at most a quarter of the ring. */
void *ring_reserve(struct ring *r, size_t n);
/* Publishes what was reserved; n may be less than reserved. */
void ring_commit(struct ring *r, void *record, size_t n);

/* The oldest record, or NULL. */
const void *ring_peek(struct ring *r, size_t *ret_n);
void ring_release(struct ring *r); /* the one that was peeked at */

/* Bytes that wait. */
size_t ring_used(const struct ring *r);

#endif
