/* collect/folder.h - folders of devices in /sys, read anew each time.
 *
 * For collectors of rare devices that run every few seconds: nothing stays open and there is no
 * state. sysdir.h is for what is read every second.
 *
 * Threads: pure functions.
 */
#ifndef COLLECT_FOLDER_H
#define COLLECT_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/str.h"
#include "collect/emit.h"
#include "collect/pseudo.h"

enum {
    FOLDER_NAMES_MAX = 4096, /* of one folder; the rest is left out */
    FOLDER_PATH = 4096,      /* bytes of a path */
};

/* The names in a folder, sorted. */
struct folder {
    char **v; /* [n] owned */
    size_t n, capacity;
};

/* Names that begin with prefix and are not hidden. -ERR_NOENT and the like where it cannot be
 * read: then *ret is empty and needs no folder_done(). */
MUST_USE int folder_list(const char *path, const char *prefix, struct folder *ret);
void folder_done(struct folder *f);

/* A path from its parts; what is too long is cut off (and not found then). */
void folder_path(char out[FOLDER_PATH], const char *format, ...) PRINTF(2, 3);

bool folder_exists(const char *path);

/* The trimmed text of dir/file, in room; false where it is missing or refuses to be read. */
bool folder_text(const char *dir, const char *file, char room[PSEUDO_SMALL], struct str *ret);
bool folder_number(const char *dir, const char *file, double *ret);

/* A file that holds a number, and what that becomes. */
struct folder_row {
    const char *file;
    double unit;
    struct family family;
};

/* Gives every row whose file is there and holds a number; values are those of the family's labels.
 * Returns how many it gave. */
size_t folder_give(struct emit *e, const char *dir, const struct folder_row *rows, size_t rows_n,
                   const struct str *values, size_t values_n);

/* The texts of several files of one folder as label values: [n] into ret, in room, which is large
 * enough for all; "" for what is missing. Returns how many are there. */
size_t folder_texts(const char *dir, const char *const *files, size_t n, struct buf *room,
                    struct str *ret);

#endif
