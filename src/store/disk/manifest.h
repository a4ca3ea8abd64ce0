/* store/disk/manifest.h - which parts a tenant has, and its notes: a small append-only file.
 *
 * Edits are applied all or none: a merge adds its part and removes its sources in one. The file is
 * rewritten when most of it is dead. See docs/format/manifest.md.
 *
 * Threads: one at a time (the owner locks).
 */
#ifndef STORE_DISK_MANIFEST_H
#define STORE_DISK_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "os/disk.h"

enum {
    MANIFEST_NAME_MAX = 255,    /* bytes of a part's name, class or note's key */
    MANIFEST_VALUE_MAX = 65535, /* bytes of a note */
    MANIFEST_BYTES_MAX = 64 << 20,
};

struct manifest_part {
    struct str name;
    struct str class; /* of retention; "" for the default */
    uint32_t level;
    int64_t min_ms, max_ms;
    uint64_t size_bytes;
};

struct manifest;

/* Whether records may be missing, so that the owner should look through the directories of its
 * parts. It stands in the file as the note MANIFEST_DOUBT and stays until an edit sets that to "",
 * which belongs into the edit that enters what was found. */
#define MANIFEST_DOUBT "doubt"
enum manifest_doubt {
    MANIFEST_SOUND,
    MANIFEST_TORN,    /* the end is no record: torn by a crash, or the last edit is damaged */
    MANIFEST_DAMAGED, /* anything may be missing; also where the file was not there */
};

/* Opens or makes the file. A torn end is cut off; damage elsewhere is skipped and counted. Succeeds
 * on a full disk where the file is there (edits fail until there is room). */
MUST_USE int manifest_open(struct disk *d, const char *path, struct manifest **ret,
                           struct why *why);
void manifest_free(struct manifest *m); /* NULL is fine */

/* The same without changing anything: for looking at a store; no edits. -ERR_NOENT. */
MUST_USE int manifest_read(struct disk *d, const char *path, struct manifest **ret,
                           struct why *why);

enum manifest_doubt manifest_doubt(const struct manifest *m);

/* Runs of bytes that were damaged, so that records may be missing: 0 in a sound file. The owner
 * should then look through the directories of the parts. */
uint64_t manifest_damaged(const struct manifest *m);

/* ---- reading; pointers are valid until the next manifest_apply() */
size_t manifest_parts(const struct manifest *m);
const struct manifest_part *manifest_part(const struct manifest *m, size_t i); /* i < parts */
const struct manifest_part *manifest_find(const struct manifest *m, struct str name); /* or NULL */
bool manifest_note(const struct manifest *m, struct str key, struct str *ret);

/* ---- editing */
struct manifest_edit {
    struct buf bytes; /* private */
};

void manifest_edit_init(struct manifest_edit *e);
void manifest_edit_done(struct manifest_edit *e);
void manifest_edit_add(struct manifest_edit *e, const struct manifest_part *part); /* or replaces */
void manifest_edit_remove(struct manifest_edit *e, struct str name); /* fine if it is not there */
void manifest_edit_note(struct manifest_edit *e, struct str key, struct str value);

/* Makes the edit durable, then visible. On failure nothing has become visible; whether it holds
 * after a restart is not known until a later manifest_apply() returned 0 (so the files of a part
 * whose adding failed must be kept until then, or their absence tolerated). -ERR_LIMIT where
 * something in it is too long. */
MUST_USE int manifest_apply(struct manifest *m, const struct manifest_edit *e, struct why *why);

#endif
