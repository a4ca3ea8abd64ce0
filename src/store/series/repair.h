/* store/series/repair.h - makes a damaged store whole again, with all that can still be read.
 *
 * What verify finds is linked into quarantine/TIME with a note; parts with bad pages are written
 * anew from what is readable; what cannot be opened at all leaves the manifest; manifest, catalogue
 * and list of tenants are rebuilt; a damaged snapshot moves to quarantine. No daemon may run.
 *
 * Threads: one.
 */
#ifndef STORE_SERIES_REPAIR_H
#define STORE_SERIES_REPAIR_H

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "os/disk.h"
#include "store/series/store.h"

struct repair {
    struct disk *disk;
    const struct clock *clock;
    const struct store_settings *settings;        /* key_file names the keys */
    void (*say)(void *context, const char *text); /* a sentence for each finding and step */
    void *context;
};

struct repair_result {
    uint64_t problems;   /* that verify found before */
    uint64_t rewritten;  /* parts */
    uint64_t dropped;    /* parts that could not be opened */
    char quarantine[64]; /* directory; "" where nothing was put there */
};

MUST_USE int repair_run(const struct repair *r, struct repair_result *ret, struct why *why);

#endif
