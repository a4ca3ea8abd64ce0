/* os/file_watch.h - tells when something in a folder changes, or a file.
 *
 * Only that it did: who watches looks again. Changes that come together are told once.
 *
 * Threads: the loop's.
 */
#ifndef OS_FILE_WATCH_H
#define OS_FILE_WATCH_H

#include "base/attr.h"
#include "base/err.h"

struct loop;
struct file_watch;

/* Calls f some ten milliseconds after the last of a run of changes in path, at the latest a second
 * after the first. -ERR_NOENT, -ERR_DENIED, -ERR_LIMIT (the kernel's, of watches). */
MUST_USE int file_watch_new(struct loop *l, const char *path, void (*f)(void *context),
                            void *context, struct file_watch **ret, struct why *why);
void file_watch_free(struct file_watch *w); /* NULL is fine */

#endif
