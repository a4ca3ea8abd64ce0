/* collect/pseudo.h - reading the kernel's files, again and again.
 *
 * A struct pseudo is one file under /proc or /sys that stays open and is read anew from offset 0
 * each time. Where the file went away it is opened again. Small helpers take lines and numbers
 * from what was read; they believe nothing: a missing or odd number is 0 or false.
 *
 * Threads: one at a time.
 */
#ifndef COLLECT_PSEUDO_H
#define COLLECT_PSEUDO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum {
    PSEUDO_MAX = 16 << 20,  /* bytes of one file; more is -ERR_LIMIT */
    PSEUDO_OPEN_MAX = 1024, /* files that are kept open in all, see pseudo_open_max() */
};

/* How many files may stay open between reads: PSEUDO_OPEN_MAX, or an eighth of what the process may
 * open, if that is less. What exceeds it is opened for each read. */
size_t pseudo_open_max(void);

struct pseudo {
    char *path;   /* owned */
    int fd;       /* -1: not open */
    bool missing; /* it could not be opened the last time */
    struct buf text;
};

/* root + path ("/proc" + "/stat"). */
void pseudo_init(struct pseudo *p, const char *root, const char *path);
void pseudo_done(struct pseudo *p);

/* The same on the heap, for collectors that have no more state than one file. */
MUST_USE struct pseudo *pseudo_new(const char *root, const char *path);
void pseudo_free(struct pseudo *p); /* NULL is fine */

/* Two of them, as the kernel has for IPv4 and IPv6. */
struct pseudo_pair {
    struct pseudo v4, v6;
};

MUST_USE struct pseudo_pair *pseudo_pair_new(const char *root, const char *v4, const char *v6);
void pseudo_pair_free(struct pseudo_pair *p); /* NULL is fine */

/* The whole file; *ret is valid until the next read. -ERR_NOENT where it is not there. */
MUST_USE int pseudo_read(struct pseudo *p, struct str *ret, struct why *why);

/* As pseudo_read for a file of one short value (at most PSEUDO_SMALL bytes, one read, no memory of
 * its own): the bytes go to room and lose blanks and line ends at both sides. */
enum { PSEUDO_SMALL = 4096 };
MUST_USE int pseudo_read_small(struct pseudo *p, char room[PSEUDO_SMALL], struct str *ret);

/* Opens, reads (at most size - 1 bytes, NUL added) and closes; *ret trimmed, in room. */
MUST_USE int pseudo_peek(const char *path, char *room, size_t size, struct str *ret);
MUST_USE int pseudo_peek_at(int dir_fd, const char *path, char *room, size_t size, struct str *ret);

/* The number in a file, plain or "0x..". */
MUST_USE int pseudo_peek_number(const char *path, double *ret);

/* How many entries a directory of descriptors (/proc/PID/fd) has: since Linux 6.2 its size says it,
 * before that they are counted. */
MUST_USE int pseudo_count(const char *path, size_t *ret);
MUST_USE int pseudo_count_at(int dir_fd, const char *path, size_t *ret);

/* Takes the next line off *rest, without its end; false at the end. */
bool pseudo_line(struct str *rest, struct str *ret);

/* Takes the next word off *rest as a number; false (0) where there is none or it is odd. */
bool pseudo_u64(struct str *rest, uint64_t *ret);
bool pseudo_number(struct str *rest, double *ret);

/* All of s as a hexadecimal number without 0x. */
bool pseudo_hex(struct str s, uint64_t *ret);

/* All of s as a number: decimal, with sign, fraction and exponent; hexadecimal after 0x. */
bool pseudo_parse(struct str s, double *ret);

#endif
