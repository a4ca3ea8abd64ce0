/* store/disk/page_cache.h - verified pages in memory, shared by all page files.
 *
 * Private to page*.c. A frame holds one page; a clock hand per shard finds the one to give up,
 * and pinned frames stay. Where all frames of a shard are pinned, a frame outside is used.
 *
 * Threads: any; one lock per shard.
 */
#ifndef STORE_DISK_PAGE_CACHE_H
#define STORE_DISK_PAGE_CACHE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/disk/page.h"

struct page_frame {
    _Atomic uint32_t pins;
    bool used;     /* since the hand came by */
    bool outside;  /* not in the cache: freed with its last pin */
    uint64_t file; /* 0: empty */
    uint64_t page;
    uint32_t next; /* in the chain of its bucket: index + 1, 0 ends */
    uint8_t *v;    /* [PAGE_BYTES] */
};

/* The frame of a page, pinned; NULL where it is not there. c may be NULL. */
struct page_frame *page_cache_get(struct page_cache *c, uint64_t file, uint64_t page);

/* A pinned frame to read a page into, in no bucket yet. c may be NULL. Where reading fails it is
 * given to page_cache_unpin(). */
struct page_frame *page_cache_take(struct page_cache *c, uint64_t file, uint64_t page);

/* Makes a frame from page_cache_take() visible to others; where another thread was faster, that
 * one's frame is given back pinned and this one released. */
struct page_frame *page_cache_put(struct page_cache *c, uint64_t file, struct page_frame *frame);

void page_cache_unpin(struct page_frame *frame);

#endif
