/* store/series/tenant.h - one tenant of the store: its head, its parts and its files.
 *
 * Inside of store.h. A tenant lives in tenants/NNNN of the data directory:
 *   manifest, catalogue-N, part-N/, metadata, tombstones.
 *
 * Threads: parts_lock guards the list of parts (a part in use has uses > 1 and outlives its place
 *          in the list); flush, merge and retention run under the store's work lock.
 */
#ifndef STORE_SERIES_TENANT_H
#define STORE_SERIES_TENANT_H

#include <pthread.h>

#include "base/map.h"
#include "store/disk/manifest.h"
#include "store/disk/page.h"
#include "store/series/catalogue.h"
#include "store/series/head.h"
#include "store/series/merge.h"
#include "store/series/part.h"
#include "store/series/store.h"
#include "store/series/written.h"

/* A part that cursors may hold. */
struct tenant_part {
    struct part *part;
    char *dir;            /* owned; below the data directory */
    uint64_t number;      /* in its name: later parts have larger ones */
    _Atomic int uses;     /* the list's own counts one */
    _Atomic bool doomed;  /* its directory goes with the last use */
    _Atomic bool damaged; /* into quarantine/, that is: a merge met damage in it */
    struct disk *disk;
};

struct tenant_parts {
    struct tenant_part **v; /* [n] by sequence, oldest first */
    size_t n, capacity;
};

/* Deleted ranges. */
struct tombstone {
    struct index_matchers *matchers;
    struct str text; /* the matchers as stored; owned */
    int64_t from_ms, to_ms;
    uint64_t sequence; /* hides parts up to this number */
};

struct tombstones {
    struct tombstone *v;
    size_t n, capacity;
};

struct stored_exemplar {
    char *bytes; /* key, then labels */
    size_t key_n, labels_n;
    int64_t ts_ms;
    double value;
};

struct tenant {
    struct store *store;
    uint32_t number;
    char name[TENANT_NAME_MAX + 1];
    char dir[32];
    struct head *head;
    struct manifest *manifest;
    struct catalogue catalogue;
    uint64_t sequence;           /* of the newest part */
    _Atomic uint64_t floor_seen; /* log_floor() for which all definitions were logged */
    _Atomic uint64_t defined_in; /* newest log segment that definitions went to */

    pthread_mutex_t parts_lock;
    struct tenant_parts parts;
    struct tombstones tombstones; /* parts_lock too */
    size_t cursors[2];            /* open ones by parity of the generation they began in */
    uint64_t generation;          /* +1 with each published flush; parts_lock for both */

    pthread_mutex_t notes_lock; /* of what follows */
    struct map metadata;        /* metric -> struct stored_metadata * */
    bool metadata_changed;
    struct stored_exemplar *exemplars; /* ring [exemplars_max]; number i is at i % max */
    size_t exemplars_max;
    uint64_t exemplars_from, exemplars_end; /* numbers of those that are held */

    struct written written; /* when which times were written last, for caches of answers */

    int64_t flushed_ms; /* monotonic, of the last flush */
    struct {
        uint32_t *v;
        size_t n, capacity;
    } dead_ids; /* swept, not yet out of the catalogue */
};

/* Opens (or makes) the tenant's files and parts and fills its head from the catalogue. opening: the
 * whole store is being opened, which makes the head's postings at its end. */
MUST_USE int tenant_open(struct store *s, uint32_t number, struct str name, bool opening,
                         struct tenant **ret, struct why *why);
void tenant_free(struct tenant *t); /* NULL is fine */

/* Begins (ends) reading: what a reader finds in the head or in the parts at its begin stays in one
 * of them until its end. */
uint64_t tenant_read_begin(struct tenant *t);
void tenant_read_end(struct tenant *t, uint64_t generation);

/* Waits until all readers that began before this call have ended; -ERR_BUSY after timeout_ms. */
MUST_USE int tenant_read_barrier(struct tenant *t, int64_t timeout_ms);

/* Takes hold of the parts that overlap the range. */
struct tenant_part **tenant_hold(struct tenant *t, int64_t from_ms, int64_t to_ms, size_t *ret_n);
void tenant_release(struct tenant_part **parts, size_t n); /* frees the list too */

/* Opens a finished part directory and puts it into the list; replaces (and dooms) those of old. */
MUST_USE int tenant_publish(struct tenant *t, const char *const *dirs, size_t dirs_n,
                            struct tenant_part *const *old, size_t old_n,
                            struct manifest_edit *edit, struct why *why);

/* The path for a new part (mem_free). */
char *tenant_new_dir(struct tenant *t);

/* ---- metadata and tombstones: tenant_notes.c */
MUST_USE int tenant_load_notes(struct tenant *t, struct why *why);
void tenant_note_metadata(struct tenant *t, const struct metadata *m, bool *ret_new);
MUST_USE int tenant_save_metadata(struct tenant *t, struct why *why);

/* ---- exemplars */
void tenant_note_exemplar(struct tenant *t, const struct exemplar *e);

/* Copies what is held, sorted by key, then time, into a; returns the number of the next one. */
uint64_t tenant_exemplars(struct tenant *t, struct arena *a, struct exemplar **ret, size_t *ret_n);

/* Forgets those before number end: a part has them. */
void tenant_drop_exemplars(struct tenant *t, uint64_t end);

/* ---- tombstones */
MUST_USE int tenant_add_tombstone(struct tenant *t, const struct matcher *matchers, size_t n,
                                  int64_t from_ms, int64_t to_ms, struct why *why);
/* Forgets tombstones that no part needs any more. */
void tenant_drop_tombstones(struct tenant *t);

struct stored_metadata {
    enum metric_type type;
    char *help, *unit; /* owned */
};

#endif
