/* store/disk/log_segment.h - the bytes of a segment of the log: header, blocks, names.
 *
 * For log*.c, and for forward/queue.c, whose segments are sealed alike. Layout: docs/format/log.md.
 *
 * Threads: pure functions.
 */
#ifndef STORE_DISK_LOG_SEGMENT_H
#define STORE_DISK_LOG_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "crypt/cipher.h"
#include "crypt/keyring.h"
#include "os/disk.h"
#include "store/disk/log.h"

enum {
    LOG_SEGMENT_HEADER = 1024,     /* bytes: two copies of 512 */
    LOG_SEGMENT_BLOCK = 56,        /* bytes of a block's header */
    LOG_SEGMENT_PAYLOAD = 1 << 20, /* most bytes of records in a block */
    LOG_SEGMENT_PATH = 600,
};

struct log_segment_block {
    uint32_t length; /* of the payload */
    uint64_t segment;
    uint32_t index; /* 0, 1, 2 .. in its segment; the nonce */
    uint16_t lane;
    uint64_t synced; /* bytes of the file that were durable when it was written */
};

/* dir/NUMBER.log, 16 hexadecimal digits. */
void log_segment_path(const char *dir, uint64_t number, char ret[LOG_SEGMENT_PATH]);

/* The number in a file's name; false for other files. */
bool log_segment_number(const char *name, uint64_t *ret);

/* The numbers of all segments in dir, ascending; *ret is owned by the caller. A missing directory
 * has none. */
MUST_USE int log_segment_list(struct disk *d, const char *dir, uint64_t **ret, size_t *ret_n);

/* A new header and, where ring is set, the cipher of the segment (else NULL). */
MUST_USE int log_segment_header_make(uint64_t number, const struct keyring *ring,
                                     uint8_t ret[LOG_SEGMENT_HEADER], struct cipher **ret_cipher);

/* Reads a header (n bytes are there).. -ERR_KEY,
 * or -ERR_CORRUPT where both copies are damaged or belong to another segment. */
MUST_USE int log_segment_header_read(const uint8_t *p, size_t n, uint64_t number,
                                     const struct keyring *ring, const char *file,
                                     struct cipher **ret_cipher, struct why *why);

/* Fills the header in front of a payload and encrypts the payload in place. p: header + length. */
MUST_USE int log_segment_seal(const struct cipher *cipher, const struct log_segment_block *block,
                              uint8_t *p);

/* Is there a sound block header at p (n bytes are there) of this segment? */
bool log_segment_parse(const uint8_t *p, size_t n, uint64_t segment, struct log_segment_block *ret);

/* Checks the payload of a parsed block at p, and decrypts it into room (LOG_SEGMENT_PAYLOAD bytes)
 * where cipher is set. *ret_payload points into either. */
MUST_USE int log_segment_open(const struct cipher *cipher, const struct log_segment_block *block,
                              const uint8_t *p, uint8_t *room, const uint8_t **ret_payload);

/* Where the last sound block of the newest segment ends: what is behind it is a torn end.
 * UINT64_MAX where there is damage, so that nothing must be cut off. */
MUST_USE int log_segment_end(struct disk *d, const char *dir, const struct keyring *ring,
                             uint64_t number, uint64_t *ret_end, struct why *why);

#endif
