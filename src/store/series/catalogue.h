/* store/series/catalogue.h - the series of a tenant on disk, so that the head knows them at once
 * after a restart.
 *
 * A row of page files "catalogue-N" in the tenant's directory: each flush that has new series adds
 * one, and when they are many or half of it is dead, all is written anew as one. Label pairs stand
 * once, a series is the numbers of its pairs, the part it shares with the series before left out:
 * about ten bytes. The manifest's note "catalogue" names the first and the last file that count;
 * where that is lost, the files themselves say which of them begins anew.
 *
 * Damage costs the series of that file from there on: their samples in parts stay (parts have keys
 * of their own), those that only the log has are orphans.
 * docs/format/catalogue.md draws the bytes.
 *
 * Threads: one at a time.
 */
#ifndef STORE_SERIES_CATALOGUE_H
#define STORE_SERIES_CATALOGUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "crypt/keyring.h"
#include "os/disk.h"
#include "store/disk/manifest.h"
#include "store/series/head.h"

enum { CATALOGUE_FILES_MAX = 12 }; /* before they are written as one */

struct catalogue {
    struct disk *disk;
    const struct keyring *ring;
    char *dir;            /* owned */
    uint64_t first, last; /* files that count; last < first: none */
    uint64_t series, dead;
    struct catalogue_numbers {
        uint32_t *v;
        size_t n, capacity;
    } numbers;      /* head's pair -> number + 1, 0: none */
    uint32_t pairs; /* numbers given out */
    bool lost;      /* damage was met: the next save writes all anew, and is always due */
    void (*warn)(void *context, const char *text); /* may be NULL */
    void *warn_context;
    uint64_t saved_first, saved_last, saved_series; /* of a save that is not settled */
};

void catalogue_init(struct catalogue *c, struct disk *disk, const struct keyring *ring,
                    const char *dir);
void catalogue_done(struct catalogue *c);

/* Defines all series of the catalogue in h, which nobody else uses yet. Files beyond the note (of
 * a flush that a crash ended) are removed. What is damaged is told to warn and left out. -ERR_KEY,
 * -ERR_FORMAT (of another version), -ERR_IO. */
MUST_USE int catalogue_load(struct catalogue *c, const struct manifest *m, struct head *h,
                            struct why *why);

/* Has h series that no catalogue file holds? The log must not be dropped before one does. */
bool catalogue_unsaved(struct head *h);

/* Writes the head's series that are not in the catalogue yet (or all of them, where that is due)
 * into a new file and puts the note into edit. catalogue_settle() follows with whether the edit was
 * applied. *ret_any: whether anything was written. */
MUST_USE int catalogue_save(struct catalogue *c, struct head *h, struct manifest_edit *edit,
                            bool *ret_any, struct why *why);
void catalogue_settle(struct catalogue *c, struct head *h, bool applied);

/* Series were swept from the head. */
void catalogue_note_dead(struct catalogue *c, uint64_t n);

#endif
