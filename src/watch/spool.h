/* watch/spool.h - a thread that writes files, so that a slow or full disk holds up nobody.
 *
 * What is put is kept in a bounded buffer of its file until the thread has written it; what does
 * not fit, or what the disk refuses, is dropped and counted.
 *
 * Flow:    spool_put() -> buffer of the file -> thread -> os/append_file
 * Threads: one puts; the spool has one of its own.
 */
#ifndef WATCH_SPOOL_H
#define WATCH_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

enum { SPOOL_PENDING_MAX = 256 << 10 /* bytes of one file that wait */ };

struct spool;
struct spool_file;

struct spool *spool_new(void);

/* Writes what waits and ends the thread; all files must be free. */
void spool_free(struct spool *s);

/* A file that is rotated, opened by the first write. */
struct spool_file *spool_file_new(struct spool *s, const char *path, int64_t size_max,
                                  int64_t files);
void spool_file_free(struct spool_file *f); /* writes what waits; NULL is fine */

void spool_put(struct spool_file *f, struct str bytes);

/* Bytes that were dropped so far, and whether the last write failed: -ERR_x or 0. */
uint64_t spool_dropped(struct spool_file *f);
int spool_error(struct spool_file *f);

/* Replaces a whole file soon; what was to be its content before is forgotten. */
void spool_replace(struct spool *s, const char *path, struct str bytes, bool durable);

/* Waits until everything is written or refused. */
void spool_flush(struct spool *s);

#endif
