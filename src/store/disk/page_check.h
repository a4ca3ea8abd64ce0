/* store/disk/page_check.h - what of a page file page_verify() does not look at: both slots of the
 * header, the zeros between and behind, the length of the file. Damage there costs nothing yet, but
 * is damage. Needs no key.
 *
 * Threads: pure functions over a disk.
 */
#ifndef STORE_DISK_PAGE_CHECK_H
#define STORE_DISK_PAGE_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "crypt/keyring.h"
#include "os/disk.h"

/* Calls f with a sentence for each problem; returns how many there were, or -ERR_x where the file
 * cannot be read at all. */
MUST_USE int page_check(struct disk *d, const char *path,
                        void (*f)(void *context, const char *text), void *context);

/* Is it a page file (by its first bytes, in either slot), is it encrypted and by which key? */
MUST_USE int page_check_key(struct disk *d, const char *path, bool *ret_is_page_file,
                            char ret_key[KEYRING_ID_BYTES]);

#endif
