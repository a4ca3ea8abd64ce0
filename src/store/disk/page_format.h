/* store/disk/page_format.h - the bytes of a page file: header slots and pages.
 *
 * Private to page*.c. Layout: docs/format/pages.md.
 *
 * Threads: pure functions.
 */
#ifndef STORE_DISK_PAGE_FORMAT_H
#define STORE_DISK_PAGE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "crypt/cipher.h"
#include "crypt/keyring.h"
#include "store/disk/page.h"

enum { PAGE_FORMAT_SLOTS = 2, PAGE_FORMAT_SLOT = 4096 /* bytes from one to the next */ };

struct page_format {
    uint32_t kind;
    bool encrypted;
    uint64_t id;         /* random, of the file */
    uint64_t size;       /* logical bytes */
    uint64_t generation; /* the greater slot holds */
    uint8_t wrapped[KEYRING_WRAPPED_BYTES];
    bool uneven; /* read: the slots differ in their key, as after a crash in page_rewrap() */
};

/* One slot. */
void page_format_write(const struct page_format *format, uint8_t ret[PAGE_FORMAT_SLOT]);

/* The newer of the sound slots. -ERR_CORRUPT where there is none, -ERR_FORMAT for another version.
 */
MUST_USE int page_format_read(const uint8_t p[PAGE_HEADER_BYTES], struct page_format *ret);

/* What is bound to the wrapped key. */
enum { PAGE_FORMAT_BOUND = 40 };
void page_format_bound(const struct page_format *format, uint8_t ret[PAGE_FORMAT_BOUND]);

/* Bytes of the stream in page number, given the file's size; 0 behind the end. */
size_t page_format_payload(uint64_t size, uint64_t number);

/* Writes the tag behind n bytes at p, which are encrypted in place where cipher is set. */
MUST_USE int page_format_seal(const struct page_format *format, const struct cipher *cipher,
                              uint64_t number, uint8_t *p, size_t n);

/* Checks the n bytes at p against the tag behind them, decrypts in place. -ERR_CORRUPT. */
MUST_USE int page_format_open(const struct page_format *format, const struct cipher *cipher,
                              uint64_t number, uint8_t *p, size_t n);

#endif
