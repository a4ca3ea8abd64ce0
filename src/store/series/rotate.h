/* store/series/rotate.h - wraps the keys of all files by the newest key of the ring, so that older
 * ring keys are needed no more. No daemon may run.
 *
 * Threads: one.
 */
#ifndef STORE_SERIES_ROTATE_H
#define STORE_SERIES_ROTATE_H

#include <stdint.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "crypt/keyring.h"
#include "os/disk.h"
#include "store/series/store.h"

struct rotate_result {
    uint64_t files;   /* page files that were looked at */
    uint64_t wrapped; /* that had another key */
    uint64_t clear;   /* that are not encrypted: written before a key file was configured */
};

/* settings->key_file names the keys. The log is flushed first, so that no segment of an older key
 * stays. A crash leaves files that open by either key; run it again then. */
MUST_USE int rotate_run(struct disk *disk, const struct clock *clock,
                        const struct store_settings *settings,
                        void (*warn)(void *context, const char *text), void *context,
                        struct rotate_result *ret, struct why *why);

#endif
