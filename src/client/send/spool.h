/* client/send/spool.h - what is promised waits on disk: one file for each thing, in one folder.
 *
 * PLACE/SERVICE/run-ID/TIME-ID.KIND.CATEGORY.ITEMS.TAKEN, written whole under another name, synced
 * and renamed (docs/format/libsonde.md). Each process has a folder run-ID of its own with a locked
 * file in it; where the lock can be had its process is gone, and whoever comes first moves the
 * files into its own folder. So no file has two senders, and none is left behind.
 *
 * Sizes and ages are bounded by client/send/queue.h, which knows all files of this process.
 *
 * Threads: the worker, or whoever stands for it while it does not run; spool_path(): any.
 */
#ifndef CLIENT_SEND_SPOOL_H
#define CLIENT_SEND_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/core/text.h"

enum { SPOOL_CATEGORY_MAX = 24, SPOOL_NAME_MAX = 128, SPOOL_FILE_MAX = 4 << 20 };

enum spool_kind { SPOOL_ENVELOPE, SPOOL_LOGS, SPOOL_SPANS, SPOOL_KINDS };

/* What a file's name says. */
struct spool_name {
    int64_t unix_ns;                   /* when it was put */
    uint64_t id;                       /* random */
    uint32_t items;                    /* how many spans, records; 1 for an envelope */
    uint8_t kind;                      /* enum spool_kind */
    uint8_t taken;                     /* bits: who has it already */
    char category[SPOOL_CATEGORY_MAX]; /* of Sentry's rate limits; "none" for spans and logs */
};

/* Where files of this service lie; made (0700) where it is missing. "" where there is no place:
 * the setting spool.dir, $SONDE_SPOOL, $XDG_STATE_HOME/sonde, ~/.local/state/sonde or
 * /var/tmp/sonde-UID, the first that can be written, and in it SERVICE. Lives as long as the
 * library; known once client/send has started, which is first of all modules. */
const char *spool_path(void);

void spool_start(void); /* chooses the place */
/* Lets go of the run folder, and removes it where it is empty. */
void spool_stop(void);
/* In a forked child: forgets the parent's folder, whose lock is closed already. */
void spool_fork_child(void);
int spool_lock_fd(void); /* -1: none; to be closed in forked children. Any thread */

/* Writes a file; durable: synced, with its folder. False where the disk refuses: errno. */
bool spool_write(const struct spool_name *name, const void *bytes, size_t n, bool durable);
/* Appends the contents; false where it is gone, too big or there is no memory. */
bool spool_read(const struct spool_name *name, struct text *ret);
void spool_remove(const struct spool_name *name);
/* Says in the file's name who has taken it; false where it is gone. */
bool spool_rename(const struct spool_name *from, const struct spool_name *to);

/* Takes over what processes of this service that are gone have left: found() for each file, in no
 * order. At most 64 folders a call. */
void spool_adopt(void (*found)(const struct spool_name *name, size_t size));

/* "0123456789abcdef-..": false where it is no such name. For spool.c and its tests. */
bool spool_name_read(const char *s, struct spool_name *ret);
void spool_name_write(const struct spool_name *name, char ret[SPOOL_NAME_MAX]);

#endif
