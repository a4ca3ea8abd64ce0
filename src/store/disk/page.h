/* store/disk/page.h - page files: a stream of bytes in checked, optionally encrypted pages.
 *
 * A page file is written once from front to back, finished, and never changed after that (but for
 * its header when keys rotate). Its bytes are addressed by their logical offset, 0 .. size; on disk
 * they lie in pages of 32 KiB of which the last 16 bytes are a tag: AES-256-GCM's, or CRC32C. A
 * damaged page is -ERR_CORRUPT for who reads it; the other pages stay readable.
 * See docs/format/pages.md.
 *
 * Flow:    page_writer -> file -> page_read -> page_cache (verified, decrypted) -> page_ref
 * Threads: a writer has one at a time; files and the cache any; a ref belongs to one thread.
 */
#ifndef STORE_DISK_PAGE_H
#define STORE_DISK_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "crypt/keyring.h"
#include "os/disk.h"

enum {
    PAGE_BYTES = 32768, /* on disk, with the tag */
    PAGE_TAG_BYTES = 16,
    PAGE_PAYLOAD = PAGE_BYTES - PAGE_TAG_BYTES, /* bytes of the stream in one page */
    PAGE_HEADER_BYTES = 8192,                   /* before page 0 */
};

/* What a file holds, so that one is not taken for another; stored and checked. */
enum page_kind {
    PAGE_KIND_DATA = 1, /* chunks */
    PAGE_KIND_TIMES = 2,
    PAGE_KIND_INDEX = 3,
    PAGE_KIND_CATALOGUE = 4,
    PAGE_KIND_OTHER = 5,
};

/* ---- writing */
struct page_writer;

/* Makes the file (-ERR_EXISTS if it is there), encrypted where ring is not NULL (borrowed until
 * page_writer_finish()). */
MUST_USE int page_writer_new(struct disk *d, const char *path, enum page_kind kind,
                             const struct keyring *ring, struct page_writer **ret);

/* Appends n bytes. A failure is remembered and comes out of page_writer_finish(). */
void page_writer_put(struct page_writer *w, const void *p, size_t n);

/* The logical offset that the next byte gets. */
uint64_t page_writer_position(const struct page_writer *w);

/* Pads with zeros to the next page if fewer than n bytes are left in this one, so that an object
 * of n bytes (at most PAGE_PAYLOAD; larger ones are left alone) does not straddle two pages. */
void page_writer_align(struct page_writer *w, size_t n);

/* 0, or the error that is remembered. */
int page_writer_error(const struct page_writer *w);

/* Writes the rest and the header and syncs the file (not its directory). Afterwards only
 * page_writer_free() is allowed. On failure the file is to be removed by the caller. */
MUST_USE int page_writer_finish(struct page_writer *w);

void page_writer_free(struct page_writer *w); /* NULL is fine */

/* ---- the cache of pages, shared by all files */
struct page_cache;

/* Keeps at most bytes_max of pages (at least 16 of them). Counters sonde_page_cache_*. */
struct page_cache *page_cache_new(size_t bytes_max);

/* All refs must have been released. NULL is fine. */
void page_cache_free(struct page_cache *c);

/* ---- reading */
struct page_file;

/* cache NULL: every read goes to the disk. path is copied (for messages), cache borrowed. -ERR_KEY
 * where the ring lacks the key, -ERR_CORRUPT for an unfinished or damaged header, -ERR_FORMAT for
 * another kind or version. */
MUST_USE int page_file_open(struct disk *d, const char *path, enum page_kind kind,
                            const struct keyring *ring, struct page_cache *cache,
                            struct page_file **ret, struct why *why);
void page_file_close(struct page_file *f);          /* NULL is fine; refs stay valid */
uint64_t page_file_size(const struct page_file *f); /* logical bytes */
bool page_file_encrypted(const struct page_file *f);

/* n bytes of a file, pinned in the cache (one page) or copied (several). */
struct page_ref {
    const uint8_t *p; /* [n] */
    size_t n;
    void *frame; /* private */
    void *copy;  /* private */
};

/* Points *ret at n bytes from offset; to be given to page_release(). A range that goes past the end
 * is -ERR_CORRUPT (the offsets come from files too). Cost where it is cached and lies within one
 * page: a lock and a lookup. */
MUST_USE int page_read(struct page_file *f, uint64_t offset, size_t n, struct page_ref *ret,
                       struct why *why);

/* Like page_read(), but as much as lies in the page of offset: *ret has 1 .. PAGE_PAYLOAD bytes.
 * -ERR_END at the end of the file. For scans without copies. */
MUST_USE int page_read_some(struct page_file *f, uint64_t offset, struct page_ref *ret,
                            struct why *why);

/* Releases and clears; a ref that is all zero is fine. */
void page_release(struct page_ref *ref);

/* Copies n bytes from offset to p. */
MUST_USE int page_copy(struct page_file *f, uint64_t offset, size_t n, void *p, struct why *why);

/* Checks every page from the disk, past the cache, and calls damaged (may be NULL) for each bad
 * one: its number and logical range. Returns 0, -ERR_CORRUPT where any was bad, or another error
 * that ended the check. */
MUST_USE int page_verify(struct page_file *f,
                         void (*damaged)(void *context, uint64_t page, uint64_t offset, size_t n),
                         void *context, struct why *why);

/* Wraps the file's key by the newest key of ring (one slot of the header after the other, each
 * synced, so that a crash leaves one that opens). Nothing happens to a file in the clear or where
 * it is the newest already. The file must not be open for writing elsewhere. */
MUST_USE int page_rewrap(struct disk *d, const char *path, const struct keyring *ring,
                         struct why *why);

#endif
