/* custom/custom_tail.h - files that grow, line by line: rotated, truncated, remembered.
 *
 * A reading goes on where the one before ended. A file that is another one than before (its inode
 * differs, or it begins otherwise) is read from its start, after the rest of the old one, which is
 * kept open; a file that became shorter likewise. Only whole lines are given.
 *
 * Places are written to DATA/custom/log-NAME.json after each reading that moved one; docs/format
 * has the file. A crash between loses or repeats at most the lines of one reading.
 *
 * Flow:    files -> line()
 * Threads: one at a time.
 */
#ifndef CUSTOM_CUSTOM_TAIL_H
#define CUSTOM_CUSTOM_TAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "os/disk.h"

struct custom_tail_plan {
    const char *name;    /* of the file of places */
    const char *pattern; /* of paths */
    bool from_beginning; /* also what was there before a file was first seen */
    size_t line_max, files_max;
    struct disk *disk; /* NULL: nothing is remembered */
    const struct clock *clock;
};

struct custom_tail;

/* plan's texts, disk and clock outlive it. Reads the places. */
struct custom_tail *custom_tail_new(const struct custom_tail_plan *plan);
void custom_tail_free(struct custom_tail *t); /* NULL is fine */

/* Calls line() for each new line (without its end), for at most timeout_ms; what is left comes with
 * the next reading. -ERR_NOENT where the pattern names no file, -ERR_x where one cannot be read:
 * the others are read all the same. */
MUST_USE int custom_tail_read(struct custom_tail *t, void (*line)(void *context, struct str line),
                              void *context, int64_t timeout_ms, struct why *why);

/* Lines that were passed over since they were longer than line_max. */
uint64_t custom_tail_long(const struct custom_tail *t);

#endif
