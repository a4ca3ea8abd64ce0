/* collect/sysdir.h - a directory of devices in /sys, each with the same attributes.
 *
 * sysdir_scan() brings the list of devices up to date; the attributes' files stay open from one
 * scan to the next.
 *
 * Threads: one at a time.
 */
#ifndef COLLECT_SYSDIR_H
#define COLLECT_SYSDIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "collect/pseudo.h"

enum { SYSDIR_DEVICES_MAX = 4096 }; /* of one directory; the rest is left out */

struct sysdir_device {
    char *name;           /* owned */
    struct pseudo *attrs; /* [sysdir.attrs_n] */
    uint64_t scan;        /* that saw it last */
};

struct sysdir {
    char *path;               /* owned */
    const char *const *attrs; /* [attrs_n] names of files, borrowed */
    size_t attrs_n;
    const char *prefix;      /* of the devices' names; "" for all */
    struct sysdir_device *v; /* [n] by name */
    size_t n, capacity;
    uint64_t scan;
};

void sysdir_init(struct sysdir *d, const char *root, const char *path, const char *prefix,
                 const char *const *attrs, size_t attrs_n);
void sysdir_done(struct sysdir *d);

/* The same on the heap. */
MUST_USE struct sysdir *sysdir_new(const char *root, const char *path, const char *prefix,
                                   const char *const *attrs, size_t attrs_n);
void sysdir_free(struct sysdir *d); /* NULL is fine */

/* -ERR_NOENT where the directory is missing. */
MUST_USE int sysdir_scan(struct sysdir *d, struct why *why);

/* The text of attribute i, trimmed, in room; false where it is missing or refuses to be read. */
bool sysdir_text(const struct sysdir_device *v, size_t i, char room[PSEUDO_SMALL], struct str *ret);

/* The number in attribute i. */
bool sysdir_number(const struct sysdir_device *v, size_t i, double *ret);

#endif
