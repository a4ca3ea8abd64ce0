/* os/disk.h - the disk, as a table of functions.
 *
 * Everything that the store keeps goes through here, so that tests can put a simulated disk
 * (os/disk_sim.h) in its place that tears, loses and refuses writes from one seed. Paths are
 * relative to the disk's root and never begin with "/" or hold "..".
 *
 * What is durable: the bytes of a file after disk_sync() on it returned 0; the existence and name
 * of a file after disk_sync_dir() on its directory returned 0. Nothing else is.
 * After a failed disk_sync() the file's unsynced bytes are lost for good: never sync it again.
 *
 * Threads: any; one file may be read by many while one appends.
 */
#ifndef OS_DISK_H
#define OS_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

struct disk;
struct disk_file; /* an open file, made by one disk and used with it */

enum {
    DISK_READ = 0,
    DISK_WRITE = 1,  /* read and write */
    DISK_CREATE = 2, /* with DISK_WRITE: -ERR_EXISTS if it is there */
};

/* One name in a directory. */
struct disk_entry {
    const char *name;
    bool is_dir;
};

struct disk_ops {
    int (*open)(struct disk *d, const char *path, int flags, struct disk_file **ret);
    void (*close)(struct disk *d, struct disk_file *f);
    /* Reads up to n bytes at offset; *ret_n is less than n only at the end of the file. */
    int (*read)(struct disk *d, struct disk_file *f, uint64_t offset, void *p, size_t n,
                size_t *ret_n);
    /* Writes all n bytes at offset or fails; a failure may have written any part of them. */
    int (*write)(struct disk *d, struct disk_file *f, uint64_t offset, const void *p, size_t n);
    int (*sync)(struct disk *d, struct disk_file *f); /* data and size, as fdatasync() */
    int (*truncate)(struct disk *d, struct disk_file *f, uint64_t size);
    /* Reserves blocks for [0, size) so that writing there cannot run out of space; the file's
     * size grows to size and reads zeros. -ERR_FULL where there is no room. */
    int (*allocate)(struct disk *d, struct disk_file *f, uint64_t size);
    int (*size)(struct disk *d, struct disk_file *f, uint64_t *ret);
    int (*rename)(struct disk *d, const char *from, const char *to); /* replaces a file */
    int (*remove)(struct disk *d, const char *path);                 /* a file or an empty dir */
    int (*link)(struct disk *d, const char *from, const char *to);   /* hard link */
    int (*make_dir)(struct disk *d, const char *path);               /* fine if it is there */
    int (*sync_dir)(struct disk *d, const char *path);               /* "." for the root */
    /* Calls f for each entry (not "." and ".."), in any order; stops at its first non-zero. */
    int (*list)(struct disk *d, const char *path,
                int (*f)(void *context, const struct disk_entry *), void *context);
    int (*space)(struct disk *d, uint64_t *ret_free, uint64_t *ret_total); /* bytes for us */
    int (*lock)(struct disk *d, const char *path); /* -ERR_BUSY where another process holds it */
    void (*free)(struct disk *d);
};

struct disk {
    const struct disk_ops *ops;
};

/* The directory root of the machine's own disk. The directory must exist (-ERR_NOENT). */
MUST_USE int disk_real_open(const char *root, struct disk **ret, struct why *why);

MUST_USE int disk_open(struct disk *d, const char *path, int flags, struct disk_file **ret);
void disk_close(struct disk *d, struct disk_file *f); /* NULL is fine */
MUST_USE int disk_read(struct disk *d, struct disk_file *f, uint64_t offset, void *p, size_t n,
                       size_t *ret_n);
/* As disk_read, but fewer than n bytes are -ERR_CORRUPT. */
MUST_USE int disk_read_all(struct disk *d, struct disk_file *f, uint64_t offset, void *p, size_t n);
MUST_USE int disk_write(struct disk *d, struct disk_file *f, uint64_t offset, const void *p,
                        size_t n);
MUST_USE int disk_sync(struct disk *d, struct disk_file *f);
MUST_USE int disk_truncate(struct disk *d, struct disk_file *f, uint64_t size);
MUST_USE int disk_allocate(struct disk *d, struct disk_file *f, uint64_t size);
MUST_USE int disk_size(struct disk *d, struct disk_file *f, uint64_t *ret);
MUST_USE int disk_rename(struct disk *d, const char *from, const char *to);
MUST_USE int disk_remove(struct disk *d, const char *path);
MUST_USE int disk_link(struct disk *d, const char *from, const char *to);
MUST_USE int disk_make_dir(struct disk *d, const char *path);
MUST_USE int disk_sync_dir(struct disk *d, const char *path);
MUST_USE int disk_list(struct disk *d, const char *path,
                       int (*f)(void *context, const struct disk_entry *), void *context);
MUST_USE int disk_space(struct disk *d, uint64_t *ret_free, uint64_t *ret_total);
MUST_USE int disk_lock(struct disk *d, const char *path);
void disk_free(struct disk *d); /* NULL is fine */

/* "dir/name" into ret [n]; -ERR_LIMIT where it does not fit. */
MUST_USE int disk_join(char *ret, size_t n, const char *dir, const char *name);

/* disk_sync_dir() of the directory that holds path: makes a new name durable. */
MUST_USE int disk_sync_parent(struct disk *d, const char *path);

/* Writes a whole small file so that it is there entirely or not at all after a crash: temporary
 * name, sync, rename, sync of the directory. */
MUST_USE int disk_replace(struct disk *d, const char *path, const void *p, size_t n);

/* Reads a whole file of at most max bytes into *ret (owned by the caller, mem_free()). */
MUST_USE int disk_slurp(struct disk *d, const char *path, size_t max, void **ret, size_t *ret_n);

/* Removes a directory and what is in it (four levels at most: the store nests no deeper inside a
 * part or a snapshot). -ERR_NOENT where it is not there. */
MUST_USE int disk_remove_tree(struct disk *d, const char *path);

#endif
