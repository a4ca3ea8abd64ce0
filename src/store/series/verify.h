/* store/series/verify.h - reads everything that a store keeps on disk and tells what is damaged:
 * every page of every file, parts down to each chunk, manifests, catalogues, the log, the small
 * files. Changes nothing; no daemon should write there meanwhile.
 *
 * Threads: one.
 */
#ifndef STORE_SERIES_VERIFY_H
#define STORE_SERIES_VERIFY_H

#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "crypt/keyring.h"
#include "os/disk.h"

/* path: the file, or the directory of the part or snapshot, that has the problem; text: a sentence
 * that names it, where in it, and what is lost. */
typedef void verify_problem_f(void *context, const char *path, const char *text);

struct verify {
    struct disk *disk;          /* of the data directory */
    const struct keyring *ring; /* NULL: none */
    verify_problem_f *problem;  /* may be NULL */
    void *context;
};

struct verify_result {
    uint64_t tenants, parts, catalogues, segments, snapshots;
    uint64_t problems;
};

/* 0 also where there are problems. -ERR_KEY (the sentence names key and file) and a disk that does
 * not answer end it. */
MUST_USE int verify_run(const struct verify *v, struct verify_result *ret, struct why *why);

#endif
